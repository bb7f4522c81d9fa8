"""The demo, served by waitress from its own settings, on a database file of the test's own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paste.deploy import loadapp
from webtest.http import StopableWSGIServer

from tests.test_demo import INI


@dataclass(frozen=True)
class Shop:
    """Where the shop is open, and where it keeps its tables."""

    address: str
    file: Path

    def rows(self, statement: str) -> list[Any]:
        """What another program finds in the database."""
        with closing(sqlite3.connect(self.file)) as connection:
            return connection.execute(statement).fetchall()


def write_ini(folder: Path, settings: Mapping[str, str], port: int = 0) -> Path:
    """Write a file that is `development.ini` but for a new database and other settings."""
    changed = {"sqlalchemy.url": f"sqlite:///{folder}/demo.sqlite", **settings}
    ini = folder / "shop.ini"
    lines = [
        "[app:main]",
        f"use = config:{INI}",
        *(f"{name} = {value}" for name, value in changed.items()),
        "[server:main]",
        "use = egg:waitress#main",
        f"listen = 127.0.0.1:{port}",
    ]
    ini.write_text("\n".join(lines), "utf-8")
    return ini


@contextmanager
def open_shop(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Shop]:
    """Serve the shop on a free port, in a thread of this process, whose clock tests can move."""
    application = loadapp(f"config:{write_ini(folder, settings or {})}")
    server = StopableWSGIServer.create(application)
    try:
        yield Shop(server.application_url.rstrip("/"), folder / "demo.sqlite")
    finally:
        server.shutdown()
        application.registry["dbsession_factory"].kw["bind"].dispose()
