"""Databases for one run each, and what connections a run has left in them."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from sqlalchemy import Engine, NullPool, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from benchmarks.load.application import (
    VARIANTS,
    Base,
    Note,
    make_application,
    make_engine,
    table_of,
)

TABLES = [Note.__tablename__, *map(table_of, VARIANTS)]
VARIABLES = {"postgresql": "SQLSESSION_POSTGRESQL_URL", "mariadb": "SQLSESSION_MARIADB_URL"}
OPEN_TRANSACTIONS = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
"""
# What is refused as long as somebody has a transaction open: on SQLite one that writes, on MariaDB
# one that has as much as looked at a table.
REFUSED = {
    "sqlite": ("PRAGMA busy_timeout = 2000", "BEGIN IMMEDIATE"),
    "mariadb": (
        "SET lock_wait_timeout = 2",
        f"LOCK TABLES {', '.join(f'{table} WRITE' for table in TABLES)}",
    ),
}


def available() -> list[str]:
    """Name the databases that the environment offers."""
    return ["sqlite", *(name for name, variable in VARIABLES.items() if os.environ.get(variable))]


@contextmanager
def throw_away(name: str) -> Iterator[str]:
    """Lend the URL of a database with the tables that are needed."""
    with empty(name) as url:
        make_tables(url)
        yield url


def empty(name: str) -> AbstractContextManager[str]:
    """Lend the URL of a new database, a file or one on the server that the environment names."""
    return _empty_file() if name == "sqlite" else empty_database(os.environ[VARIABLES[name]])


def make_tables(url: str) -> None:
    """Make the tables that are needed."""
    engine = make_engine(url)
    Base.metadata.create_all(engine)
    for variant in VARIANTS:
        make_application(engine, variant)  # creates its table
    engine.dispose()


@contextmanager
def _empty_file() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        yield f"sqlite:///{Path(folder) / 'benchmark.sqlite'}"


@contextmanager
def empty_database(server_url: str) -> Iterator[str]:
    """Lend the URL of a new database beside the one that is named."""
    url = make_url(server_url)
    own = url.set(database=f"{url.database}_{uuid.uuid4().hex[:8]}")
    is_postgresql = url.get_backend_name() == "postgresql"
    server = create_engine(
        url.set(database="postgres" if is_postgresql else None),
        isolation_level="AUTOCOMMIT",
        poolclass=NullPool,  # the server may be another process in the end
    )
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {own.database}"))
    try:
        yield own.render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if is_postgresql else ""  # whoever is still connected
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {own.database}{force}"))


def open_transactions(engine: Engine, name: str) -> int:
    """Count the transactions that somebody left open; only PostgreSQL tells of more than one."""
    with engine.connect() as connection:
        if name == "postgresql":
            return int(connection.execute(text(OPEN_TRANSACTIONS)).scalar_one())
        try:
            for statement in REFUSED[name]:
                connection.exec_driver_sql(statement)
        except OperationalError:
            return 1
        finally:
            connection.invalidate()  # with its settings and locks
    return 0
