"""The cart, and the order that takes everything out of it."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPSeeOther
from pyramid.request import Request
from sqlalchemy import func, select

from sqlsession_demo.catalogue import TEAS
from sqlsession_demo.models import Order
from sqlsession_demo.payment import PaymentRefused, charge

NEWEST = 5


def show(request: Request) -> dict[str, Any]:
    """Show the cart beside the orders, so that one sees both change or neither."""
    orders = select(Order).order_by(Order.id.desc()).limit(NEWEST)
    return {
        "teas": TEAS.values(),
        "lines": list(request.cart.lines()),
        "orders": request.dbsession.scalars(orders).all(),
        "number_of_orders": request.dbsession.scalar(select(func.count(Order.id))),
    }


def add(request: Request) -> HTTPSeeOther:
    """Put one of the tea that was asked for into the cart."""
    tea = TEAS.get(request.POST.get("tea", ""))
    if tea is None:
        raise HTTPBadRequest("The shop sells no such tea.")
    request.cart.add(tea.key)
    request.session.flash(f"{tea.name} is in your cart.")
    return HTTPSeeOther(request.route_path("cart"))


def remove(request: Request) -> HTTPSeeOther:
    """Take a tea out of the cart."""
    request.cart.remove(request.POST.get("tea", ""))
    return HTTPSeeOther(request.route_path("cart"))


def order(request: Request) -> HTTPSeeOther:
    """Write the order, empty the cart, take the money: all of it, or none."""
    if not request.cart:
        request.session.flash("Your cart is empty: there is nothing to order.", "warning")
        return HTTPSeeOther(request.route_path("cart"))
    written = _write_order(request)
    request.cart.empty()
    charge(written.id, refuse=request.POST.get("payment") == "refused")
    request.session.flash(
        f"Order {written.id} is placed and your cart is empty. Both were committed together."
    )
    return HTTPSeeOther(request.route_path("cart"))


def _write_order(request: Request) -> Order:
    written = Order(
        customer=request.identity,
        total=request.cart.total,
        lines=[line for _, line in request.cart.lines()],
    )
    request.dbsession.add(written)
    request.dbsession.flush()
    return written


def payment_refused(refusal: PaymentRefused, request: Request) -> HTTPSeeOther:
    """Tell it on the next page; this message outlives the transaction that is rolled back."""
    request.session.flash(
        f"The payment was refused after order {refusal.order_id} had been written and your cart "
        "emptied. Both were rolled back: the order is in no table, the tea is in your cart.",
        "warning",
    )
    return HTTPSeeOther(request.route_path("cart"))


def includeme(config: Configurator) -> None:
    """Add the views."""
    config.add_view(show, route_name="cart", renderer="sqlsession_demo:templates/cart.jinja2")
    config.add_view(add, route_name="cart_add")
    config.add_view(remove, route_name="cart_remove")
    config.add_view(order, route_name="order")
    config.add_exception_view(payment_refused, context=PaymentRefused)
