"""A payment service that can be told to refuse, so that an order fails half way."""

from __future__ import annotations


class PaymentRefused(Exception):
    """The order with this number was not paid for."""

    def __init__(self, order_id: int) -> None:
        super().__init__(order_id)
        self.order_id = order_id


def charge(order_id: int, *, refuse: bool) -> None:
    """Take the money for an order, or raise `PaymentRefused`."""
    if refuse:
        raise PaymentRefused(order_id)
