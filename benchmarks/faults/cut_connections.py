"""All connections are cut by the database server, again and again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import OperationalError

from benchmarks.faults.fault import Fault, Scene

CUTS = 12
PAUSE = 0.3  # seconds between two

TERMINATE = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
OTHERS = """
    SELECT id FROM information_schema.processlist WHERE db = database() AND id <> connection_id()
"""


class CutConnections(Fault):
    """Under load, and in the quiet: connections in the pool, and those that are in use."""

    databases = ("postgresql", "mariadb")
    careless = "connections"  # which are not looked at before they are used

    def engine(self, scene: Scene) -> Mapping[str, Any]:
        """Do not look at connections when that is asked for."""
        return {"pool_pre_ping": not scene.careless}

    def strike(self, scene: Scene) -> None:
        """Cut them all, many times under load, and once while nobody comes."""
        scene.budget.wait_for(0.2)
        with scene.breaking():
            for _ in range(CUTS):
                cut_all(scene.url)
                time.sleep(PAUSE)
        scene.budget.wait_for(0.7)
        with scene.budget.closed():
            cut_all(scene.url)


def cut_all(url: str) -> None:
    """Cut all connections to a database but our own."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(TERMINATE))
        else:
            _kill_each(connection)
    engine.dispose()


def _kill_each(connection: Connection) -> None:
    for number in connection.scalars(text(OTHERS)).all():
        with suppress(OperationalError):  # it is gone already
            connection.execute(text(f"KILL {number:d}"))
