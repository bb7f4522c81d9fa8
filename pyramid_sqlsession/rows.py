"""The row of a session, and how requests read and write it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Column, Connection, Table, inspect, literal, select
from sqlalchemy.exc import DBAPIError, StatementError

from pyramid_sqlsession.data_column import DataColumn, Unopened
from pyramid_sqlsession.encryption import KeyRing
from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.refusals import explain, found_broken
from pyramid_sqlsession.row_statements import Overwriting, RowStatements
from pyramid_sqlsession.serializers import Serializer
from pyramid_sqlsession.statements import Statement

log = logging.getLogger(__name__)

NONE: Mapping[str, Any] = MappingProxyType({})
Answer = TypeVar("Answer")
Asked = Mapping[str, Any]


class Row(NamedTuple):
    """What the database held of a session when it was last looked at; `data` is serialised."""

    id: int
    digest: bytes
    created: int
    accessed: int
    lifetime: int | None
    expires: int
    version: int
    data: bytes

    def __repr__(self) -> str:
        """Show neither the digest nor the data."""
        return f"<Row {self.id}, version {self.version}>"

    def is_alive(self, limits: Limits, now: int) -> bool:
        """Whether the session has not ended."""
        return limits.is_alive(
            now=now, accessed=self.accessed, created=self.created, lifetime=self.lifetime
        )


def as_row(mapped: Any, column: DataColumn) -> Row:
    """Return what an object of the mapped class holds."""
    return _row([getattr(mapped, name) for name in Row._fields], column)


def decode(serializer: Serializer, row: Row) -> dict[str, Any] | None:
    """Return the data of a row; None, and a line in the log, when it cannot be read."""
    if isinstance(row.data, Unopened):
        log.warning("the data of session %s cannot be read: no key opens it", row.id)
        return None
    try:
        data = serializer.loads(row.data)
    except Exception as error:  # noqa: BLE001 - a serializer may raise anything
        log.warning("the data of session %s cannot be read: %s", row.id, type(error).__name__)
        return None
    if isinstance(data, dict):
        return data
    log.warning("the data of session %s is no mapping: %s", row.id, type(data).__name__)
    return None


class Previous(NamedTuple):
    """The digest of an id that is replaced, and when it was good for the last time."""

    digest: bytes
    until: int


class SessionRows:
    """Statements on the table of one mapped class, run on a connection that is given."""

    def __init__(self, model: type[SessionMixin], keys: KeyRing | None = None) -> None:
        self.model = model
        columns: Mapping[str, Column[Any]] = inspect(model).columns
        self.table: Table = columns["id"].table
        self._data = DataColumn(model, keys)
        self.suited, self.bound = self._data.suited, self._data.bound
        self._probe = select(literal(1))
        self._statements = RowStatements(columns, Row._fields)

    def can_query(self, connection: Connection) -> bool:
        """Whether the transaction still works; a failed statement may have broken it."""
        try:
            connection.execute(self._probe)
        except DBAPIError as error:
            if found_broken(error):
                return False
            raise
        return True

    def load(
        self, connection: Connection, digests: Sequence[bytes], *, is_locking: bool = False
    ) -> list[Row]:
        """Return the rows of these digests, expired ones too; locked where the database can."""
        is_single = len(digests) == 1
        loading = self._statements.load if is_single else self._statements.load_some
        values = {"digest": digests[0]} if is_single else {"digests": digests}
        statement = loading.locking if is_locking else loading.plain
        return [_row(found, self._data) for found in self._ask(statement.rows, connection, values)]

    def superseded(
        self, connection: Connection, digests: Sequence[bytes]
    ) -> list[tuple[Row, int | None]]:
        """Return the rows whose previous digest is one of these, and when that was replaced."""
        rows = self._ask(self._statements.superseded.rows, connection, {"digests": digests})
        return [(_row(found[:-1], self._data), found[-1]) for found in rows]

    def reload(self, connection: Connection, row: Row) -> Row | None:
        """Return what a row is now, locked where the database can; None when it is gone."""
        rows = self._ask(self._statements.reload.rows, connection, {"row_id": row.id})
        newest = _row(rows[0], self._data) if rows else None
        return newest if newest and newest.created == row.created else None

    def insert(self, connection: Connection, row: Row, fields: Mapping[str, Any]) -> int:
        """Write a new row, whatever id `row` says, and return the id that it got.

        `fields` are values of the application's columns, None for NULL, here and below.
        """
        statement = self._with(fields, self._statements.insert)
        values = self._new(row, fields)
        values["new_created"], values["new_digest"] = row.created, row.digest
        values["new_expires"] = row.expires
        return self._ask(statement.key, connection, values)

    def update(
        self, connection: Connection, old: Row, new: Row, fields: Mapping[str, Any]
    ) -> bool:
        """Write `new` over `old`, with the same id; False when the database has no such row."""
        return self._overwrite(
            connection, self._statements.save, old, new, self._new(new, fields), fields
        )

    def rotate(
        self,
        connection: Connection,
        old: Row,
        new: Row,
        previous: Previous,
        fields: Mapping[str, Any],
    ) -> bool:
        """Write `new`, which has another id, over `old`; False when there is no such row."""
        values = self._new(new, fields) | {
            "new_digest": new.digest,
            "new_previous": previous.digest,
            "new_rotated": previous.until,
        }
        return self._overwrite(connection, self._statements.rotate, old, new, values, fields)

    def touch(self, connection: Connection, old: Row, new: Row) -> bool:
        """Note when `new` was used; False when it was noted, saved or deleted since."""
        return self._overwrite(
            connection, self._statements.touch, old, new, {"new_accessed": new.accessed}
        )

    def _overwrite(
        self,
        connection: Connection,
        statements: Overwriting,
        old: Row,
        new: Row,
        values: dict[str, Any],
        fields: Mapping[str, Any] = NONE,
    ) -> bool:
        statement = statements.within_step
        if new.expires != old.expires:
            statement, values["new_expires"] = statements.beyond, new.expires
        values["row_id"], values["row_digest"], values["row_version"] = (
            old.id,
            old.digest,
            old.version,
        )
        return self._ask(self._with(fields, statement).count, connection, values) == 1

    def delete(self, connection: Connection, row: Row) -> None:
        """Delete a row, whatever became of it; an id that was given out again is spared."""
        values = {"row_id": row.id, "row_created": row.created}
        self._ask(self._statements.delete.count, connection, values)

    def _with(self, fields: Mapping[str, Any], statement: Statement) -> Statement:
        """Add columns to a statement."""
        if not fields:
            return statement
        is_null = tuple((name, value is None) for name, value in fields.items())
        return self._statements.extended(statement, is_null)

    def _new(self, row: Row, fields: Mapping[str, Any]) -> dict[str, Any]:
        values = {
            "new_accessed": row.accessed,
            "new_lifetime": row.lifetime,
            "new_version": row.version,
            "new_data": self._data.value(row.data, digest=row.digest, created=row.created),
        }
        for name, value in fields.items():
            if value is not None:
                values[f"field_{name}"] = value
        return values

    def _ask(
        self, ask: Callable[[Connection, Asked], Answer], connection: Connection, values: Asked
    ) -> Answer:
        try:
            return ask(connection, values)
        except StatementError as error:
            explain(error, self.table)


def _row(values: Sequence[Any], column: DataColumn) -> Row:
    row_id, digest, created, *others, data = values
    data = column.data(data, digest=digest, created=created)
    return Row._make((row_id, digest, created, *others, data))
