"""The visit counter, and the end of a session."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request


def home(request: Request) -> dict[str, Any]:
    """Count the visit; that the session is to be saved need not be said."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return {"visits": request.session["visits"]}


def forget_me(request: Request) -> HTTPSeeOther:
    """End the session and put nothing into the next: the row and the cookie go."""
    request.session.invalidate()
    return HTTPSeeOther(request.route_path("row"))


def includeme(config: Configurator) -> None:
    """Add the views."""
    config.add_view(home, route_name="home", renderer="sqlsession_demo:templates/home.jinja2")
    config.add_view(forget_me, route_name="forget_me")
