"""The command."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

from benchmarks.growth import report, server
from benchmarks.growth.chart import draw
from benchmarks.growth.scenes import Scene, with_content, with_rows
from benchmarks.growth.turns import Cost, measure
from pyramid_sqlsession import expiry

ROWS = (1_000, 100_000, 10_000_000)
SIZES = (1_000, 10_000, 100_000, 1_000_000)


@dataclass
class Findings:
    """What a run showed."""

    setting: str
    by_rows: list[Cost]
    of_one: list[Cost]
    by_size: list[Cost]
    tables: dict[int, server.Grown]

    def rendered(self) -> dict[str, str]:
        """Return what is to be included, by name."""
        return {
            "setting": self.setting,
            "rows": report.by_rows(self.by_rows),
            "one": report.by_rows(self.of_one),
            "tables": report.of_tables(self.tables),
            "sizes": report.by_size(self.by_size),
        }


def main(argv: Sequence[str]) -> None:
    """Measure, print and write."""
    options = parse(argv)
    now = expiry.now()
    # The clock stands still: nothing expires, is to be touched, or leaves the hours of `expires`.
    with patch.object(expiry, "now", lambda: now):
        findings = measured(options)
    for name, text in findings.rendered().items():
        print(f"\n{text}")
        if options.write:
            (options.write / f"growth-{name}.rst.inc").write_text(f"{text}\n", "utf-8")
    if options.write:
        draw(findings.by_rows, findings.by_size, options.write / "growth.svg")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growth", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="of the tables")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="bytes of a session")
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--requests", type=int, default=200, help="of one page in one turn")
    parser.add_argument("--write", type=Path, help="a folder for tables and chart")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="further settings of PostgreSQL"
    )
    return parser.parse_args(argv)


def measured(options: argparse.Namespace) -> Findings:
    """Make all sessions, and ask for them in turns."""
    more = dict(one.split("=", 1) for one in options.set)
    with ExitStack() as stack:
        place = stack.enter_context(server.server(**more))
        setting = _setting(place, options)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="growth-")))
        tell("making the sessions")
        grown = [stack.enter_context(with_rows(place, rows)) for rows in options.rows]
        filled = [
            stack.enter_context(with_content(where, size))
            for size in options.sizes
            for where in (place, folder)
        ]
        place.checkpoint()
        for scene in grown:
            server.walk(scene.engine)
        of_one = [scene.of_one() for scene in grown]
        costs = measure([*grown, *of_one, *filled], options.repeat, options.requests, tell)
        tables = {scene.size: server.grown(scene.engine) for scene in grown}

    def of(scenes: Sequence[Scene]) -> list[Cost]:
        return [cost for scene in scenes for cost in costs[scene]]

    return Findings(setting, of(grown), of(of_one), of(filled), tables)


def _setting(place: server.Server, options: argparse.Namespace) -> str:
    settings = ", ".join(f"``{name} = {value}``" for name, value in place.settings.items())
    return (
        f"{os.cpu_count()} processors, {server.MEMORY / 1024:.0f} GiB of memory, load "
        f"{os.getloadavg()[0]:.1f} when it began; {platform.system()}, Python "
        f"{platform.python_version()}, SQLAlchemy {version('SQLAlchemy')}, psycopg "
        f"{version('psycopg')}, PostgreSQL {place.version()} with {settings}. Medians of "
        f"{options.repeat} turns of at most {options.requests} requests."
    )


def tell(what: str) -> None:
    """Say what is going on."""
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
