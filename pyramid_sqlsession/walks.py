"""Ways through the table, stretch by stretch, past all that has expired.

There are three: along the index on `expires` where little has expired, else along the primary
key, or on PostgreSQL along the pages of the table.
"""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    Connection,
    String,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
)

from pyramid_sqlsession.expired_rows import PLACE, ExpiredRows, PlaceOfRow, Stretch

FEW = 20  # when fewer than one row in so many has expired, the index is the faster way
FEW_AT_LEAST = 1000
FINDS_PAGES_SINCE = (14,)  # before, PostgreSQL reads the whole table to find some of its pages
ROWS_OF_A_PAGE = 16  # until PostgreSQL has counted


class Walk(Protocol):
    """A way through the table."""

    def next(self, connection: Connection, size: int) -> Stretch | None:
        """Return the next stretch, to delete `size` rows of; None at the end."""


def choose_walk(connection: Connection, rows: ExpiredRows) -> Walk:
    """Choose the way by a quick estimate."""
    # A query for each end: one for both would read the whole index on some databases.
    ends = [select(end(rows.id)).scalar_subquery() for end in (func.min, func.max)]
    first, last = rows.execute(connection, select(*ends)).one()
    due = 0 if first is None else _count_few(connection, rows, last - first + 1)
    if due is not None:
        return IndexWalk(rows, due)
    pages = _pages(connection, rows)
    return KeyWalk(rows, first, last) if pages is None else PageWalk(*pages)


def _count_few(connection: Connection, rows: ExpiredRows, length: int) -> int | None:
    few = max(length // FEW, FEW_AT_LEAST)
    due = select(literal(1).label("due")).where(rows.is_due).limit(few).subquery()
    found = rows.execute(connection, select(func.count()).select_from(due)).scalar_one()
    return int(found) if found < few else None


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
        self._within = and_(is_behind, expires <= last, or_(expires < last, key <= last_id))
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
        values |= {"last": found[0], "last_id": found[1]}
        return Stretch(self._within, values, min(1.0, self._seen / self._due))


class KeyWalk:
    """Along the primary key."""

    def __init__(self, rows: ExpiredRows, first: int, last: int) -> None:
        self._rows, self._after, self._last = rows, first - 1, last
        self._length = last - first + 1
        key = rows.id
        self._within = and_(key > bindparam("after"), key <= bindparam("last"))
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
        return Stretch(self._within, {**values, "last": last}, share, is_empty=not expired)


class PageWalk:
    """Along the pages of a table of PostgreSQL; there are `pages`, of about `density` rows."""

    def __init__(self, pages: int, density: float) -> None:
        self._pages, self._density, self._page = pages, density, 0
        first, end = (
            cast(bindparam(name, type_=String), PlaceOfRow()) for name in ("first", "end")
        )
        self._within = and_(first <= PLACE, end > PLACE)

    def next(self, connection: Connection, size: int) -> Stretch | None:  # noqa: ARG002 - a Walk
        """Return the next pages, about as many as `size` rows fill."""
        if self._page >= self._pages:
            return None
        first = self._page
        self._page = min(self._pages, first + max(1, int(size / self._density)))
        values = {"first": f"({first},0)", "end": f"({self._page},0)"}
        return Stretch(self._within, values, self._page / self._pages, may_hold_more=True)


def _pages(connection: Connection, rows: ExpiredRows) -> tuple[int, float] | None:
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
