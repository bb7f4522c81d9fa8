"""The pages of the guest book."""

from __future__ import annotations

from typing import Any

from pyramid.httpexceptions import HTTPFound
from pyramid.view import view_config
from sqlalchemy import select

from tests.cookiecutter.models import Entry


@view_config(route_name="visits", renderer="json")
def visits(request: Any) -> dict[str, Any]:
    """Count the visits of this visitor, and show who signed and what there is to say."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    names = request.dbsession.scalars(select(Entry.name).order_by(Entry.name)).all()
    return {
        "visits": request.session["visits"],
        "names": list(names),
        "messages": request.session.pop_flash(),
    }


@view_config(route_name="sign")
def sign(request: Any) -> Any:
    """Enter a name."""
    request.dbsession.add(Entry(name=request.matchdict["name"]))
    request.session.flash("Thank you!")
    return HTTPFound(request.route_path("visits"))


@view_config(route_name="leave")
def leave(request: Any) -> Any:
    """End the session."""
    request.session.invalidate()
    return HTTPFound(request.route_path("visits"))
