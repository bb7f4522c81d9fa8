"""The ways to the database: the application's dbsession, an engine of our own, a way aside."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from pyramid.request import Request
from sqlalchemy import URL, Connection, Engine, QueuePool, engine_from_config, make_url
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.orm import Session, scoped_session
from zope.sqlalchemy import ZopeTransactionEvents

from pyramid_sqlsession.exceptions import SettingsError, SQLSessionError
from pyramid_sqlsession.joining import Joined, JoinedDbsession, OwnConnection
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.settings import SessionSettings
from pyramid_sqlsession.transactions import kept_with

Bind = Engine | Connection

SAFE = {"GET", "HEAD"}
# A database in memory is its connection: keep one, and lend it to one request at a time.
IN_MEMORY = {
    "poolclass": QueuePool,
    "pool_size": 1,
    "max_overflow": 0,
    "connect_args": {"check_same_thread": False},
}


class Database(Protocol):
    """Where the rows of sessions are reached from a request."""

    is_committed_whole: bool  # with the application's data, all or nothing

    def join(self, request: Request, transaction: Any) -> Joined:
        """Return what takes part in the transaction, made if need be."""

    def joined(self, request: Request, transaction: Any) -> Joined | None:
        """Return what takes part in the transaction, None when anything new may."""

    def for_reading(self, request: Request, transaction: Any) -> Joined | Bind:
        """Return what takes part in the transaction, or what shows the same aside from it."""

    def dbsession(self, request: Request) -> Session:
        """Return what a request without a transaction manager has; raise when it has none."""

    def bind(self, request: Request) -> Bind:
        """Return what is used aside from the request's own transaction."""


class ApplicationDatabase:
    """The dbsession that the application keeps on its requests."""

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

    def join(self, request: Request, transaction: Any) -> JoinedDbsession:
        """Return the dbsession; its first statement joins it to the transaction."""
        joined: JoinedDbsession | None = kept_with(transaction, self)
        if joined is None:
            joined = JoinedDbsession(self.dbsession(request), self._model, request.tm)
            transaction.set_data(self, joined)
        return joined

    joined = join  # it may have failed before we came

    def for_reading(self, request: Request, transaction: Any) -> JoinedDbsession | Bind:
        """Return the dbsession, unless nothing else may want it to begin a transaction.

        Whoever sends a form will have something written.
        """
        joined = self.join(request, transaction)
        dbsession, is_usable = joined.dbsession, joined.is_usable()
        if is_usable and (dbsession.in_transaction() or request.method not in SAFE):
            return joined
        bind = dbsession.get_bind(self._model)
        return bind if not is_usable or _shows_the_same(bind, dbsession) else joined


def _shows_the_same(bind: Bind, dbsession: Session) -> bool:
    """Whether a connection of its engine shows the rows that an unused dbsession would show.

    Not if something is done to each of its transactions or connections, such as choosing a
    tenant; nor if it is bound to a connection, or its engine lends the same one to everybody.
    """
    if not isinstance(bind, Engine) or not isinstance(bind.pool, QueuePool):
        return False
    if type(dbsession).connection is not Session.connection or _has_options(dbsession):
        return False
    begun = (*dbsession.dispatch.after_begin, *dbsession.dispatch.after_transaction_create)
    return not [act for act in begun if not _is_of_zope(act)]


def _has_options(dbsession: Session) -> bool:
    """Whether it tells its connections something, such as a schema; SQLAlchemy 2.0 cannot."""
    return bool(getattr(dbsession, "execution_options", None))


def _is_of_zope(listener: Any) -> bool:
    return type(getattr(listener, "__self__", None)) is ZopeTransactionEvents


class OwnDatabase:
    """An engine of our own, for applications without SQLAlchemy or with a database apart."""

    is_committed_whole = False  # the application's data may be, when ours are refused

    def __init__(self, options: Mapping[str, Any]) -> None:
        url = make_url(options["url"])
        self._is_one_connection = _is_in_memory(url)  # which requests take turns to use
        self.engine = _engine(options, IN_MEMORY if self._is_one_connection else {})
        # Nobody else can close its connections when the application is gone, as in tests; at the
        # exit they may be those of the process that this one was forked from.
        weakref.finalize(self, self.engine.dispose).atexit = False

    def dbsession(self, request: Request) -> Session:  # noqa: ARG002 - as Database has it
        """Raise `SQLSessionError`: nobody would commit it."""
        raise SQLSessionError(
            "the sessions have a database of their own, and the request has no transaction "
            "to reach it in: include pyramid_tm"
        )

    def join(self, request: Request, transaction: Any) -> OwnConnection:
        """Return a connection that is joined to the transaction."""
        joined = self.joined(request, transaction)
        if joined is None:
            joined = OwnConnection(self.engine, request.tm)
            transaction.set_data(self, joined)
        return joined

    def joined(self, request: Request, transaction: Any) -> OwnConnection | None:  # noqa: ARG002
        """Return the connection that was used already, None if there is none."""
        joined: OwnConnection | None = kept_with(transaction, self)
        return None if joined is None or joined.is_over() else joined

    def for_reading(self, request: Request, transaction: Any) -> OwnConnection | Engine:
        """Return a connection that was used already, or that will be needed to write."""
        joined = self.joined(request, transaction)
        if joined is None and request.method not in SAFE and not self._is_one_connection:
            return self.join(request, transaction)
        return self.engine if joined is None or not joined.is_usable() else joined

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


def for_one_statement(connection: Connection) -> Connection:
    """Have no BEGIN and ROLLBACK sent around what is read, where that is saved by it.

    An application may do something to each transaction that is begun, and to each connection
    that is lent, which begins one.
    """
    dialect = connection.dialect
    if dialect.name != "postgresql" or connection.engine.dispatch.begin:
        return connection
    try:
        return connection.execution_options(isolation_level="AUTOCOMMIT")
    except (InvalidRequestError, dialect.loaded_dbapi.Error):  # it has begun
        return connection


@contextmanager
def passing_transaction(bind: Bind) -> Iterator[Connection]:
    """Do the same at start-up, leaving no connection in the pool.

    Processes that are forked later would all talk over it.
    """
    with short_transaction(bind) as connection:
        if isinstance(bind, Engine) and not _is_in_memory(bind.url):
            connection.detach()
        yield connection
