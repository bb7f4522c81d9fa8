"""The row of a session: the statements by which requests read and write it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    CursorResult,
    Executable,
    Insert,
    LargeBinary,
    Table,
    Update,
    bindparam,
    case,
    delete,
    insert,
    inspect,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.exc import DBAPIError, StatementError

from pyramid_sqlsession.exceptions import SettingsError
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.refusals import explain, found_broken
from pyramid_sqlsession.serializers import (
    Serializer,
    SortingSerializer,
    sorted_json,
)

log = logging.getLogger(__name__)

NONE: Mapping[str, Any] = MappingProxyType({})
Saving = TypeVar("Saving", Insert, Update)
Values = dict[Column[Any], Any]


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


def as_row(mapped: Any) -> Row:
    """Return what an object of the mapped class holds."""
    facts = {name: getattr(mapped, name) for name in Row._fields}
    return Row(**facts | {"data": _bytes(mapped.data)})


def decode(serializer: Serializer, row: Row) -> dict[str, Any] | None:
    """Return the data of a row; None, and a line in the log, when it cannot be read."""
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


class _Overwriting:
    """An update, with and without `expires`: an index that is written anew costs SQLite a page."""

    def __init__(self, statement: Update, expires: Values) -> None:
        self.within_step = statement
        self.beyond = statement.values(expires)


class SessionRows:
    """Statements on the table of one mapped class, run on a connection that is given."""

    def __init__(self, model: type[SessionMixin]) -> None:
        self.model = model
        columns: Mapping[str, Column[Any]] = inspect(model).columns
        self.table: Table = columns["id"].table
        self._columns = columns
        self.bound = _binding(columns["data"].type)
        c = {name: columns[name] for name in SessionMixin.__annotations__}
        facts = [c[name] for name in Row._fields]
        self._probe = select(literal(1))
        self._load = select(*facts).where(c["digest"] == bindparam("digest"))
        self._load_some = select(*facts).where(
            c["digest"].in_(bindparam("digests", expanding=True))
        )
        self._superseded = select(*facts, c["rotated"]).where(
            c["previous"].in_(bindparam("digests", expanding=True))
        )
        self._reload = select(*facts).where(c["id"] == bindparam("row_id")).with_for_update()
        self._insert = insert(self.table).values(
            _new_values(c, *(name for name in Row._fields if name != "id"))
        )
        same = (
            c["id"] == bindparam("row_id"),
            c["digest"] == bindparam("row_digest"),
            c["version"] == bindparam("row_version"),
        )
        overwrite = update(self.table).where(*same)
        used = bindparam("new_accessed", type_=c["accessed"].type)
        expires = _new_values(c, "expires")
        # A clock that runs ahead may have noted a later use; time is not moved back.
        latest: Values = {c["accessed"]: case((c["accessed"] > used, c["accessed"]), else_=used)}
        saved = latest | _new_values(c, "lifetime", "version", "data")
        rotated = _new_values(c, "digest", "previous", "rotated")
        self._save = _Overwriting(overwrite.values(saved), expires)
        self._save_rotated = _Overwriting(overwrite.values(saved | rotated), expires)
        now = _new_values(c, "accessed")
        self._touch = _Overwriting(overwrite.where(c["accessed"] < used).values(now), expires)
        self._delete = delete(self.table).where(
            c["id"] == bindparam("row_id"), c["created"] == bindparam("row_created")
        )

    def suited(self, serializer: Serializer) -> Serializer:
        """Return a serializer like this one whose bytes the column `data` takes.

        Raises `SettingsError` when there is none.
        """
        is_json = self.bound is json.loads
        try:
            self.bound(serializer.dumps({}))
        except ValueError as error:
            raise SettingsError(
                f"sqlsession.serializer: what it writes is not {'JSON' if is_json else 'text'}, "
                f"and the column {self._columns['data'].name!r} of {self.model!r} takes nothing "
                "else: map a binary column"
            ) from error
        return SortingSerializer(serializer) if is_json else serializer

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
        # A list takes longer to expand than the row to find.
        is_single = len(digests) == 1
        statement = self._load if is_single else self._load_some
        values = {"digest": digests[0]} if is_single else {"digests": digests}
        if is_locking:
            statement = statement.with_for_update()
        found = self._execute(connection, statement, values)
        return [_row(*values) for values in found.all()]

    def superseded(
        self, connection: Connection, digests: Sequence[bytes]
    ) -> list[tuple[Row, int | None]]:
        """Return the rows whose previous digest is one of these, and when that was replaced."""
        found = self._execute(connection, self._superseded, {"digests": digests})
        return [(_row(*values[:-1]), values[-1]) for values in found]

    def reload(self, connection: Connection, row: Row) -> Row | None:
        """Return what a row is now, locked where the database can; None when it is gone."""
        found = self._execute(connection, self._reload, {"row_id": row.id}).one_or_none()
        newest = None if found is None else _row(*found)
        return newest if newest and newest.created == row.created else None

    def insert(self, connection: Connection, row: Row, fields: Mapping[str, Any]) -> int:
        """Write a new row, whatever id `row` says, and return the id that it got.

        `fields` are values of the application's columns, None for NULL, here and below.
        """
        statement = self._with(fields, self._insert)
        values = self._new(row, fields) | {
            "new_created": row.created,
            "new_digest": row.digest,
            "new_expires": row.expires,
        }
        key = self._execute(connection, statement, values).inserted_primary_key
        return int(key[0])  # type: ignore[index]  # an insert of one row has a key

    def update(
        self, connection: Connection, old: Row, new: Row, fields: Mapping[str, Any]
    ) -> bool:
        """Write `new` over `old`, with the same id; False when the database has no such row."""
        return self._overwrite(connection, self._save, old, new, self._new(new, fields), fields)

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
        return self._overwrite(connection, self._save_rotated, old, new, values, fields)

    def touch(self, connection: Connection, old: Row, new: Row) -> bool:
        """Note when `new` was used; False when it was noted, saved or deleted since."""
        return self._overwrite(connection, self._touch, old, new, {"new_accessed": new.accessed})

    def _overwrite(
        self,
        connection: Connection,
        statements: _Overwriting,
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
        return self._execute(connection, self._with(fields, statement), values).rowcount == 1

    def delete(self, connection: Connection, row: Row) -> None:
        """Delete a row, whatever became of it; an id that was given out again is spared."""
        self._execute(connection, self._delete, {"row_id": row.id, "row_created": row.created})

    def _with(self, fields: Mapping[str, Any], statement: Saving) -> Saving:
        """Add columns to a statement; equal sets of them make equal texts, which are cached."""
        if not fields:
            return statement
        values: Values = {
            self._columns[name]: null() if value is None else bindparam(f"field_{name}")
            for name, value in fields.items()
        }
        return statement.values(values)

    def _new(self, row: Row, fields: Mapping[str, Any]) -> dict[str, Any]:
        values = {
            "new_accessed": row.accessed,
            "new_lifetime": row.lifetime,
            "new_version": row.version,
            "new_data": self.bound(row.data),
        }
        for name, value in fields.items():
            if value is not None:
                values[f"field_{name}"] = value
        return values

    def _execute(
        self, connection: Connection, statement: Executable, values: Mapping[str, Any]
    ) -> CursorResult[Any]:
        try:
            return connection.execute(statement, values)
        except StatementError as error:
            explain(error, self.table)


def _row(*values: Any) -> Row:
    *facts, data = values
    return Row._make((*facts, _bytes(data)))


def _new_values(columns: Mapping[str, Column[Any]], *names: str) -> Values:
    return {columns[name]: bindparam(f"new_{name}") for name in names}


def _binding(column_type: Any) -> Callable[[bytes], Any]:
    """Return what makes of serialised data the value that a column of this type takes."""
    if isinstance(column_type, LargeBinary):
        return bytes
    return json.loads if isinstance(column_type, JSON) else bytes.decode


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    return sorted_json(data)  # the column is JSON
