"""The command; exits with 1 when anything was lost, revived, leaked or failed."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from benchmarks.load import careless
from benchmarks.load.application import CARELESS, ISOLATION, URL, make_engine
from benchmarks.load.counting import count_all
from benchmarks.load.databases import available, open_transactions, throw_away
from benchmarks.load.http import Wires
from benchmarks.load.report import Result, table
from benchmarks.load.server import Memory, served
from benchmarks.load.visiting import Budget, visit


def main(argv: list[str]) -> int:
    """Run the load on each database, one after another."""
    options = parse(argv)
    results = []
    for name in options.databases or available():
        print(f"{name}: {options.requests:,} requests", file=sys.stderr, flush=True)
        results.append(run(name, options))
        explain(results[-1])
    text = table(results)
    print(text)
    if options.rst:
        options.rst.write_text(f"{text}\n")
    return 0 if all(result.is_good for result in results) else 1


def parse(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("databases", nargs="*", metavar="DATABASE", help="default: all there are")
    parser.add_argument("--requests", type=int, default=5000, help="for each database")
    parser.add_argument("--visitors", type=int, default=8, help="at the same time")
    parser.add_argument("--workers", type=int, default=3, help="processes that serve")
    parser.add_argument("--isolation", help="a level, instead of the database's own")
    parser.add_argument("--rst", type=Path, help="a file for the table")
    parser.add_argument(
        "--careless", choices=careless.WAYS, help="break the package: the counting must show it"
    )
    return parser.parse_args(argv)


def run(name: str, options: argparse.Namespace) -> Result:
    """Serve, visit and count on one database."""
    with (
        throw_away(name) as url,
        tempfile.TemporaryDirectory() as folder,
        served(environment(url, options), Path(folder), workers=options.workers) as server,
    ):
        memory = Memory(server)
        memory.start()
        begun = time.monotonic()
        journal = visit(Wires([server.port]), Budget(options.requests), visitors=options.visitors)
        seconds = time.monotonic() - begun
        quarters = memory.quarters()
        engine = make_engine(url)
        left = open_transactions(engine, name)
        workers = server.statuses()
        count_all(journal, engine, Wires([server.port]))
        engine.dispose()
        if journal.failures:
            print(Path(folder, "log").read_text()[-5000:], file=sys.stderr)
    return Result(name, journal, seconds, workers, options.workers, left, quarters)


def environment(url: str, options: argparse.Namespace) -> dict[str, str]:
    """Return what the workers are told."""
    told = {URL: url, CARELESS: options.careless, ISOLATION: options.isolation}
    return {name: value for name, value in told.items() if value is not None}


def explain(result: Result) -> None:
    """Say what was wrong, a few of each."""
    journal = result.journal
    for kind, faults in (
        ("lost", journal.lost),
        ("half done", journal.halves),
        ("revived", journal.resurrected),
        ("strange", journal.strange),
    ):
        for fault, times in Counter(faults).most_common(5):
            print(f"{result.database}: {kind}: {fault} ({times})", file=sys.stderr)
    if journal.failures:
        print(f"{result.database}: answers by status: {journal.statuses}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
