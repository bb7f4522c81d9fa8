"""Where somebody is logged in, and the ways to be logged in nowhere else."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPSeeOther
from pyramid.request import Request

from sqlsession_demo.cart import Cart

SHORTEST_PASSWORD = 8


def sessions(request: Request) -> dict[str, Any]:
    """List the user's sessions; the store finds them by the column that the shop has added."""
    store = request.session_store
    return {
        "sessions": [
            {
                "id": row.id,
                "created": row.created,
                "accessed": row.accessed,
                "cart": len(Cart(store.data(row))),
                "is_this": row.id == request.session.id,
            }
            for row in store.find(user_id=request.identity.name)
        ],
        "shortest": SHORTEST_PASSWORD,
    }


def end_one(request: Request) -> HTTPSeeOther:
    """End a session, if it is one of the user's own."""
    row = request.session_store.get(_id(request))
    if row is None or row.user_id != request.identity.name:
        request.session.flash("That session was over already.", "warning")
    else:
        request.session_store.revoke(row.id)
        request.session.flash(f"Session {row.id} is over. Its cookie opens nothing any more.")
    return HTTPSeeOther(request.route_path("sessions"))


def end_others(request: Request) -> HTTPSeeOther:
    """End the user's other sessions."""
    request.session.flash(f"You are logged in here only: {_ended(_end_others(request))}.")
    return HTTPSeeOther(request.route_path("sessions"))


def change_password(request: Request) -> HTTPSeeOther:
    """Change the password and end the user's other sessions: both, or neither."""
    new = request.POST.get("new", "")
    if not request.identity.has_password(request.POST.get("current", "")):
        request.session.flash("That is not your password. Nothing was changed.", "warning")
    elif len(new) < SHORTEST_PASSWORD:
        request.session.flash("The new password is too short. Nothing was changed.", "warning")
    else:
        request.identity.set_password(new)
        ended = _ended(_end_others(request))
        request.session.flash(f"Your password is changed, and {ended}, in one transaction.")
    return HTTPSeeOther(request.route_path("sessions"))


def _end_others(request: Request) -> int:
    ended: int = request.session_store.revoke_all(
        keep=request.session, user_id=request.identity.name
    )
    return ended


def _ended(number: int) -> str:
    return "1 other session was ended" if number == 1 else f"{number} other sessions were ended"


def _id(request: Request) -> int:
    try:
        return int(request.POST.get("session", ""))
    except ValueError:
        raise HTTPBadRequest("That names no session.") from None


def includeme(config: Configurator) -> None:
    """Add the views; all of them are for users only."""
    config.add_view(
        sessions,
        route_name="sessions",
        permission="view",
        renderer="sqlsession_demo:templates/sessions.jinja2",
    )
    config.add_view(end_one, route_name="session_end", permission="view")
    config.add_view(end_others, route_name="sessions_end_others", permission="view")
    config.add_view(change_password, route_name="password", permission="view")
