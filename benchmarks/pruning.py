"""How long pruning takes, and how long it keeps others waiting.

    python -m benchmarks.pruning [--rows N] [--share S] [--rst FILE] [DATABASE ...]

Each run fills a table of its own making, lets one writer touch and one reader load live sessions
for a few seconds with nothing else running, and then while `prune_sessions`, a process of its own,
deletes what has expired. It ends with a check that every live session is still there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, text

from benchmarks.load.databases import available, empty
from benchmarks.load.report import table
from pyramid_sqlsession.model import generate_model

DAY = 24 * 60 * 60
BASELINE = 5.0  # seconds
EVERY = 1000  # the share of expired rows is in thousandths
PAYLOAD = 300  # bytes
BATCH = 50_000

INI = """
[app:main]
use = call:benchmarks.pruning:application
sqlsession.sqlalchemy.url = {url}
"""

# A row by its number: the hash scatters the expired ones over the table.
NUMBERS = {
    "postgresql": "generate_series({first}, {last}) AS numbers(n)",
    "mariadb": "(SELECT seq AS n FROM seq_{first}_to_{last}) AS numbers",
    "sqlite": "(WITH RECURSIVE counted(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM counted"
    " WHERE n < {last}) SELECT n FROM counted) AS numbers",
}
DIGESTS = {
    "postgresql": "sha256(CAST(CAST(n AS text) AS bytea))",
    "mariadb": "UNHEX(SHA2(n, 256))",
    "sqlite": "randomblob(32)",
}
PAYLOADS = {
    "postgresql": "repeat('x', {payload})",
    "mariadb": "REPEAT('x', {payload})",
    "sqlite": "replace(hex(zeroblob({payload} / 2)), '00', 'xx')",
}


def application(_globals: dict[str, Any], **settings: Any) -> Any:
    """Return the least application that can be pruned."""
    from pyramid.config import Configurator  # noqa: PLC0415 - only the process that prunes needs it

    config = Configurator(settings=settings)
    config.include("pyramid_sqlsession")
    return config.make_wsgi_app()


@dataclass
class Figures:
    """What one run showed; waits are the longest, in milliseconds."""

    database: str
    rows: int
    share: float
    report: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0  # of the whole command, its start included
    writer_alone: float = 0.0
    writer: float = 0.0
    reader_alone: float = 0.0
    reader: float = 0.0
    writes: int = 0
    megabytes: float = 0.0
    lost: int = 0

    def cells(self) -> dict[str, str]:
        """Return the row of the table."""
        return {
            "Database": self.database,
            "Rows": f"{self.rows:,}",
            "Expired": f"{self.share:.0%}",
            "Deleted": str(self.report["deleted"]),
            "Batches": str(self.report["batches"]),
            "Seconds": f"{self.report['seconds']:.1f}",
            "Command s": f"{self.seconds:.1f}",
            "Writer ms alone": f"{self.writer_alone:.0f}",
            "Writer ms": f"{self.writer:.0f}",
            "Reader ms": f"{self.reader:.0f}",
            "MiB": f"{self.megabytes:.0f}",
            "Lost": str(self.lost),
        }


class Neighbour(threading.Thread):
    """Does the same again and again, and notes how long that takes at the longest."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._act, self._enough = act, threading.Event()
        self.longest, self.times = 0.0, 0
        self.failure: Exception | None = None

    def run(self) -> None:
        """Act until it is enough."""
        while not self._enough.wait(0.002):
            began = time.perf_counter()
            try:
                self._act()
            except Exception as error:  # noqa: BLE001 - shown in the table, whatever it is
                self.failure = error
                return
            self.longest = max(self.longest, (time.perf_counter() - began) * 1000)
            self.times += 1

    def stop(self) -> None:
        """Say that it is enough; raise what went wrong meanwhile."""
        self._enough.set()
        self.join()
        if self.failure is not None:
            raise self.failure


def opened(url: str) -> Engine:
    """Return an engine; a file of SQLite has its write-ahead log, as one of a server should."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _use_write_ahead_log(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA journal_mode = WAL")

    return engine


def fill(engine: Engine, name: str, rows: int, share: float) -> None:
    """Write the sessions: of every thousand, the first by hash are over since a week."""
    table: Any = generate_model("sessions", None).__table__  # type: ignore[attr-defined]  # mapped
    table.create(engine)
    now = int(time.time())
    is_over = f"(n % {EVERY}) * 919 % {EVERY} < {int(share * EVERY)}"
    accessed = f"(CASE WHEN {is_over} THEN {now - 7 * DAY} - n % {DAY} ELSE {now} END)"
    expires = f"{accessed} + {DAY} + 3600 - ({accessed} % 3600)"
    for first in range(1, rows + 1, BATCH):
        last = min(rows, first + BATCH - 1)
        statement = (
            "INSERT INTO sessions (digest, created, expires, accessed, version, data) SELECT "
            f"{DIGESTS[name]}, {now - 20 * DAY}, {expires}, {accessed}, 1, "
            f"{PAYLOADS[name].format(payload=PAYLOAD)} FROM "
            f"{NUMBERS[name].format(first=first, last=last)}"
        )
        with engine.begin() as connection:
            connection.execute(text(statement))


def settle(engine: Engine, name: str) -> None:
    """Let the database finish what filling has left to do."""
    if name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE sessions"))
            connection.execute(text("CHECKPOINT"))
    elif name == "mariadb":
        with engine.connect() as connection:
            connection.execute(text("ANALYZE TABLE sessions")).all()
        time.sleep(10)
    else:
        with engine.connect() as connection:
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)")).all()


def live_ids(engine: Engine) -> list[int]:
    """Return the public ids of the sessions that were used within a day."""
    since = int(time.time()) - DAY
    with engine.connect() as connection:
        query = text("SELECT id FROM sessions WHERE accessed > :since")
        return list(connection.execute(query, {"since": since}).scalars())


def neighbours(engine: Engine, ids: list[int]) -> tuple[Neighbour, Neighbour]:
    """Return a writer that saves and a reader that loads live sessions, one after the other."""
    save = text("UPDATE sessions SET version = version + 1, accessed = :now WHERE id = :id")
    load = text("SELECT data FROM sessions WHERE id = :id")
    to_write, to_read = engine.connect(), engine.connect()

    def write() -> None:
        with to_write.begin():
            to_write.execute(save, {"id": random.choice(ids), "now": int(time.time())})

    def read() -> None:
        with to_read.begin():
            assert to_read.execute(load, {"id": random.choice(ids)}).one()

    writer, reader = Neighbour(write), Neighbour(read)
    writer.start()
    reader.start()
    return writer, reader


def most_memory(pid: int) -> float:
    """Return the most megabytes that a process has had so far, shared ones too (on Linux)."""
    # The kernel's account of a child that has ended includes what its parent had at the fork.
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    lines = [line.split() for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0][1]) / 1024 if lines else 0.0


def prune(url: str, options: list[str]) -> tuple[dict[str, Any], float, float]:
    """Run the command; return its report, its seconds and its megabytes at the most."""
    root = Path(__file__).parents[1]
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as ini:
        ini.write(INI.format(url=url.replace("%", "%%")))
        ini.flush()
        program = Path(sys.executable).with_name("prune_sessions")
        began = time.perf_counter()
        environment = {**os.environ, "PYTHONPATH": str(root)}
        process = subprocess.Popen(
            [program, ini.name, "--json", *options], env=environment, stdout=subprocess.PIPE
        )
        megabytes = 0.0
        while process.poll() is None:
            megabytes = max(megabytes, most_memory(process.pid))
            time.sleep(0.05)
        seconds = time.perf_counter() - began
        assert process.stdout is not None
        report = json.loads(process.stdout.read())
    assert process.returncode == 0
    return report, seconds, megabytes


def measure(name: str, rows: int, share: float, options: list[str]) -> Figures:
    """Make one run on one database."""
    figures = Figures(name, rows, share)
    with empty(name) as url:
        engine = opened(url)
        fill(engine, name, rows, share)
        settle(engine, name)
        ids = live_ids(engine)
        writer, reader = neighbours(engine, ids)
        time.sleep(BASELINE)
        writer.stop()
        reader.stop()
        figures.writer_alone, figures.reader_alone = writer.longest, reader.longest
        writer, reader = neighbours(engine, ids)
        figures.report, figures.seconds, figures.megabytes = prune(url, options)
        writer.stop()
        reader.stop()
        figures.writer, figures.reader = writer.longest, reader.longest
        figures.writes = writer.times
        figures.lost = len(set(ids) - set(live_ids(engine)))
        engine.dispose()
    return figures


def main() -> None:
    """Run what the command line asks for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("databases", nargs="*", metavar="DATABASE", help="default: all there are")
    parser.add_argument("--rows", type=int, action="append", help="more than once for more runs")
    parser.add_argument("--share", type=float, action="append", help="of expired rows: 0.5")
    parser.add_argument("--rst", type=Path, help="write the table into this file too")
    parser.add_argument("--repeat", type=int, default=1)
    arguments, options = parser.parse_known_args()
    runs = []
    for name in arguments.databases or available():
        for rows in arguments.rows or [1_000_000]:
            for share in arguments.share or [0.5]:
                for _ in range(arguments.repeat):
                    runs.append(measure(name, rows, share, options))
                    print(table(runs[-1:]), flush=True)
    print(f"\n{table(runs)}")
    if arguments.rst:
        arguments.rst.write_text(f"{table(runs)}\n", "utf-8")


if __name__ == "__main__":
    main()
