"""A PostgreSQL server of our own, which counts what statements about sessions take."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from sqlalchemy import URL, Connection, Engine, make_url, text

from benchmarks.bench.places import connected
from benchmarks.faults.instances import running

MEBIBYTE = 1024 * 1024
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEBIBYTE
SETTINGS = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "8GB",  # so that the largest table is in memory
    # Nothing that it does by itself may fall into somebody's turn.
    "autovacuum": "off",
    "checkpoint_timeout": "1d",
    "max_wal_size": "64GB",
}
COUNTED = text("""
    SELECT coalesce(sum(total_exec_time), 0) * 1000,
        coalesce(sum(shared_blks_hit + shared_blks_read), 0), coalesce(sum(shared_blks_read), 0),
        coalesce(sum(wal_bytes), 0), coalesce(sum(wal_fpi), 0)
    FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
    WHERE datname = :name AND query LIKE '%sessions%'
""")
SETTLE = (
    "CREATE EXTENSION pg_prewarm",
    "CREATE EXTENSION pageinspect",
    "VACUUM ANALYZE sessions",
    "SELECT pg_prewarm(indexrelid) FROM pg_index WHERE indrelid = 'sessions'::regclass",
    "SELECT pg_prewarm('sessions')",
)
WALK = (
    "SET LOCAL max_parallel_workers_per_gather = 0",
    "SELECT sum(length(data)) FROM sessions",
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL enable_bitmapscan = off",
    "SELECT count(digest) FROM sessions",
    "SELECT count(id) FROM sessions",
)
GROWN = text("""
    SELECT pg_table_size('sessions'), pg_indexes_size('sessions'),
        (SELECT level + 1 FROM bt_metap((SELECT indexrelid::regclass::text FROM pg_index
            JOIN pg_attribute ON attrelid = indexrelid
            WHERE indrelid = 'sessions'::regclass AND indisunique AND attname = 'digest')))
""")
UPDATES = text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")


@dataclass(frozen=True)
class Work:
    """What statements took: microseconds, blocks, those not in memory, log, images of pages."""

    time: float = 0.0
    blocks: float = 0.0
    missed: float = 0.0
    log: float = 0.0
    images: float = 0.0

    def since(self, earlier: Work, requests: int) -> Work:
        """Return what was added, for each request."""
        both = zip(astuple(self), astuple(earlier), strict=True)
        return Work(*((now - then) / requests for now, then in both))


@dataclass(frozen=True)
class Grown:
    """What a table has become; sizes in MiB, `levels` those of the index of the digests."""

    table: float
    indexes: float
    levels: int
    updates: int
    hot: int


class Server:
    """The server; `settings` are those that it was started with beside its defaults."""

    def __init__(self, url: URL, connection: Connection, settings: dict[str, str]) -> None:
        self.settings = settings
        self._url = url
        self._connection = connection

    def new_database(self, name: str) -> str:
        """Make a database, and return its URL."""
        self._connection.execute(text(f"CREATE DATABASE {name}"))
        return self._url.set(database=name).render_as_string(hide_password=False)

    def work(self, name: str) -> Work:
        """Return what all statements about sessions of a database took until now."""
        return Work(*map(float, self._connection.execute(COUNTED, {"name": name}).one()))

    def version(self) -> str:
        """Return it in a few words."""
        return str(self._connection.execute(text("SHOW server_version")).scalar_one())

    def checkpoint(self) -> None:
        """Write down everything, so that this falls into nobody's turn."""
        self._connection.execute(text("CHECKPOINT"))


@contextmanager
def server(**more: str) -> Iterator[Server]:
    """Start one, with further settings, and leave nothing of it."""
    settings = {**SETTINGS, **more}
    with running("postgresql", settings=settings) as instance:
        url = make_url(instance.url).difference_update_query(["connect_timeout"])
        with connected(url) as connection:
            connection.execute(text("CREATE EXTENSION pg_stat_statements"))
            yield Server(url, connection, settings)


def settle(engine: Engine) -> None:
    """Have a table ready that was filled: vacuumed, known to the planner, and in memory."""
    with connected(engine.url) as connection:
        for statement in SETTLE:
            connection.execute(text(statement))


def walk(engine: Engine) -> None:
    """Let the process that serves our connection look at every page, so that it has them all."""
    with engine.connect() as connection:
        for statement in WALK:
            connection.execute(text(statement))


def grown(engine: Engine) -> Grown:
    """Look at a table, when everybody who has updated it is gone."""
    engine.dispose()
    with connected(engine.url) as connection:
        table, indexes, levels = connection.execute(GROWN).one()
        updates, hot = connection.execute(UPDATES).one()
    return Grown(table / MEBIBYTE, indexes / MEBIBYTE, levels, updates, hot)
