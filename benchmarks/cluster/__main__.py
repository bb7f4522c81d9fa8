"""The command; exits with 1 when anything was lost, revived, stale, or failed without a fault."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import NoReturn

from benchmarks.cluster import failover
from benchmarks.cluster.report import Result
from benchmarks.cluster.running import run
from benchmarks.cluster.scenes import SCENES, USUAL
from benchmarks.load.report import table


def main(argv: list[str]) -> int:
    """Run the scenes, one after another."""
    failover.listen()  # to make the tables and to count
    signal.signal(signal.SIGTERM, end)
    with tempfile.TemporaryDirectory() as folder:
        return play(parse(argv, Path(folder)))


def end(number: int, _frame: object) -> NoReturn:
    """Take the servers along."""
    sys.exit(128 + number)


def play(options: argparse.Namespace) -> int:
    """Run what was asked for."""
    results = []
    for name in options.scene or USUAL[options.servers]:
        print(f"{options.servers}: {name}", file=sys.stderr, flush=True)
        scene, logs = SCENES[options.servers][name], options.logs / name
        results.append(run(name, scene, options.requests, logs))
        explain(results[-1])
        if options.rst:
            options.rst.write_text(f"{table(results)}\n")
    print(table(results))
    return 0 if all(result.is_good for result in results) else 1


def parse(argv: list[str], folder: Path) -> argparse.Namespace:
    """Return what was asked for."""
    names = "; ".join(f"{servers}: {', '.join(found)}" for servers, found in SCENES.items())
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=__doc__)
    parser.add_argument("servers", choices=SCENES)
    parser.add_argument("--scene", action="append", help=f"may be repeated; {names}")
    parser.add_argument("--requests", type=int, default=4000, help="for each scene")
    parser.add_argument("--logs", type=Path, default=folder, help="a new folder for the logs")
    parser.add_argument("--rst", type=Path, help="a file for the table")
    options = parser.parse_args(argv)
    unknown = set(options.scene or []) - set(SCENES[options.servers])
    if unknown:
        parser.error(f"no such scene: {', '.join(unknown)}; there are {names}")
    return options


def explain(result: Result) -> None:
    """Say what was wrong, a few of each, and where requests failed."""
    journal = result.journal
    for kind in ("lost", "halves", "resurrected", "strange"):
        for fault, times in Counter(getattr(journal, kind)).most_common(5):
            print(f"{result.name}: {kind}: {fault} ({times})", file=sys.stderr)
    if journal.failures:
        print(f"{result.name}: answers by status: {dict(journal.statuses)}", file=sys.stderr)
        for error, times in result.errors.most_common(8):
            print(f"{result.name}: {times} times {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
