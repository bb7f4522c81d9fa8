"""What a session adds to the cost of a request, in processor time.

    python -m benchmarks.cost [--repeat N] [DATABASE ...]

Applications of one shape, with pyramid_tm and a dbsession of each request, differ in their
sessions alone. They are called in this process with a prepared environ, in an order that is
shuffled anew in each repetition; the medians are compared with the application without sessions.

The floor is the least that a session in the request's own transaction can cost without tricks:
statements of SQLAlchemy Core, built once, run by hand on the dbsession, and no session object. Its
table is like ours.

Each is asked for a page that does not look at the session (x), reads one key of it (r), adds one
to a counter (w), or begins a session (n).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.interfaces import ISessionFactory
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory
from sqlalchemy import Engine, Table, bindparam, create_engine, insert, inspect, select, update
from sqlalchemy.orm import Session
from webob import Request as Prepared

from benchmarks.load.databases import available, throw_away
from pyramid_sqlsession import SQLSessionFactory
from pyramid_sqlsession.model import generate_model

WORKLOADS = ("x", "r", "w", "n")
PAYLOAD = {"filling": "x" * 280, "counter": 0}
REQUESTS = 100
LIFE = 24 * 60 * 60

App = Any  # what make_wsgi_app returns, which is not typed


# The applications


def respond(_request: Any) -> Response:
    """Look at no session."""
    return Response("ok")


def read(request: Any) -> Response:
    """Read one key."""
    return Response(str(request.session.get("counter")))


def count(request: Any) -> Response:
    """Add one to a counter."""
    request.session["counter"] = request.session.get("counter", 0) + 1
    return Response("ok")


def begin(request: Any) -> Response:
    """Put everything into a new session."""
    request.session.update(PAYLOAD)
    return Response("ok")


VIEWS = {"x": respond, "r": read, "w": count, "n": begin}


def shaped(engine: Engine, views: dict[str, Any], settings: dict[str, Any]) -> Configurator:
    """Return the configuration of an application as the cookiecutter makes them."""
    config = Configurator(settings={"tm.manager_hook": "pyramid_tm.explicit_manager", **settings})
    config.include("pyramid_tm")

    def dbsession(request: Any) -> Session:
        session = Session(engine)
        zope.sqlalchemy.register(session, transaction_manager=request.tm)
        return session

    config.add_request_method(dbsession, reify=True)
    for name, view in views.items():
        config.add_route(name, f"/{name}")
        config.add_view(view, route_name=name)
    return config


def without(engine: Engine, _url: str) -> App:
    """Have no sessions."""
    return shaped(engine, dict.fromkeys(WORKLOADS, respond), {}).make_wsgi_app()


def signed_cookie(engine: Engine, _url: str) -> App:
    """Have Pyramid's own, in a cookie."""
    config = shaped(engine, VIEWS, {})
    config.set_session_factory(SignedCookieSessionFactory("a secret of the benchmark"))
    return config.make_wsgi_app()


def ours(engine: Engine, _url: str) -> App:
    """Have those of this package, on the application's dbsession."""
    settings = {"sqlsession.create_table": "true", "sqlsession.prune_interval": "none"}
    return including(shaped(engine, VIEWS, settings))


def ours_apart(engine: Engine, url: str) -> App:
    """Have those of this package, on an engine of its own."""
    settings = {
        "sqlsession.create_table": "true",
        "sqlsession.prune_interval": "none",
        "sqlsession.sqlalchemy.url": url,
        "sqlsession.table": "sessions_apart",
    }
    return including(shaped(engine, VIEWS, settings))


def including(config: Configurator) -> App:
    """Include this package."""
    config.include("pyramid_sqlsession")
    return config.make_wsgi_app()


# The floor

floor_table: Table = inspect(generate_model("floor", None)).columns["id"].table
FIND = select(floor_table).where(floor_table.c.digest == bindparam("presented"))
SAVE = (
    update(floor_table)
    .where(floor_table.c.id == bindparam("key"), floor_table.c.version == bindparam("seen"))
    .values(
        data=bindparam("data"),
        version=bindparam("new_version"),
        accessed=bindparam("now"),
        expires=bindparam("end"),
    )
)
ADD = insert(floor_table)


def find(request: Any) -> Any:
    """Return the row that the cookie opens."""
    digest = hashlib.sha256(request.cookies["session"].encode()).digest()
    return request.dbsession.connection().execute(FIND, {"presented": digest}).one()


def floor_read(request: Any) -> Response:
    """Read by hand."""
    return Response(str(json.loads(find(request).data).get("counter")))


def floor_count(request: Any) -> Response:
    """Count by hand."""
    row = find(request)
    data = json.loads(row.data)
    data["counter"] += 1
    now = int(time.time())
    changed = {
        "data": json.dumps(data),
        "new_version": row.version + 1,
        "now": now,
        "end": end(now),
    }
    connection = request.dbsession.connection()
    connection.execute(SAVE, {"key": row.id, "seen": row.version, **changed})
    zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
    return Response("ok")


def end(now: int) -> int:
    """Return when a session ends, in steps of an hour."""
    return (now + LIFE) // 3600 * 3600 + 3600


def floor_begin(request: Any) -> Response:
    """Begin by hand."""
    session_id = secrets.token_urlsafe(32)
    now = int(time.time())
    row = {
        "digest": hashlib.sha256(session_id.encode()).digest(),
        "created": now,
        "accessed": now,
        "expires": end(now),
        "version": 1,
        "data": json.dumps(PAYLOAD),
    }
    request.dbsession.connection().execute(ADD, row)
    zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
    response = Response("ok")
    response.set_cookie("session", session_id, httponly=True, samesite="Lax")
    return response


def floor(engine: Engine, _url: str) -> App:
    """Have no session object, but statements by hand."""
    floor_table.create(engine)
    views = {"x": respond, "r": floor_read, "w": floor_count, "n": floor_begin}
    return shaped(engine, views, {}).make_wsgi_app()


CONTESTANTS: dict[str, Callable[[Engine, str], App]] = {
    "none": without,
    "floor": floor,
    "pyramid_sqlsession": ours,
    "its own engine": ours_apart,
    "signed cookie": signed_cookie,
}


# The measuring


@dataclass
class Turn:
    """One application and one page, asked again and again."""

    contestant: str
    workload: str
    app: App
    environ: dict[str, Any]
    times: list[float] = field(default_factory=list)

    def ask(self) -> None:
        """Ask once."""
        list(self.app(dict(self.environ), _start_response))

    def take(self, requests: int) -> None:
        """Ask many times, and note what one costs in microseconds."""
        began = time.process_time()
        for _ in range(requests):
            self.ask()
        self.times.append((time.process_time() - began) / requests * 1e6)


def _start_response(status: str, _headers: Any, _error: Any = None) -> None:
    if not status.startswith("200"):
        raise RuntimeError(status)


def turns(engine: Engine, url: str) -> Iterator[Turn]:
    """Make the applications, and a session of each to ask for."""
    for name, make in CONTESTANTS.items():
        app = make(engine, url)
        answer = Prepared.blank("/n").get_response(app)
        cookies = [line.split(";")[0] for line in answer.headers.getall("Set-Cookie")]
        for workload in WORKLOADS:
            prepared = Prepared.blank(f"/{workload}", method="POST" if workload == "w" else "GET")
            if workload != "n" and cookies:
                prepared.headers["Cookie"] = cookies[0]
            yield Turn(name, workload, app, prepared.environ)


@contextmanager
def database(name: str) -> Iterator[tuple[Engine, str]]:
    """Make a database, and an engine as an application has one."""
    with throw_away(name) as url:
        engine = create_engine(url)
        try:
            yield engine, url
        finally:
            engine.dispose()


def let_go(app: App) -> None:
    """Close the connections of an engine that the application cannot reach."""
    factory = app.registry.queryUtility(ISessionFactory)
    if isinstance(factory, SQLSessionFactory) and factory.settings.sqlalchemy:
        factory.bind(Prepared.blank("/")).engine.dispose()


def measure(name: str, repeat: int) -> dict[tuple[str, str], float]:
    """Return the median cost of each page of each application, in microseconds."""
    with database(name) as (engine, url):
        all_turns = list(turns(engine, url))
        for turn in all_turns:
            for _ in range(50):
                turn.ask()
        for _ in range(repeat):
            random.shuffle(all_turns)
            for turn in all_turns:
                turn.take(REQUESTS)
        for turn in all_turns:
            let_go(turn.app)
    return {(t.contestant, t.workload): statistics.median(t.times) for t in all_turns}


def report(name: str, costs: dict[tuple[str, str], float]) -> None:
    """Print what is added to a request without sessions, and the ratio to the floor."""
    print(f"{name}: {costs['none', 'x']:.0f} µs without sessions; added:")
    for contestant in list(CONTESTANTS)[1:]:
        cells = []
        for workload in WORKLOADS:
            added = costs[contestant, workload] - costs["none", workload]
            least = costs["floor", workload] - costs["none", workload]
            ratio = f" ({added / least:.2f})" if workload != "x" else ""
            cells.append(f"{workload} {added:6.1f}{ratio}")
        print(f"  {contestant:20} {'   '.join(cells)}")


def main() -> None:
    """Measure on each database."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("databases", nargs="*", default=None)
    parser.add_argument("--repeat", type=int, default=15)
    options = parser.parse_args()
    for name in options.databases or available():
        report(name, measure(name, options.repeat))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
