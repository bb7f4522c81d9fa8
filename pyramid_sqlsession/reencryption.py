"""Encrypting rows anew with the key that is in use now, batch after batch, as requests go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import Any

from pyramid.registry import Registry
from pyramid.scripting import prepare
from sqlalchemy import Column, Connection, Table, bindparam, func, inspect, select, update

from pyramid_sqlsession import expiry
from pyramid_sqlsession.data_column import DataColumn, Unopened
from pyramid_sqlsession.encryption import KeyRing, may_be_sealed
from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.factory import factory_of
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.pruning import Stop, in_short_transaction, own_connection
from pyramid_sqlsession.refusals import explaining
from pyramid_sqlsession.serializers import Serializer

BATCH_SIZE = 100  # rows in memory at once; each may hold a large payload
READ = ("id", "digest", "created", "version", "data")
UNCHANGED = ("id", "digest", "created", "version")  # a save since then has encrypted it itself


@dataclass(frozen=True)
class Reencrypted:
    """What was done; `complete` when the whole table was looked at.

    `rewritten` counts rows, `current` those that the newest key had sealed already, `unreadable`
    those that no key opens, which are left as they are.
    """

    rewritten: int = 0
    current: int = 0
    unreadable: int = 0
    batches: int = 0
    seconds: float = 0.0
    complete: bool = False


def _ignore(_done: Reencrypted, _share: float) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to rewrite; as `pruning.Options`, where the names are the same.

    `from_plain` encrypts rows as well that hold plain data: whatever anybody has put there.
    """

    batch_size: int | None = None
    limit: int | None = None
    time_limit: float | None = None
    pause: float = 0.0
    from_plain: bool = False
    progress: Callable[[Reencrypted, float], Any] = _ignore
    stop: Stop = field(default_factory=Event)


class Sealing:
    """What becomes of one row's data."""

    def __init__(
        self, model: type[SessionMixin], keys: KeyRing, serializer: Serializer, *, from_plain: bool
    ) -> None:
        self._column, self._keys = DataColumn(model, keys), keys
        self._serializer, self._from_plain = serializer, from_plain

    def renewed(self, row: Any) -> Any:
        """Return what the row is to hold, or what it holds if that is well; None if unreadable."""
        facts = {"digest": row.digest, "created": row.created}
        data = self._column.data(row.data, **facts)
        if isinstance(data, Unopened):
            is_plain = self._from_plain and self._is_plain(row.data, bytes(data))
            return self._column.value(bytes(data), **facts) if is_plain else None
        if self._keys.is_newest(self._column.sealed(row.data)):
            return row.data
        return self._column.value(data, **facts)

    def _is_plain(self, value: Any, data: bytes) -> bool:
        if may_be_sealed(self._column.sealed(value)):
            return False
        try:
            return isinstance(self._serializer.loads(data), dict)
        except Exception:  # noqa: BLE001 - a serializer may raise anything
            return False


class Run:
    """One way through the table of the sessions; `done` is what it did so far."""

    def __init__(
        self, model: type[SessionMixin], sealing: Sealing, connection: Connection, options: Options
    ) -> None:
        self.done = Reencrypted()
        self._sealing, self._connection, self._options = sealing, connection, options
        self._began = expiry.stopwatch()
        columns: Mapping[str, Column[Any]] = inspect(model).columns
        self._id = columns["id"]
        self._table: Table = self._id.table
        self._find = (
            select(*(columns[name].label(name) for name in READ))
            .where(self._id > bindparam("after"), self._id <= bindparam("last"))
            .order_by(self._id)
            .limit(bindparam("size"))
        )
        self._rewrite = (
            update(self._table)
            .where(*(columns[name] == bindparam(f"row_{name}") for name in UNCHANGED))
            .values({columns["data"]: bindparam("new_data")})
        )

    def go(self) -> None:
        """Rewrite batch after batch, until it is done or enough."""
        first, last = self._ask(self._ends)
        after = 0 if first is None else first - 1
        while not self._is_enough():
            rows = [] if first is None else self._ask(partial(self._batch, after, last))
            if not rows:
                self._note(complete=True)
                return
            after = rows[-1].id
            self._clear(rows)
            self._options.progress(self.done, 1 - (last - after) / (last - first + 1))
            self._options.stop.wait(self._options.pause)

    def _ends(self) -> Any:
        # What is written later is sealed by the newest key.
        return self._connection.execute(select(func.min(self._id), func.max(self._id))).one()

    def _batch(self, after: int, last: int) -> Sequence[Any]:
        values = {"after": after, "last": last, "size": self._size}
        return self._connection.execute(self._find, values).all()

    @property
    def _size(self) -> int:
        size, limit = self._options.batch_size or BATCH_SIZE, self._options.limit
        return size if limit is None else min(size, limit - self.done.rewritten)

    def _is_enough(self) -> bool:
        self._note()
        seconds = self._options.time_limit
        is_late = seconds is not None and self.done.seconds >= seconds
        return is_late or self._size == 0 or self._options.stop.is_set()

    def _clear(self, rows: Sequence[Any]) -> None:
        renewed = [(row, self._sealing.renewed(row)) for row in rows]
        unreadable = sum(value is None for _, value in renewed)
        due = [(row, value) for row, value in renewed if value is not None and value != row.data]
        # In a transaction of its own: SQLite refuses to write at once where it has read before.
        rewritten = self._ask(partial(self._write, due)) if due else 0
        self._note(
            rewritten=self.done.rewritten + rewritten,
            current=self.done.current + len(rows) - unreadable - len(due),
            unreadable=self.done.unreadable + unreadable,
            batches=self.done.batches + 1,
        )

    def _write(self, due: Sequence[tuple[Any, Any]]) -> int:
        return sum(self._write_one(row, value) for row, value in due)

    def _write_one(self, row: Any, value: Any) -> int:
        values = {f"row_{name}": getattr(row, name) for name in UNCHANGED}
        return self._connection.execute(self._rewrite, {**values, "new_data": value}).rowcount

    def _ask(self, act: Callable[[], Any]) -> Any:
        def explained(_: Connection) -> Any:
            with explaining(self._table):
                return act()

        return in_short_transaction(self._connection, explained, self._options.stop)

    def _note(self, **facts: Any) -> None:
        self.done = replace(self.done, seconds=expiry.stopwatch() - self._began, **facts)


def reencrypt_sessions(registry: Registry, **options: Any) -> Reencrypted:
    """Encrypt the sessions of an application with its first key and return what was done.

    `options` are those of `Options`. Raises `SQLSessionError`, also when there is no key, or the
    database's own error; what was rewritten before stays so.
    """
    factory, checked = factory_of(registry), Options(**options)
    keys, serializer = factory.settings.encryption_keys, factory.settings.serializer
    if keys is None:
        raise SQLSessionError(
            "sqlsession.encryption_keys is not set, so there is no key to encrypt with"
        )
    sealing = Sealing(factory.model, keys, serializer, from_plain=checked.from_plain)
    with (
        prepare(registry=registry) as env,
        own_connection(factory.bind(env["request"])) as connection,
    ):
        run = Run(factory.model, sealing, connection, checked)
        run.go()
        return run.done
