"""Databases that are empty when a test starts."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.pool import NullPool, QueuePool

from tests.harness import pools
from tests.harness.statements import PROBE

SERVERS = {
    "postgresql": "SQLSESSION_POSTGRESQL_URL",
    "mariadb": "SQLSESSION_MARIADB_URL",
}


@dataclass(frozen=True)
class Database:
    """One database; `url` is that of the application, `session_url` that of an own engine.

    They differ on SQLite only, where two connections cannot write into one file at once.
    """

    name: str
    url: str
    session_url: str

    def engine(self, **options: Any) -> Engine:
        """Make an engine for an application, with a real pool, so that leaks show."""
        engine = create_engine(self.url, poolclass=QueuePool, **options)
        if self.name == "sqlite":
            event.listen(engine, "connect", _do_not_wait_for_the_disk)
        return engine

    def probe(self, url: str | None = None) -> Engine:
        """Return an engine for the harness's own look at what is committed."""
        return _probe_engine(make_url(url or self.url))

    def reconnect_probe(self) -> None:
        """Let the harness connect anew, after its connections were cut."""
        self.probe().dispose()
        pools.ignore(self.probe().pool)


def available_databases() -> list[str]:
    """Name the databases that the environment offers."""
    return ["sqlite", *(name for name, variable in SERVERS.items() if os.environ.get(variable))]


def sqlite(folder: Path) -> Database:
    """Make a database of two new files."""
    return Database(
        "sqlite", f"sqlite:///{folder}/application.sqlite", f"sqlite:///{folder}/sessions.sqlite"
    )


@contextmanager
def throw_away_database(name: str) -> Iterator[Database]:
    """Create a database on a server, and drop it in the end."""
    url = make_url(os.environ[SERVERS[name]])
    own = url.set(database=f"{url.database or 'test'}_{uuid.uuid4().hex[:8]}")
    if own.drivername.endswith("+pymysql"):
        # It would read the system's certificates for every connection, longer than most tests.
        own = own.update_query_dict({"ssl_disabled": "true"})
    maintenance = url.set(database="postgres" if name == "postgresql" else None)
    _execute(maintenance, f"CREATE DATABASE {own.database}")
    if name == "postgresql":  # nobody would miss it after a crash
        _execute(maintenance, f"ALTER DATABASE {own.database} SET synchronous_commit = off")
    text = own.render_as_string(hide_password=False)
    try:
        yield Database(name, text, text)
    finally:
        _probe_engine(own).dispose()
        # A connection that a failed test left must not keep the database alive.
        force = " WITH (FORCE)" if name == "postgresql" else ""
        _execute(maintenance, f"DROP DATABASE {own.database}{force}")


def empty(database: Database) -> None:
    """Drop whatever an earlier test left; refused after a few seconds if somebody holds a lock."""
    if database.name == "postgresql":
        _execute(
            make_url(database.url),
            "SET lock_timeout = '5s'",
            "DROP SCHEMA public CASCADE",
            "CREATE SCHEMA public",
        )
    elif database.name == "mariadb":
        name = make_url(database.url).database
        _execute(
            make_url(database.url),
            "SET lock_wait_timeout = 5",
            f"DROP DATABASE {name}",
            f"CREATE DATABASE {name}",
        )


def execute_on_server(database: Database, *statements: str) -> None:
    """Run statements beside a database of PostgreSQL, each in a transaction of its own."""
    _execute(make_url(database.url).set(database="postgres"), *statements)


def _probe_engine(url: URL) -> Engine:
    return _pooled_probe(url) if url.get_backend_name() == "postgresql" else _plain_probe(url)


@cache
def _pooled_probe(url: URL) -> Engine:
    """Keep the connections, which are dear; no prepared statement may outlive a table."""
    return _ignored(create_engine(url, connect_args={"prepare_threshold": None}))


@lru_cache(maxsize=8)  # a new engine asks the server for its version first
def _plain_probe(url: URL) -> Engine:
    return _ignored(create_engine(url, poolclass=NullPool))


def _ignored(engine: Engine) -> Engine:
    pools.ignore(engine.pool)
    return engine.execution_options(**{PROBE: True})


def _execute(url: URL, *statements: str) -> None:
    with _probe_engine(url).connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        for statement in statements:
            connection.exec_driver_sql(statement)


def _do_not_wait_for_the_disk(connection: Any, _record: Any) -> None:
    connection.execute("PRAGMA synchronous = OFF")
