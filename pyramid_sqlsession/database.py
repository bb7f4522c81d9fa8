"""The ways to the database: the application's dbsession, an engine of our own, a way aside."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import zope.sqlalchemy
from pyramid.request import Request
from sqlalchemy import URL, Connection, Engine, QueuePool, engine_from_config, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, scoped_session
from zope.sqlalchemy.datamanager import STATUS_ACTIVE, SessionDataManager

from pyramid_sqlsession.exceptions import SettingsError, SQLSessionError
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.settings import SessionSettings

Bind = Engine | Connection

# A database in memory is its connection: keep one, and lend it to one request at a time.
IN_MEMORY = {
    "poolclass": QueuePool,
    "pool_size": 1,
    "max_overflow": 0,
    "connect_args": {"check_same_thread": False},
}


class Database(Protocol):
    """Where the rows of sessions are reached from a request."""

    is_one_connection: bool  # which requests take turns to use
    is_committed_whole: bool  # with the application's data, all or nothing

    def dbsession(self, request: Request) -> Session:
        """Return a dbsession that is joined to the transaction of `request.tm`."""

    def bind(self, request: Request) -> Bind:
        """Return what a short transaction aside from the request's own can be opened on."""


class ApplicationDatabase:
    """The dbsession that the application keeps on its requests."""

    is_one_connection = False
    is_committed_whole = True

    def __init__(
        self, dbsession: str | Callable[[Request], Any], model: type[SessionMixin]
    ) -> None:
        self._dbsession = dbsession
        self._model = model

    def dbsession(self, request: Request) -> Session:
        """Return the application's own; raise `SQLSessionError` when the request has none."""
        found: Session | scoped_session[Session] = self._find(request)
        return found() if isinstance(found, scoped_session) else found

    def _find(self, request: Request) -> Any:
        if not isinstance(self._dbsession, str):
            return self._dbsession(request)
        try:
            return getattr(request, self._dbsession)
        except AttributeError as error:
            raise SQLSessionError(
                f"the request has no attribute {self._dbsession!r} to find its SQLAlchemy session "
                "by: name the right one in sqlsession.dbsession, or give the sessions a database "
                "of their own with sqlsession.sqlalchemy.url"
            ) from error

    def bind(self, request: Request) -> Bind:
        """Return what the dbsession uses for the mapped class; no connection is opened."""
        return self.dbsession(request).get_bind(self._model)


class CommitsLast(SessionDataManager):  # type: ignore[misc]  # an untyped package has it
    """Lets the application's data go first: if they are refused, ours are not committed."""

    def tpc_vote(self, transaction: Any) -> None:
        """Commit; throw away a connection that could not.

        A locked SQLite leaves the transaction open, and SQLAlchemy's Session would give it to the
        pool: the next request would find the lock taken, or commit what this one had written.
        """
        try:
            super().tpc_vote(transaction)
        except BaseException:
            self.session.invalidate()
            raise

    def sortKey(self) -> str:  # noqa: N802 - IDataManager
        """Sort behind every database of the application."""
        return f"~~{super().sortKey()}"


class OwnDatabase:
    """An engine of our own, for applications without SQLAlchemy or with a database apart."""

    is_committed_whole = False  # the application's data may be, when ours are refused

    def __init__(self, options: Mapping[str, Any]) -> None:
        url = make_url(options["url"])
        self.is_one_connection = _is_in_memory(url)
        self.engine = _engine(options, IN_MEMORY if self.is_one_connection else {})
        # Nobody else can close its connections when the application is gone, as in tests; at the
        # exit they may be those of the process that this one was forked from.
        weakref.finalize(self, self.engine.dispose).atexit = False

    def dbsession(self, request: Request) -> Session:
        """Return a new one, joined to the transaction of `request.tm`.

        Raises `SQLSessionError` when the request has none: nobody would commit it.
        """
        if not hasattr(request, "tm"):
            raise SQLSessionError(
                "the sessions have a database of their own, and the request has no transaction "
                "to reach it in: include pyramid_tm"
            )
        dbsession = Session(self.engine)
        CommitsLast(dbsession, STATUS_ACTIVE, request.tm)
        zope.sqlalchemy.register(dbsession, transaction_manager=request.tm)  # notices deletions
        return dbsession

    def bind(self, request: Request) -> Engine:  # noqa: ARG002 - as Database has it
        """Return the engine."""
        return self.engine


def _engine(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> Engine:
    try:
        return engine_from_config(dict(options), prefix="", **defaults)
    except (ArgumentError, ImportError, TypeError, ValueError) as error:
        names = ", ".join(f"sqlsession.sqlalchemy.{name}" for name in options)
        raise SettingsError(
            f"no engine can be made of {names}: {error}. Give options that SQLAlchemy's "
            "engine_from_config takes, and install the driver of the database"
        ) from error


def _is_in_memory(url: URL) -> bool:
    is_memory = url.database in (None, "", ":memory:") or url.query.get("mode") == "memory"
    return is_memory and url.get_backend_name() == "sqlite"


def open_database(settings: SessionSettings, model: type[SessionMixin]) -> Database:
    """Return the way that the settings choose."""
    if settings.sqlalchemy:
        return OwnDatabase(settings.sqlalchemy)
    return ApplicationDatabase(settings.dbsession, model)


@contextmanager
def short_transaction(bind: Bind) -> Iterator[Connection]:
    """Open a transaction of our own, committed at the end; within one on a shared connection."""
    if isinstance(bind, Engine):
        with bind.begin() as connection:
            yield connection
    else:
        with bind.begin_nested() if bind.in_transaction() else bind.begin():
            yield bind


@contextmanager
def passing_transaction(bind: Bind) -> Iterator[Connection]:
    """Do the same at start-up, leaving no connection in the pool.

    Processes that are forked later would all talk over it.
    """
    with short_transaction(bind) as connection:
        if isinstance(bind, Engine) and not _is_in_memory(bind.url):
            connection.detach()
        yield connection
