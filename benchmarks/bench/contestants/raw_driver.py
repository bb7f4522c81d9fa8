"""The database's driver by hand, BEGIN to COMMIT, beside the request's transaction."""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from pyramid.response import Response
from sqlalchemy import make_url

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Handling, Place
from benchmarks.bench.contestants.shape import finished, shaped

SQLITE_TABLE = """
    CREATE TABLE IF NOT EXISTS raw (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
    accessed BIGINT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL)
"""
POSTGRESQL_TABLE = """
    CREATE TABLE IF NOT EXISTS raw (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, digest BYTEA NOT NULL UNIQUE,
    accessed BIGINT NOT NULL, version INTEGER NOT NULL, data TEXT NOT NULL)
"""
FIND = "SELECT id, version, data FROM raw WHERE digest = ?"
SAVE = "UPDATE raw SET data = ?, version = ?, accessed = ? WHERE id = ? AND version = ?"
ADD = "INSERT INTO raw (digest, accessed, version, data) VALUES (?, ?, ?, ?)"


@dataclass(frozen=True)
class Raw:
    """A connection, and how its driver writes a parameter."""

    connection: Any
    mark: str

    def execute(self, statement: str, *values: Any) -> Any:
        """Run one statement."""
        return self.connection.execute(statement.replace("?", self.mark), values)

    def find(self, request: Any) -> Any:
        """Return id, version and data of the row that the cookie opens."""
        return self.execute(FIND, _digest(request.cookies["session"])).fetchone()

    def read(self, request: Any, key: str) -> Any:
        """Read a key."""
        self.execute("BEGIN")
        data = self.find(request)[2]
        self.execute("COMMIT")
        return json.loads(data).get(key, 0)

    def add(self, request: Any, key: str) -> None:
        """Add to a key and save."""
        self.execute("BEGIN")
        row_id, version, written = self.find(request)
        data = json.loads(written)
        data[key] = data.get(key, 0) + 1
        self.execute(SAVE, json.dumps(data), version + 1, int(time.time()), row_id, version)
        self.execute("COMMIT")

    def begin(self, _request: Any, response: Response, held: dict[str, Any]) -> None:
        """Insert a row, and send its id."""
        session_id = secrets.token_urlsafe(32)
        self.execute("BEGIN")
        self.execute(ADD, _digest(session_id), int(time.time()), 1, json.dumps(held))
        self.execute("COMMIT")
        response.set_cookie("session", session_id, httponly=True, samesite="Lax")


def _digest(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()


def connect(url: str) -> Raw:
    """Connect without any help."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        raw = Raw(sqlite3.connect(str(parsed.database), isolation_level=None), "?")
        raw.execute(SQLITE_TABLE)
    else:
        plain = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        raw = Raw(psycopg.connect(plain, autocommit=True), "%s")
        raw.execute(POSTGRESQL_TABLE)
    return raw


def make(place: Place) -> App:
    """Keep one connection."""
    raw = connect(place["url"])
    return finished(shaped(place, Handling(raw.read, raw.add, raw.begin)))
