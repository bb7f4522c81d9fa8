"""The visitor's session row, as the database holds it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

from pyramid.config import Configurator
from pyramid.interfaces import ISessionFactory
from pyramid.request import Request

MEANINGS = {
    "id": "the public number of the row, for lists and foreign keys; no secret",
    "digest": "SHA-256 of the id in your cookie: what a request is looked up by",
    "previous": "the digest before the last login or other change of the id",
    "rotated": "when the id was last changed",
    "created": "when the session began",
    "user_id": "who is logged in; a column that the shop has added",
    "lifetime": "an idle life of its own in seconds, such as for “remember me”",
    "expires": "from here on the row may be deleted",
    "accessed": "when it was last noted that you were here",
    "version": "counts the saves, so that two requests at once lose nothing",
    "data": "what the application keeps in request.session",
}
TIMES = {"rotated", "created", "expires", "accessed"}
DIGESTS = {"digest", "previous"}
SHOWN_DIGITS = 16


def row(request: Request) -> dict[str, Any]:
    """Read the row through the mapped class, like any other row of the application."""
    model = request.registry.getUtility(ISessionFactory).model
    found = _find(request, model)
    return {"table": model.__tablename__, "cells": [] if found is None else _cells(found)}


def _find(request: Request, model: type[Any]) -> Any:
    if request.session.id is None:
        return None
    return request.dbsession.get(model, request.session.id)


def _cells(found: Any) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "value": _readable(name, getattr(found, name)),
            "meaning": meaning,
            "is_long": name == "data",
        }
        for name, meaning in MEANINGS.items()
    ]


def _readable(name: str, value: Any) -> str:
    if value is None:
        return "NULL"
    if name in DIGESTS:
        return f"{value.hex()[:SHOWN_DIGITS]}…"
    if name in TIMES:
        return f"{value} = {datetime.fromtimestamp(value, timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
    if name == "data":
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    return str(value)


def includeme(config: Configurator) -> None:
    """Add the view."""
    config.add_view(row, route_name="row", renderer="sqlsession_demo:templates/row.jinja2")
