"""Session rows as a stranger with a database console would read them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, inspect, text


@dataclass(frozen=True)
class SessionRow:
    """A committed row; `columns` holds all of it."""

    columns: dict[str, Any]

    @property
    def id(self) -> int:
        """The public id."""
        return int(self.columns["id"])

    @property
    def raw(self) -> Any:
        """The serialised session as it is stored."""
        return self.columns["data"]

    @property
    def data(self) -> Any:
        """The session, for rows written by the JSON serializer."""
        return json.loads(self.raw)

    @property
    def digest(self) -> bytes:
        """The digest of the session id."""
        return bytes(self.columns["digest"])

    @property
    def version(self) -> int:
        """The number of saves."""
        return int(self.columns["version"])


def committed_rows(engine: Engine, table: str) -> list[SessionRow]:
    """Read the session table by id; a missing one has no rows."""
    if not inspect(engine).has_table(table):
        return []
    quoted = engine.dialect.identifier_preparer.quote(table)
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM {quoted} ORDER BY id")).mappings()
        return [SessionRow(dict(row)) for row in found]


def committed_notes(engine: Engine) -> list[str]:
    """Read the application's table in alphabetical order."""
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT text FROM notes ORDER BY text")).scalars())


def execute(engine: Engine, statement: str, values: dict[str, Any]) -> None:
    """Change something behind the application's back."""
    with engine.begin() as connection:
        connection.execute(text(statement), values)
