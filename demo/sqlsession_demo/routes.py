"""Which address leads to which view."""

from __future__ import annotations

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the routes; what changes something has an address of its own and wants a POST."""
    config.add_static_view("static", "static")
    config.add_route("home", "/")
    config.add_route("forget_me", "/forget-me", request_method="POST")
    config.add_route("cart", "/cart")
    config.add_route("cart_add", "/cart/add", request_method="POST")
    config.add_route("cart_remove", "/cart/remove", request_method="POST")
    config.add_route("order", "/order", request_method="POST")
    config.add_route("login", "/login")
    config.add_route("logout", "/logout", request_method="POST")
    config.add_route("account", "/account")
    config.add_route("sessions", "/sessions")
    config.add_route("session_end", "/sessions/end", request_method="POST")
    config.add_route("sessions_end_others", "/sessions/end-others", request_method="POST")
    config.add_route("password", "/password", request_method="POST")
    config.add_route("row", "/row")
