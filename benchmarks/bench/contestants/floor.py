"""The floor: the least that a session in the request's own transaction can cost without tricks.

Statements of SQLAlchemy Core, built once, run by hand on the dbsession, and no session object. The
table has what these statements need, with one index beside the primary key, on the digest;
`like_ours` does the same on a table with the columns and indexes of this package.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import Any

import zope.sqlalchemy
from pyramid.httpexceptions import HTTPConflict
from pyramid.response import Response
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    insert,
    inspect,
    select,
    update,
)

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Handling, Place
from benchmarks.bench.contestants.shape import finished, shaped
from pyramid_sqlsession.model import generate_model

LIFE, STEP = 24 * 3600, 3600  # seconds that a session lives, and what its end is rounded up to
LEAN = Table(
    "floor",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("accessed", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("data", Text, nullable=False),
)
OURS: Table = inspect(generate_model("like_ours", None)).columns["id"].table


class Floor:
    """What views do by hand with the rows of one table."""

    def __init__(self, table: Table, *, is_protected: bool = True) -> None:
        self._has_end = "expires" in table.c
        self._is_protected = is_protected
        self._find = select(table).where(table.c.digest == bindparam("presented"))
        changed = ["data", "version", "accessed", *(["expires"] if self._has_end else [])]
        self._save = (
            update(table)
            .where(table.c.id == bindparam("key"))
            .values({name: bindparam(f"new_{name}") for name in changed})
        )
        if is_protected:
            self._save = self._save.where(table.c.version == bindparam("seen"))
        self._add = insert(table)

    def _row(self, request: Any) -> Any:
        digest = _digest(request.cookies["session"])
        return request.dbsession.connection().execute(self._find, {"presented": digest}).one()

    def read(self, request: Any, key: str) -> Any:
        """Read a key."""
        return json.loads(self._row(request).data).get(key, 0)

    def add(self, request: Any, key: str) -> None:
        """Add to a key and save; refuse what somebody else has changed meanwhile."""
        row, now = self._row(request), int(time.time())
        data = json.loads(row.data)
        data[key] = data.get(key, 0) + 1
        saved = {
            "key": row.id,
            "new_data": json.dumps(data),
            "new_version": row.version + 1,
            "new_accessed": now,
        }
        if self._has_end:
            saved["new_expires"] = _end(now)
        if self._is_protected:
            saved["seen"] = row.version
        done = request.dbsession.connection().execute(self._save, saved)
        zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
        if done.rowcount != 1:
            raise HTTPConflict

    def begin(self, request: Any, response: Response, held: dict[str, Any]) -> None:
        """Insert a row, and send its id."""
        session_id, now = secrets.token_urlsafe(32), int(time.time())
        row = {
            "digest": _digest(session_id),
            "accessed": now,
            "version": 1,
            "data": json.dumps(held),
        }
        if self._has_end:
            row |= {"created": now, "expires": _end(now)}
        request.dbsession.connection().execute(self._add, row)
        zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
        response.set_cookie("session", session_id, httponly=True, samesite="Lax")


def _digest(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()


def _end(now: int) -> int:
    return (now + LIFE) // STEP * STEP + STEP


def make(place: Place) -> App:
    """Have what is needed, and no more."""
    return by_hand(place, LEAN)


def like_ours(place: Place) -> App:
    """Have the columns and indexes of this package."""
    return by_hand(place, OURS)


def unprotected(place: Place) -> App:
    """Write over whatever is there."""
    return by_hand(place, LEAN, is_protected=False)


def by_hand(place: Place, table: Table, *, is_protected: bool = True) -> App:
    """Make the table and the application."""
    engine = create_engine(place["url"])
    table.create(engine, checkfirst=True)
    engine.dispose()
    floor = Floor(table, is_protected=is_protected)
    return finished(shaped(place, Handling(floor.read, floor.add, floor.begin)))
