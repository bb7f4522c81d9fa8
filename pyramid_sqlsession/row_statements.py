"""The statements on the table of one mapped class by which requests read and write a row.

The parameters of those that write are called `new_` and `field_` with the attribute behind it; the
row that they write over is told by `row_id`, `row_digest` and `row_version`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    Select,
    Table,
    Update,
    bindparam,
    case,
    delete,
    insert,
    null,
    select,
    update,
)

from pyramid_sqlsession.statements import Statement

VARIANTS = 100  # sets of extra columns whose statements are kept

Columns = Mapping[str, Column[Any]]
Values = dict[Column[Any], Any]


class Loading:
    """A select, and the same with a lock where the database can."""

    def __init__(self, select: Select[Any]) -> None:
        self.plain = Statement(select)
        self.locking = Statement(select.with_for_update())


class Overwriting:
    """An update, with and without `expires`: an index that is written anew costs SQLite a page."""

    def __init__(self, update: Update, expires: Values) -> None:
        self.within_step = Statement(update)
        self.beyond = Statement(update.values(expires))


class RowStatements:
    """All of them; `facts` are the attributes of a row that are read."""

    def __init__(self, columns: Columns, facts: Sequence[str]) -> None:
        self._columns = columns
        self._table: Table = columns["id"].table
        self.extended = lru_cache(maxsize=VARIANTS)(self._extend)
        self._make_reading([columns[name] for name in facts])
        self.insert = Statement(
            insert(self._table).values(self._new(*(name for name in facts if name != "id")))
        )
        self._make_overwriting()
        self.delete = Statement(
            delete(self._table).where(
                columns["id"] == bindparam("row_id"),
                columns["created"] == bindparam("row_created"),
            )
        )

    def _make_reading(self, facts: Sequence[Column[Any]]) -> None:
        c = self._columns
        some: BindParameter[Any] = bindparam("digests", expanding=True)
        # A list takes longer to expand than the row to find.
        self.load = Loading(select(*facts).where(c["digest"] == bindparam("digest")))
        self.load_some = Loading(select(*facts).where(c["digest"].in_(some)))
        self.superseded = Statement(select(*facts, c["rotated"]).where(c["previous"].in_(some)))
        self.reload = Statement(
            select(*facts).where(c["id"] == bindparam("row_id")).with_for_update()
        )

    def _make_overwriting(self) -> None:
        c = self._columns
        overwrite = update(self._table).where(
            c["id"] == bindparam("row_id"),
            c["digest"] == bindparam("row_digest"),
            c["version"] == bindparam("row_version"),
        )
        used = bindparam("new_accessed", type_=c["accessed"].type)
        # A clock that runs ahead may have noted a later use; time is not moved back.
        latest: Values = {c["accessed"]: case((c["accessed"] > used, c["accessed"]), else_=used)}
        saved = latest | self._new("lifetime", "version", "data")
        rotated = saved | self._new("digest", "previous", "rotated")
        touched = overwrite.where(c["accessed"] < used).values(self._new("accessed"))
        expires = self._new("expires")
        self.save = Overwriting(overwrite.values(saved), expires)
        self.rotate = Overwriting(overwrite.values(rotated), expires)
        self.touch = Overwriting(touched, expires)

    def _new(self, *names: str) -> Values:
        return {self._columns[name]: bindparam(f"new_{name}") for name in names}

    def _extend(self, statement: Statement, fields: Iterable[tuple[str, bool]]) -> Statement:
        """Add columns of the application, each with whether it becomes NULL."""
        values: Values = {
            self._columns[name]: null() if is_null else bindparam(f"field_{name}")
            for name, is_null in fields
        }
        return Statement(statement.executable.values(values))
