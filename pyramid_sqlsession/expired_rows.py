"""Expired rows, found and deleted stretch by stretch: the part of `store` that prunes.

A stretch is a piece of the table with few enough rows for one short transaction. There are three
walks from stretch to stretch: along the index on `expires` where little has expired, else along
the primary key, or on PostgreSQL along the pages of the table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Dialect,
    Executable,
    String,
    Table,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    inspect,
    literal,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.types import UserDefinedType

from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.store import explained

FEW = 20  # when fewer than one row in so many has expired, the index is the faster way
FEW_AT_LEAST = 1000
SKIPS_LOCKED_SINCE = {"postgresql": (9, 5), "mysql": (8, 0, 1), "mariadb": (10, 6)}
FINDS_PAGES_SINCE = (14,)  # before, PostgreSQL reads the whole table to find some of its pages
ROWS_OF_A_PAGE = 16  # until PostgreSQL has counted


class _PlaceOfRow(UserDefinedType[str]):
    """PostgreSQL's type `tid`: page and number, as in `(0,1)`."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "tid"


PLACE = literal_column("ctid", _PlaceOfRow())  # which every table of PostgreSQL has


@dataclass(frozen=True)
class Stretch:
    """A piece of the table; `values` tell where it is, `share` how far the walk has come."""

    values: Mapping[str, Any]
    share: float
    is_empty: bool = False  # nothing in it has expired
    may_hold_more: bool = False  # expired rows than were asked for


class Walk(Protocol):
    """A way through the table; `within` finds the rows of a stretch by its values."""

    within: ColumnElement[bool]

    def next(self, connection: Connection, size: int) -> Stretch | None:
        """Return the next stretch, to delete `size` rows of; None at the end."""


class ExpiredRows:
    """The rows of a mapped class that are expired at a given time."""

    def __init__(self, model: type[SessionMixin], limits: Limits, now: int) -> None:
        columns: Mapping[str, Column[Any]] = inspect(model).columns
        self.id, self.expires = columns["id"], columns["expires"]
        self.table: Table = self.id.table
        self.is_due = self.expires <= now
        self.is_expired = and_(self.is_due, _is_over(columns, limits, now))

    def walk(self, connection: Connection) -> Walk:
        """Choose the way by a quick estimate."""
        # A query for each end: one for both would read the whole index on some databases.
        ends = [select(end(self.id)).scalar_subquery() for end in (func.min, func.max)]
        first, last = self.execute(connection, select(*ends)).one()
        due = 0 if first is None else self._count_few(connection, last - first + 1)
        if due is not None:
            return IndexWalk(self, due)
        pages = _pages(self, connection)
        return KeyWalk(self, first, last) if pages is None else PageWalk(*pages)

    def _count_few(self, connection: Connection, rows: int) -> int | None:
        few = max(rows // FEW, FEW_AT_LEAST)
        due = select(literal(1).label("due")).where(self.is_due).limit(few).subquery()
        found = self.execute(connection, select(func.count()).select_from(due)).scalar_one()
        return int(found) if found < few else None

    def count(self, connection: Connection, walk: Walk, stretch: Stretch) -> int:
        """Count what has expired in the stretch."""
        found = select(func.count()).where(walk.within, self.is_expired)
        counted = found.select_from(self.table)
        return int(self.execute(connection, counted, stretch.values).scalar_one())

    def delete(self, connection: Connection, walk: Walk, stretch: Stretch, size: int) -> int:
        """Delete what has expired in the stretch, `size` rows at most; return how many.

        Rows that others have locked are left, where the database can tell.
        """
        values = dict(stretch.values)
        if not _skips_locked(connection.dialect):
            return self._delete(connection, walk.within, values)
        if connection.dialect.name == "postgresql":
            return self._delete(connection, self._is_unlocked(walk), {**values, "size": size})
        # The DELETE of MySQL can neither skip rows nor look into its own table: lock first.
        found = select(self.id).where(walk.within, self.is_expired)
        locked = self.execute(connection, found.with_for_update(skip_locked=True), values)
        return self._delete_locked(connection, locked.scalars().all())

    def _delete_locked(self, connection: Connection, ids: Sequence[int]) -> int:
        # Without the hint it might read the whole of a small table, and wait for the locks in it;
        # a DELETE takes a hint only when the table is named twice.
        parts = [part for part in (self.table.schema, self.table.name) if part is not None]
        name = ".".join("`" + part.replace("`", "``") + "`" for part in parts)
        listed = self.id.in_(bindparam("ids", expanding=True, literal_execute=True))
        statement = delete(self.table).where(listed, self.is_expired).prefix_with(name)
        statement = statement.with_hint("FORCE INDEX (PRIMARY)")
        return int(self.execute(connection, statement, {"ids": ids}).rowcount)

    def _is_unlocked(self, walk: Walk) -> ColumnElement[bool]:
        found = select(PLACE).select_from(self.table).where(walk.within, self.is_expired)
        places = found.limit(bindparam("size")).with_for_update(skip_locked=True)
        return any_(func.array(places.scalar_subquery())) == PLACE

    def _delete(
        self, connection: Connection, which: ColumnElement[bool], values: Mapping[str, Any]
    ) -> int:
        statement = delete(self.table).where(which, self.is_expired)
        return int(self.execute(connection, statement, values).rowcount)

    def execute(
        self,
        connection: Connection,
        statement: Executable,
        values: Mapping[str, Any] = MappingProxyType({}),
    ) -> Any:
        """Return the result of a statement; raise `SQLSessionError` where the remedy is known."""
        try:
            return connection.execute(statement, values)
        except DBAPIError as error:
            known = explained(error, self.table)
            if known is None:
                raise
            raise known from error


def _is_over(columns: Mapping[str, Column[Any]], limits: Limits, now: int) -> ColumnElement[bool]:
    # The durations are subtracted from now: a sum might not fit into a column mapped as INTEGER.
    life: ColumnElement[Any] = columns["lifetime"]
    if limits.idle is not None:
        life = func.coalesce(life, limits.idle)
    is_idle = columns["accessed"] <= literal(now, BigInteger) - life
    if limits.absolute is None:
        return is_idle
    return or_(is_idle, columns["created"] <= now - limits.absolute)


def _skips_locked(dialect: Dialect) -> bool:
    name = "mariadb" if getattr(dialect, "is_mariadb", False) else dialect.name
    version: tuple[Any, ...] = getattr(dialect, "server_version_info", None) or ()
    return name in SKIPS_LOCKED_SINCE and version >= SKIPS_LOCKED_SINCE[name]


def _parameters(*names: str) -> list[BindParameter[Any]]:
    return [bindparam(name) for name in names]


class IndexWalk:
    """Along the index on `expires`."""

    def __init__(self, rows: ExpiredRows, due: int) -> None:
        self._rows, self._due, self._seen = rows, due, 0
        self._last = (-1, -1)
        expires, key = rows.expires, rows.id
        after, after_id, last, last_id = _parameters("after", "after_id", "last", "last_id")
        is_behind = and_(expires >= after, or_(expires > after, key > after_id), rows.is_due)
        self.within = and_(is_behind, expires <= last, or_(expires < last, key <= last_id))
        places = select(expires.label("expires"), key.label("id")).where(is_behind)
        some = places.order_by(expires, key).limit(bindparam("size")).subquery()
        self._find = (
            select(some.c.expires, some.c.id)
            .order_by(some.c.expires.desc(), some.c.id.desc())
            .limit(1)
        )

    def next(self, connection: Connection, size: int) -> Stretch | None:
        """Return the next `size` rows that are due."""
        if not self._due:
            return None
        after, after_id = self._last
        values = {"after": after, "after_id": after_id}
        found = self._rows.execute(connection, self._find, {**values, "size": size}).one_or_none()
        if found is None:
            return None
        self._last, self._seen = tuple(found), self._seen + size
        return Stretch(
            {**values, "last": found[0], "last_id": found[1]}, min(1.0, self._seen / self._due)
        )


class KeyWalk:
    """Along the primary key."""

    def __init__(self, rows: ExpiredRows, first: int, last: int) -> None:
        self._rows, self._after, self._last = rows, first - 1, last
        self._length = last - first + 1
        key = rows.id
        self.within = and_(key > bindparam("after"), key <= bindparam("last"))
        is_expired = case((rows.is_expired, 1), else_=0)
        some = (
            select(key.label("id"), is_expired.label("is_expired"))
            .where(key > bindparam("after"), key <= self._last)
            .order_by(key)
            .limit(bindparam("size"))
            .subquery()
        )
        self._find = select(func.max(some.c.id), func.sum(some.c.is_expired))

    def next(self, connection: Connection, size: int) -> Stretch | None:
        """Return the next `size` rows, expired or not."""
        values = {"after": self._after}
        last, expired = self._rows.execute(connection, self._find, {**values, "size": size}).one()
        if last is None:
            return None
        self._after = last
        share = 1 - (self._last - last) / self._length
        return Stretch({**values, "last": last}, share, is_empty=not expired)


class PageWalk:
    """Along the pages of a table of PostgreSQL; there are `pages`, of about `density` rows."""

    def __init__(self, pages: int, density: float) -> None:
        self._pages, self._density, self._page = pages, density, 0
        first, end = (
            cast(bindparam(name, type_=String), _PlaceOfRow()) for name in ("first", "end")
        )
        self.within = and_(first <= PLACE, end > PLACE)

    def next(self, connection: Connection, size: int) -> Stretch | None:  # noqa: ARG002 - a Walk
        """Return the next pages, about as many as `size` rows fill."""
        if self._page >= self._pages:
            return None
        first = self._page
        self._page = min(self._pages, first + max(1, int(size / self._density)))
        values = {"first": f"({first},0)", "end": f"({self._page},0)"}
        return Stretch(values, self._page / self._pages, may_hold_more=True)


def _pages(rows: ExpiredRows, connection: Connection) -> tuple[int, float] | None:
    """Return the number of pages and the rows of each; None where they are no way through."""
    version = getattr(connection.dialect, "server_version_info", None) or ()
    if connection.dialect.name != "postgresql" or version < FINDS_PAGES_SINCE:
        return None
    # By a row, for the name might be translated; a partition is not the whole table.
    oid = select(literal_column("tableoid")).select_from(rows.table).limit(1).scalar_subquery()
    c = _CATALOG.c
    size = func.pg_relation_size(c.oid) / cast(func.current_setting("block_size"), BigInteger)
    described = select(size, c.reltuples, c.relpages).where(c.oid == oid, ~c.relispartition)
    found = rows.execute(connection, described).one_or_none()
    if found is None:
        return None
    pages, counted_rows, counted_pages = found
    density = counted_rows / counted_pages if counted_rows > 0 and counted_pages else 0
    return int(pages), max(1.0, density or ROWS_OF_A_PAGE)


_CATALOG = table(
    "pg_class",
    *(column(name) for name in ("oid", "reltuples", "relpages")),
    column("relispartition", Boolean),
    schema="pg_catalog",
)
