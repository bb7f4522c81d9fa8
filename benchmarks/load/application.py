"""The shop that is visited: two applications, which merge and which repeat, over one engine."""

from __future__ import annotations

import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid_retry import IBeforeRetry
from sqlalchemy import Column, Engine, String, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.load import careless
from pyramid_sqlsession.events import SessionMerged

URL, CARELESS, ISOLATION = "LOAD_URL", "LOAD_CARELESS", "LOAD_ISOLATION"  # the environment
ENGINE, SETTINGS = "LOAD_ENGINE", "LOAD_SETTINGS"  # further options, as JSON
THREADS = 4
VARIANTS = ("merge", "retry")
SLOWEST_VIEW = 0.01  # seconds between reading a session and saving it

Wsgi = Callable[[dict[str, Any], Any], Any]


class Base(DeclarativeBase):
    """The application's own tables."""


class Note(Base):
    """What the application commits together with a change of the session."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(String(60))


def table_of(variant: str) -> str:
    """The name of a variant's session table."""
    return f"sessions_{variant}"


def make_engine(url: str, isolation: str | None = None, **options: Any) -> Engine:
    """Connect as an application in production does; None is the database's own level."""
    level = {} if isolation is None else {"isolation_level": isolation}
    usual = {"pool_size": THREADS, "max_overflow": THREADS, "pool_pre_ping": True}
    engine = create_engine(url, **usual | level | options)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _log_ahead)
    return engine


def _log_ahead(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA busy_timeout = 30000")
    connection.execute("PRAGMA journal_mode = WAL")


def serve() -> Wsgi:
    """Return what a worker serves, at a path that begins with the variant's name."""
    if CARELESS in os.environ:
        careless.WAYS[os.environ[CARELESS]]()
    engine = make_engine(os.environ[URL], os.environ.get(ISOLATION), **_told(ENGINE))
    applications = {
        variant: make_application(engine, variant, **_told(SETTINGS)) for variant in VARIANTS
    }

    def dispatch(environ: dict[str, Any], start_response: Any) -> Any:
        variant, _, path = environ["PATH_INFO"].lstrip("/").partition("/")
        environ["PATH_INFO"] = f"/{path}"
        return applications[variant](environ, start_response)

    return dispatch


def _told(variable: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(os.environ.get(variable, "{}"))
    return told


def make_application(engine: Engine, variant: str, **more: Any) -> Wsgi:
    """Return one application; `variant` is its `on_conflict`, `more` are further settings."""
    settings = {
        "tm.manager_hook": "pyramid_tm.explicit_manager",
        "retry.attempts": "50",
        "sqlsession.table": table_of(variant),
        "sqlsession.create_table": "true",
        "sqlsession.on_conflict": variant,
        "sqlsession.additional_fields": {"user_id": Column(String(60), index=True)},
        "sqlsession.extend_default_fields": _fields,
        "sqlsession.touch_interval": "1s",  # far more often than usual, to meet the saves
        "sqlsession.prune_interval": "10s",
        **more,
    }
    config = Configurator(settings=settings)
    config.include("pyramid_tm")
    config.include("pyramid_retry")
    config.add_request_method(_dbsession_of(engine), "dbsession", reify=True)
    config.include("pyramid_sqlsession")
    _count_conflicts(config)
    config.registry["engine"] = engine
    for view in VIEWS:
        config.add_route(view.__name__, f"/{view.__name__}")
        config.add_view(view, route_name=view.__name__, renderer="json")
    application: Wsgi = config.make_wsgi_app()
    return application


def _dbsession_of(engine: Engine) -> Callable[[Request], Session]:
    def dbsession(request: Request) -> Session:
        made = Session(engine)
        zope.sqlalchemy.register(made, transaction_manager=request.tm)
        return made

    return dbsession


def _fields(_defaults: Any, session: Any) -> dict[str, Any]:
    return {"user_id": session.get("auth.userid")}


def _count_conflicts(config: Any) -> None:
    seen: Counter[str] = Counter()
    config.registry["seen"] = seen
    config.add_subscriber(lambda _event: seen.update(["merged"]), SessionMerged)
    config.add_subscriber(lambda _event: seen.update(["repeated"]), IBeforeRetry)


# Views. Each change comes with a note, which is committed with it or not at all.


def _take_time() -> None:
    time.sleep(random.random() * SLOWEST_VIEW)


def _note(request: Request) -> str:
    token: str = request.params["token"]
    request.dbsession.add(Note(token=token))
    return token


def add(request: Request) -> None:
    """Put a value under a key of its own."""
    session, token = request.session, _note(request)
    session.get("key")
    _take_time()
    session[request.params["key"]] = token


def remove(request: Request) -> None:
    """Take a key away."""
    session, _ = request.session, _note(request)
    _take_time()
    session.pop(request.params["key"], None)


def flash(request: Request) -> None:
    """Leave a message."""
    session, token = request.session, _note(request)
    _take_time()
    session.flash(token)


def show(request: Request) -> list[str]:
    """Show the messages."""
    messages: list[str] = request.session.pop_flash()
    _take_time()
    return messages


def count(request: Request) -> None:
    """Count up; adds up only where conflicts are repeated."""
    session, _ = request.session, _note(request)
    number = session.get("count", 0)
    _take_time()
    session["count"] = number + 1


def read(request: Request) -> dict[str, Any]:
    """Tell all."""
    return {"id": request.session.id, "data": dict(request.session)}


def login(request: Request) -> None:
    """Let somebody in, under a new session id."""
    session, user = request.session, _note(request)
    _take_time()
    session["auth.userid"] = user


def logout(request: Request) -> None:
    """End the session."""
    session, _ = request.session, _note(request)
    _take_time()
    session.invalidate()


def revoke(request: Request) -> bool:
    """End somebody's session, from outside."""
    _note(request)
    _take_time()
    return bool(request.session_store.revoke(int(request.params["id"])))


def revoke_user(request: Request) -> int:
    """End all sessions of a user, from outside."""
    _note(request)
    _take_time()
    return int(request.session_store.revoke_all(user_id=request.params["user"]))


def status(request: Request) -> dict[str, Any]:
    """Tell how this worker is: its process, connections in use, conflicts seen."""
    pool = request.registry["engine"].pool
    return {"pid": os.getpid(), "in use": pool.checkedout(), **request.registry["seen"]}


VIEWS = (add, remove, flash, show, count, read, login, logout, revoke, revoke_user, status)
