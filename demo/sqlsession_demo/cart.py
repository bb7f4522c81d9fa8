"""The visitor's cart, which lives in the session: tea key -> quantity."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request

from sqlsession_demo.catalogue import TEAS
from sqlsession_demo.models import OrderLine

KEY = "cart"


class Cart:
    """A view on `session["cart"]`; it keeps nothing of its own."""

    def __init__(self, session: MutableMapping[str, Any]) -> None:
        self._session = session

    def add(self, tea_key: str) -> None:
        """Put one more into the cart; the nested change is noticed without `changed()`."""
        quantities = self._session.setdefault(KEY, {})
        quantities[tea_key] = quantities.get(tea_key, 0) + 1

    def remove(self, tea_key: str) -> None:
        """Take all of one tea out, if there is any."""
        self._session.get(KEY, {}).pop(tea_key, None)

    def empty(self) -> None:
        """Take everything out."""
        self._session.pop(KEY, None)

    def lines(self) -> Iterator[tuple[str, OrderLine]]:
        """Yield, for each tea in the cart, its key and the line that an order would have."""
        for tea_key, quantity in self._session.get(KEY, {}).items():
            tea = TEAS[tea_key]
            yield tea_key, OrderLine(tea=tea.name, quantity=quantity, price=tea.price)

    @property
    def total(self) -> int:
        """What it all costs, in cents."""
        return sum(line.quantity * line.price for _, line in self.lines())

    def __len__(self) -> int:
        return sum(self._session.get(KEY, {}).values())


def _cart(request: Request) -> Cart:
    return Cart(request.session)


def includeme(config: Configurator) -> None:
    """Add `request.cart`."""
    config.add_request_method(_cart, "cart", reify=True)
