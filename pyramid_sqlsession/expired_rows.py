"""Expired rows: which they are, and their deletion stretch by stretch, waiting for nobody.

`pruning` has them deleted; `walks` tells one stretch after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Executable,
    Table,
    and_,
    any_,
    bindparam,
    delete,
    func,
    inspect,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import UserDefinedType

from pyramid_sqlsession.exceptions import SessionConflict
from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.refusals import explaining

SKIPS_LOCKED_SINCE = {"postgresql": (9, 5), "mysql": (8, 0, 1), "mariadb": (10, 6)}


class PlaceOfRow(UserDefinedType[str]):
    """PostgreSQL's type `tid`: page and number, as in `(0,1)`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """Return its name, as SQLAlchemy asks for it."""
        return "tid"


PLACE = literal_column("ctid", PlaceOfRow())  # which every table of PostgreSQL has


@dataclass(frozen=True)
class Stretch:
    """A piece of the table, with few enough rows for one short transaction.

    `within` finds its rows by `values`; `share` tells how far the walk has come, up to 1.0.
    """

    within: ColumnElement[bool]
    values: Mapping[str, Any]
    share: float
    is_empty: bool = False  # nothing in it has expired
    may_hold_more: bool = False  # expired rows than were asked for


class _Impatient(Executable, ClauseElement):
    """A DELETE that is refused at once where it would wait for a lock; MariaDB alone has that."""

    inherit_cache = False

    def __init__(self, statement: Delete) -> None:
        self.statement = statement


@compiles(_Impatient)
def _compile_impatient(element: _Impatient, compiler: Any, **options: Any) -> str:
    statement = compiler.process(element.statement, **options)
    return f"SET STATEMENT innodb_lock_wait_timeout = 0 FOR {statement}"


class ExpiredRows:
    """The rows of a mapped class that are expired at a given time."""

    def __init__(self, model: type[SessionMixin], limits: Limits, now: int) -> None:
        columns: Mapping[str, Column[Any]] = inspect(model).columns
        self.id, self.expires = columns["id"], columns["expires"]
        self.table: Table = self.id.table
        self.is_due = self.expires <= now
        self.is_expired = and_(self.is_due, is_over(columns, limits, now))

    def count(self, connection: Connection, stretch: Stretch) -> int:
        """Count what has expired in the stretch."""
        found = select(func.count()).where(stretch.within, self.is_expired)
        counted = found.select_from(self.table)
        return int(self.execute(connection, counted, stretch.values).scalar_one())

    def delete(self, connection: Connection, stretch: Stretch, size: int) -> int:
        """Delete what has expired in the stretch, `size` rows at most; return how many.

        Rows that others have locked are left, where the database can tell.
        """
        name = _name(connection.dialect)
        if not _skips_locked(connection.dialect):
            return self._delete(connection, stretch.within, stretch.values)
        if name == "postgresql":
            values = {**stretch.values, "size": size}
            return self._delete(connection, self._is_unlocked(stretch), values)
        if name == "mariadb":
            return self._delete_impatiently(connection, stretch)
        return self._lock_and_delete(connection, stretch)

    def _is_unlocked(self, stretch: Stretch) -> ColumnElement[bool]:
        found = select(PLACE).select_from(self.table).where(stretch.within, self.is_expired)
        places = found.limit(bindparam("size")).with_for_update(skip_locked=True)
        return any_(func.array(places.scalar_subquery())) == PLACE

    def _delete(
        self, connection: Connection, which: ColumnElement[bool], values: Mapping[str, Any]
    ) -> int:
        statement = delete(self.table).where(which, self.is_expired)
        return int(self.execute(connection, statement, values).rowcount)

    def _delete_impatiently(self, connection: Connection, stretch: Stretch) -> int:
        # Most stretches have nobody in them: one statement does it, in two thirds of the time.
        statement = _Impatient(delete(self.table).where(stretch.within, self.is_expired))
        try:
            return int(self.execute(connection, statement, stretch.values).rowcount)
        except SessionConflict:  # nothing but this statement is undone
            return self._lock_and_delete(connection, stretch)

    def _lock_and_delete(self, connection: Connection, stretch: Stretch) -> int:
        # The DELETE of MySQL can neither skip rows nor look into its own table.
        found = select(self.id).where(stretch.within, self.is_expired)
        locking = found.with_for_update(skip_locked=True)
        locked = self.execute(connection, locking, stretch.values).scalars().all()
        return self._delete_locked(connection, locked)

    def _delete_locked(self, connection: Connection, ids: Sequence[int]) -> int:
        # Without the hint it might read the whole of a small table, and wait for the locks in it;
        # a DELETE takes a hint only when the table is named twice.
        parts = [part for part in (self.table.schema, self.table.name) if part is not None]
        name = ".".join("`" + part.replace("`", "``") + "`" for part in parts)
        listed = self.id.in_(bindparam("ids", expanding=True, literal_execute=True))
        statement = delete(self.table).where(listed, self.is_expired).prefix_with(name)
        statement = statement.with_hint("FORCE INDEX (PRIMARY)")
        return int(self.execute(connection, statement, {"ids": ids}).rowcount)

    def execute(
        self,
        connection: Connection,
        statement: Executable,
        values: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:
        """Return the result of a statement; raise `SQLSessionError` where the remedy is known."""
        with explaining(self.table):
            return connection.execute(statement, values)


def is_over(columns: Mapping[str, Column[Any]], limits: Limits, now: int) -> ColumnElement[bool]:
    """Return the condition that is the opposite of `limits.is_alive`, and never NULL."""
    # The durations are subtracted from now: a sum might not fit into a column mapped as INTEGER.
    life: ColumnElement[Any] = columns["lifetime"]
    if limits.idle is not None:
        life = func.coalesce(life, limits.idle)
    is_idle = columns["accessed"] <= literal(now, BigInteger) - life
    if limits.idle is None:
        is_idle = and_(life.is_not(None), is_idle)
    if limits.absolute is None:
        return is_idle
    return or_(is_idle, columns["created"] <= now - limits.absolute)


def _name(dialect: Dialect) -> str:
    return "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name


def _skips_locked(dialect: Dialect) -> bool:
    name, version = _name(dialect), getattr(dialect, "server_version_info", None) or ()
    return name in SKIPS_LOCKED_SINCE and version >= SKIPS_LOCKED_SINCE[name]
