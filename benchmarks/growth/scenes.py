"""Applications on tables of different sizes, and with content of different sizes."""

from __future__ import annotations

import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine

from benchmarks.bench.asking import App, Environ
from benchmarks.growth import numbered
from benchmarks.growth.application import begun, make_application, prepared
from benchmarks.growth.server import Server, Work, settle

PAYLOAD = 300  # bytes, where the number of rows is what differs
SESSIONS = 40  # where their size is what differs
MOST = 20_000_000  # bytes that the sessions of one turn may have


@dataclass(frozen=True, eq=False)
class Scene:
    """One application; `size` is the number of rows, or the bytes of a session."""

    database: str
    size: int
    app: App
    engine: Engine
    pages: str
    choose: Callable[[], int]  # the number of a session, which is its public id
    session_id: Callable[[int], str]
    work: Callable[[], Work]
    requests: int  # at the most, in one turn

    def environ(self, page: str) -> Environ:
        """Prepare a request of somebody."""
        number = self.choose()
        return prepared(page, None if page == "n" else self.session_id(number), number)

    def of_one(self) -> Scene:
        """Return the same, with one visitor who comes again and again."""
        one = self.choose()
        return replace(self, choose=lambda: one, pages="xrwk")


def content(size: int) -> dict[str, Any]:
    """Return what is about so large as JSON, and cannot be compressed."""
    return {"counter": 0, "filling": secrets.token_urlsafe(size)[: size - 30]}


@contextmanager
def with_rows(server: Server, rows: int) -> Iterator[Scene]:
    """Lend an application with that many sessions, which visits one at random."""
    name = f"rows_{rows}"
    with _engine(server.new_database(name)) as engine:
        app = make_application(engine, content(PAYLOAD))
        numbered.fill(engine, rows, content(PAYLOAD))
        settle(engine)

        yield Scene(
            *("postgresql", rows, app, engine, "xrwnk"),
            choose=lambda: random.randint(1, rows),
            session_id=numbered.session_id,
            work=lambda: server.work(name),
            requests=rows,
        )


@contextmanager
def with_content(place: Server | Path, size: int) -> Iterator[Scene]:
    """Lend an application with sessions of that size, in a database of a server or in a folder."""
    name = f"size_{size}"
    database, url, work = _on(place, name)
    with _engine(url) as engine:
        app = make_application(engine, content(size))
        ids = [begun(app) for _ in range(SESSIONS)]
        yield Scene(
            *(database, size, app, engine, "xrwn"),
            choose=lambda: random.randint(1, SESSIONS),
            session_id=lambda number: ids[number - 1],
            work=work,
            requests=max(1, MOST // size),
        )


def _on(place: Server | Path, name: str) -> tuple[str, str, Callable[[], Work]]:
    if isinstance(place, Path):
        return "sqlite", f"sqlite:///{place / name}.sqlite", Work
    return "postgresql", place.new_database(name), lambda: place.work(name)


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")  # which stays with the file
    try:
        yield engine
    finally:
        engine.dispose()
