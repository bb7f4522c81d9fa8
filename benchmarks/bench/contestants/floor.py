"""The floor: the least that a session in the request's own transaction can cost without tricks.

Statements of SQLAlchemy Core, built once, run by hand on the dbsession, and no session object.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable
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
    Update,
    bindparam,
    create_engine,
    insert,
    select,
    update,
)

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Handling, Place
from benchmarks.bench.contestants.shape import finished, shaped

floor_table = Table(
    "floor",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("accessed", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("data", Text, nullable=False),
)
FIND = select(floor_table).where(floor_table.c.digest == bindparam("presented"))
UNPROTECTED = (
    update(floor_table)
    .where(floor_table.c.id == bindparam("key"))
    .values(data=bindparam("data"), version=bindparam("version"), accessed=bindparam("accessed"))
)
SAVE = UNPROTECTED.where(floor_table.c.version == bindparam("seen"))
ADD = insert(floor_table)


def find(request: Any) -> Any:
    """Return the row that the cookie opens."""
    digest = hashlib.sha256(request.cookies["session"].encode()).digest()
    return request.dbsession.connection().execute(FIND, {"presented": digest}).one()


def read(request: Any, key: str) -> Any:
    """Read a key."""
    return json.loads(find(request).data).get(key, 0)


def adding(save: Update) -> Callable[[Any, str], None]:
    """Return what adds to a key and saves."""

    def add(request: Any, key: str) -> None:
        row = find(request)
        data = json.loads(row.data)
        data[key] = data.get(key, 0) + 1
        changed = {"data": json.dumps(data), "version": row.version + 1}
        changed |= {"key": row.id, "accessed": int(time.time())}
        if save is SAVE:
            changed["seen"] = row.version
        done = request.dbsession.connection().execute(save, changed)
        zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
        if done.rowcount != 1:
            raise HTTPConflict

    return add


def begin(request: Any, response: Response, held: dict[str, Any]) -> None:
    """Insert a row, and send its id."""
    session_id = secrets.token_urlsafe(32)
    row = {
        "digest": hashlib.sha256(session_id.encode()).digest(),
        "accessed": int(time.time()),
        "version": 1,
        "data": json.dumps(held),
    }
    request.dbsession.connection().execute(ADD, row)
    zope.sqlalchemy.mark_changed(request.dbsession, transaction_manager=request.tm)
    response.set_cookie("session", session_id, httponly=True, samesite="Lax")


def make(place: Place) -> App:
    """Look at the version when it saves."""
    return with_saves(place, SAVE)


def unprotected(place: Place) -> App:
    """Write over whatever is there."""
    return with_saves(place, UNPROTECTED)


def with_saves(place: Place, save: Update) -> App:
    """Make the table and the application."""
    engine = create_engine(place["url"])
    floor_table.create(engine, checkfirst=True)
    engine.dispose()
    return finished(shaped(place, Handling(read, adding(save), begin)))
