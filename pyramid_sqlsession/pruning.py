"""Deleting expired rows, batch after batch; `pruner` does so in the background."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from typing import Any, Protocol, TypeVar

from pyramid.registry import Registry
from pyramid.scripting import prepare
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from pyramid_sqlsession import events, expiry
from pyramid_sqlsession.database import Bind, short_transaction
from pyramid_sqlsession.exceptions import SessionConflict
from pyramid_sqlsession.expired_rows import ExpiredRows, Stretch
from pyramid_sqlsession.factory import factory_of
from pyramid_sqlsession.refusals import may_pass, unreachable
from pyramid_sqlsession.walks import choose_walk

log = logging.getLogger(__name__)

BATCH_SIZE = 1000
BATCH_SIZES = {"postgresql": 5000}  # in two thirds of the time
REPETITIONS = 4  # of a batch that another transaction keeps from passing
READ_COMMITTED = ("postgresql", "mysql", "mariadb")  # else they lock what they only look at


@dataclass(frozen=True)
class Pruned:
    """What was done; `complete` when the whole table was looked at."""

    deleted: int = 0
    batches: int = 0
    seconds: float = 0.0
    complete: bool = False
    dry_run: bool = False


class Stop(Protocol):
    """How others say that it is enough; a `threading.Event` is one."""

    def is_set(self) -> bool:
        """Tell whether they said it."""

    def wait(self, timeout: float, /) -> object:
        """Wait so many seconds, or until they say it."""


Found = TypeVar("Found")
Progress = Callable[[Pruned, float], Any]  # what is done, and the share of the whole, up to 1.0


def _ignore(_done: Pruned, _share: float) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to prune; raises ValueError for numbers that make no sense.

    `batch_size` is the most rows that one transaction deletes (None = 5000 on PostgreSQL, else
    1000), `limit` the most in all (None = all
    there are), `time_limit` the seconds after which no further batch begins (None = never), and
    `pause` the seconds between two batches. `dry_run` counts and deletes nothing. `progress` is
    called after each batch; `stop` ends the run after the batch that is running.
    """

    batch_size: int | None = None
    limit: int | None = None
    time_limit: float | None = None
    pause: float = 0.0
    dry_run: bool = False
    progress: Progress = _ignore
    stop: Stop = field(default_factory=Event)

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("limit", 1), ("time_limit", 0), ("pause", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{name} = {value!r} is refused: give {least} or more")


class Run:
    """One way through the table of the sessions; `done` is what it did so far."""

    def __init__(self, rows: ExpiredRows, connection: Connection, options: Options) -> None:
        self.done = Pruned(dry_run=options.dry_run)
        self._rows, self._connection, self._options = rows, connection, options
        self._began = expiry.stopwatch()

    def go(self) -> None:
        """Delete batch after batch, until it is done or enough."""
        walk = self._in_transaction(choose_walk, self._rows)
        while not self._is_enough():
            stretch = self._in_transaction(walk.next, self._size)
            if stretch is None:
                self._note(complete=True)
                return
            self._clear(stretch)

    @property
    def _size(self) -> int:
        limit = self._options.limit
        size = self._options.batch_size or BATCH_SIZES.get(
            self._connection.dialect.name, BATCH_SIZE
        )
        return size if limit is None else min(size, limit - self.done.deleted)

    def _is_enough(self) -> bool:
        self._note()
        seconds = self._options.time_limit
        is_late = seconds is not None and self.done.seconds >= seconds
        return is_late or self._size == 0 or self._options.stop.is_set()

    def _clear(self, stretch: Stretch) -> None:
        may_hold_more = not stretch.is_empty
        while may_hold_more and not self._is_enough():
            size = self._size
            deleted = self._batch(stretch, size)
            may_hold_more = self._is_full(stretch, deleted, size)
            if deleted:
                self._report(deleted, stretch.share)

    def _is_full(self, stretch: Stretch, deleted: int, size: int) -> bool:
        return stretch.may_hold_more and deleted == size and not self._options.dry_run

    def _batch(self, stretch: Stretch, size: int) -> int:
        if not self._options.dry_run:
            return self._in_transaction(self._rows.delete, stretch, size)
        found = self._in_transaction(self._rows.count, stretch)
        limit = self._options.limit
        return found if limit is None else min(found, limit - self.done.deleted)

    def _report(self, deleted: int, share: float) -> None:
        self._note(deleted=self.done.deleted + deleted, batches=self.done.batches + 1)
        self._options.progress(self.done, share)
        self._options.stop.wait(self._options.pause)

    def _note(self, **facts: Any) -> None:
        self.done = replace(self.done, seconds=expiry.stopwatch() - self._began, **facts)

    def _in_transaction(self, act: Callable[..., Found], *arguments: Any) -> Found:
        return in_short_transaction(self._connection, act, self._options.stop, *arguments)


def in_short_transaction(
    connection: Connection, act: Callable[..., Found], stop: Stop, *arguments: Any
) -> Found:
    """Return what is done with the connection, repeated while others keep it from passing."""
    for _ in range(REPETITIONS):
        try:
            return _try(connection, act, *arguments)
        except (SessionConflict, DBAPIError) as error:  # noqa: PERF203 - it is to be repeated
            if not may_pass(error) or stop.is_set():
                raise
    return _try(connection, act, *arguments)


def _try(connection: Connection, act: Callable[..., Found], *arguments: Any) -> Found:
    with short_transaction(connection):
        return act(connection, *arguments)


@contextmanager
def own_connection(bind: Bind) -> Iterator[Connection]:
    """Lend a connection that locks nothing it only looks at, unless it is somebody else's.

    Raises `SQLSessionError` when the database cannot be reached.
    """
    if isinstance(bind, Connection):
        yield bind
        return
    with _connected(bind) as connection:
        if connection.dialect.name not in READ_COMMITTED:
            yield connection
            return
        try:
            connection.execution_options(isolation_level="READ COMMITTED")
            yield connection
        finally:
            # SQLAlchemy would put the level back first: were the connection cut just then, its
            # place in the pool would never be free again.
            connection.invalidate()


def _connected(engine: Engine) -> Connection:
    try:
        return engine.connect()
    except DBAPIError as error:
        raise unreachable(error, engine.url) from error


def prune_sessions(registry: Registry, **options: Any) -> Pruned:
    """Delete the expired sessions of an application and return what was done.

    `options` are those of `Options`. Raises `SQLSessionError`, or the database's own error; what
    was deleted before stays so.
    """
    factory, checked = factory_of(registry), Options(**options)
    limits = factory.settings.limits
    rows = ExpiredRows(factory.model, limits, expiry.now())
    with prepare(registry=registry) as env:
        request = env["request"]
        with own_connection(factory.bind(request)) as connection:
            run = Run(rows, connection, checked)
            try:
                run.go()
            finally:
                _announce(request, run.done)
        return run.done


def _announce(request: Any, done: Pruned) -> None:
    if not done.dry_run:
        facts = (done.deleted, done.batches, done.seconds, done.complete)
        events.notify(request, events.SessionsPruned, *facts)


def first_line(error: Exception) -> str:
    """Return what an error says, without the statement that SQLAlchemy adds."""
    return str(error).partition("\n")[0] or type(error).__name__
