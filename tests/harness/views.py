"""Views that every application of the harness has."""

from __future__ import annotations

from typing import Any


def read(request: Any) -> dict[str, Any]:
    """Show the session."""
    return dict(request.session)


def write(request: Any) -> dict[str, Any]:
    """Put the query string into the session: `/write?x=1`."""
    request.session.update(request.GET)
    return dict(request.session)


def untouched(request: Any) -> str:
    """Answer without a look at the session."""
    return "untouched"


VIEWS = {"/read": read, "/write": write, "/untouched": untouched}
