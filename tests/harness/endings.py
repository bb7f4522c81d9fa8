"""Views that end in different ways, and a visitor who is known or new."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyramid.httpexceptions import HTTPFound

from tests.harness.application import App

KNOWN = {"x": "1"}  # what the session of a known visitor holds


class Handled(Exception):
    """Answered by an exception view."""


def answer(error: Any, request: Any) -> str:
    return "handled"


def and_raise_a_redirect(request: Any) -> None:
    raise HTTPFound("/read")


def and_raise_a_handled_error(request: Any) -> None:
    raise Handled


def and_raise(request: Any) -> None:
    raise ZeroDivisionError


def and_doom(request: Any) -> None:
    request.tm.doom()


def and_abort(request: Any) -> None:
    request.tm.abort()
    request.tm.begin()


def after(act: Callable[[Any], Any], end: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A view that acts, and then ends like this."""

    def view(request: Any) -> Any:
        act(request)
        return end(request)

    return view


def visit(app: App, known: bool, path: str = "/") -> Any:
    """What the browser gets, whatever the status."""
    if known:
        app.get("/write?x=1")
    return app.get(path, status="*")
