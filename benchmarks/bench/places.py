"""Databases of each contestant's own, and the servers that hold them, for one run."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, create_engine, make_url

from benchmarks.bench.workloads import SIZES, content
from benchmarks.faults.instances import running
from benchmarks.load.server import free_port

PATIENCE = 30.0  # seconds for Redis to answer

# Nothing that a server does by itself may fall into somebody's turn.
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "256MB",
    "max_connections": "300",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "autovacuum": "off",
}


class Places:
    """Makes databases, each with the table that a page of the application asks."""

    def __init__(self, folder: Path, server: URL | None, redis: str | None) -> None:
        self._folder = folder
        self.server = server
        self.redis = redis
        self._made: dict[tuple[str, str], str] = {}

    def of(self, database: str, contestant: str) -> dict[str, Any]:
        """Tell a contestant where it works, and what its sessions hold."""
        key = database, contestant
        if key not in self._made:
            self._made[key] = self._make(database, contestant.replace("-", "_"))
        contents = {payload: content(payload) for payload in SIZES}
        return {"url": self._made[key], "redis": self.redis, "contents": contents}

    def _make(self, database: str, name: str) -> str:
        if database == "sqlite":
            url = make_url(f"sqlite:///{self._folder / name}.sqlite")
        else:
            assert self.server
            url = self.server.set(database=name)
            _execute(self.server, f"CREATE DATABASE {name}")
        _execute(url, *PRAGMAS.get(database, []), *THINGS)
        return url.render_as_string(hide_password=False)


PRAGMAS = {"sqlite": ["PRAGMA journal_mode = WAL"]}  # which stays with the file
THINGS = [
    "CREATE TABLE things (id INTEGER PRIMARY KEY, name VARCHAR(60) NOT NULL)",
    "INSERT INTO things VALUES (1, 'a thing')",
]


def _execute(url: URL, *statements: str) -> None:
    with connected(url) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


@contextmanager
def connected(url: URL) -> Iterator[Connection]:
    """Lend a connection that commits each statement."""
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


@contextmanager
def places(databases: Iterable[str], *, with_redis: bool) -> Iterator[Places]:
    """Start what is needed, and leave nothing of it in the end."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        server = None
        if "postgresql" in databases:
            instance = stack.enter_context(running("postgresql", settings=SETTINGS))
            server = make_url(instance.url).difference_update_query(["connect_timeout"])
        redis = stack.enter_context(redis_server(folder)) if with_redis else None
        yield Places(folder, server, redis)


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Start a Redis that keeps nothing, and lend its URL."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while not _answers(port):
        assert time.monotonic() < end, "Redis does not answer"
        time.sleep(0.05)


def _answers(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
