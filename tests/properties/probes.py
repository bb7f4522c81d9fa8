"""The rows of sessions as the database holds them, and as the model says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, text

from tests.harness import SessionRow
from tests.properties.sessions import Key, Row


class Probe:
    """A connection that always sees what is committed; it is made once, as it is used often."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection.execution_options(isolation_level="AUTOCOMMIT")

    def empty(self) -> None:
        self._connection.execute(text("DELETE FROM sessions"))

    def rows(self) -> dict[bytes, SessionRow]:
        """Return the rows by digest."""
        found = self._connection.execute(text("SELECT * FROM sessions")).mappings()
        rows = [SessionRow(dict(columns)) for columns in found]
        return {row.digest: row for row in rows}


@contextmanager
def probing(engine: Engine) -> Iterator[Probe]:
    with engine.connect() as connection:
        yield Probe(connection)


def digest(key: Key) -> bytes:
    """What the database holds of an id; a signature is no part of it."""
    assert key.cookie is not None, "an id of which no browser was told"
    return sha256(key.cookie.partition(".")[0].encode()).digest()


def columns(row: Row) -> dict[str, Any]:
    """What the model says of a row, in the names of the table."""
    return {
        "digest": digest(row.key),
        "previous": None if row.previous is None else digest(row.previous),
        "rotated": row.rotated,
        "created": row.created,
        "accessed": row.accessed,
        "lifetime": row.lifetime,
        "version": row.version,
    }
