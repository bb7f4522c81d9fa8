"""An application of the cookiecutter's shape, with a page for each thing that a session is for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from benchmarks.bench.asking import App, Environ, ask, environ_of

KEY = text("SELECT data FROM sessions WHERE id = :id")
SETTINGS = {
    "tm.manager_hook": "pyramid_tm.explicit_manager",
    "sqlsession.create_table": "true",
    "sqlsession.prune_interval": "none",
}


def make_application(engine: Engine, content: Mapping[str, Any]) -> App:
    """Return an application whose sessions begin with `content`, in which something is counted."""
    config = Configurator(settings=dict(SETTINGS))
    config.include("pyramid_tm")
    config.add_request_method(_dbsession_of(engine), "dbsession", reify=True)
    config.include("pyramid_sqlsession")
    views = {"x": _look_away, "r": _read, "w": _count, "n": _begin_with(content), "k": _find}
    for name, view in views.items():
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)
    app: App = config.make_wsgi_app()
    return app


def _dbsession_of(engine: Engine) -> Any:
    def dbsession(request: Any) -> Session:
        session = Session(engine)
        zope.sqlalchemy.register(session, transaction_manager=request.tm)
        return session

    return dbsession


# A session that the cookie did not open holds nothing to read or to count, and the page fails.


def _look_away(_request: Any) -> Response:
    return Response("ok")


def _read(request: Any) -> Response:
    return Response(str(request.session["counter"]))


def _count(request: Any) -> Response:
    request.session["counter"] += 1
    return Response("ok")


def _begin_with(content: Mapping[str, Any]) -> Any:
    def begin(request: Any) -> Response:
        request.session.update(content)
        return Response("ok")

    return begin


def _find(request: Any) -> Response:
    """Read one row by its key, as any application does, and look at no session."""
    rows = request.dbsession.execute(KEY, {"id": int(request.query_string)})
    return Response(rows.scalar_one())


def prepared(page: str, session_id: str | None, row: int = 0) -> Environ:
    """Return what a server would hand over; no session id means a new visitor."""
    return environ_of(f"/{page}", f"session={session_id}" if session_id else "", str(row))


def begun(app: App) -> str:
    """Begin a session; return its id."""
    return ask(app, prepared("n", None)).cookie.removeprefix("session=")
