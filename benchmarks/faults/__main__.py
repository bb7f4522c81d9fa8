"""The command; exits with 1 when anything was lost, revived, leaked, or did not recover."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.faults.cut_connections import CutConnections
from benchmarks.faults.deploy import Deploy
from benchmarks.faults.fault import PRUNE_INTERVAL, Fault, Gate, Scene
from benchmarks.faults.full_disk import FullDisk, small_disk
from benchmarks.faults.instances import Instance, installed, running
from benchmarks.faults.jumping_clock import JumpingClock
from benchmarks.faults.killed_server import KilledServer
from benchmarks.faults.killed_worker import KilledWorker
from benchmarks.faults.report import Result
from benchmarks.load.application import make_engine
from benchmarks.load.counting import count_all
from benchmarks.load.databases import empty_database, make_tables, open_transactions
from benchmarks.load.http import Wires
from benchmarks.load.journal import Journal
from benchmarks.load.report import table
from benchmarks.load.visiting import visit

KINDS = (KilledServer, CutConnections, FullDisk, KilledWorker, JumpingClock, Deploy)
FAULTS: dict[str, type[Fault]] = {kind().name: kind for kind in KINDS}
VISITORS = 8
LOOKS = 5  # at what should not be there


def main(argv: list[str]) -> int:
    """Run each fault on each database that it is for."""
    options = parse(argv)
    results = []
    for name in options.faults or FAULTS:
        for database in FAULTS[name].databases:
            if database in options.databases:
                print(f"{name}, {database}", file=sys.stderr, flush=True)
                results.append(run(FAULTS[name](), database, options))
                explain(results[-1])
    text = table(results)
    print(text)
    if options.rst:
        options.rst.write_text(f"{text}\n")
    return 0 if all(result.is_good for result in results) else 1


def parse(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("faults", nargs="*", choices=[[], *FAULTS], help="default: all")
    parser.add_argument("--requests", type=int, default=2500, help="for each run")
    parser.add_argument("--workers", type=int, default=3, help="processes that serve")
    parser.add_argument("--rst", type=Path, help="a file for the table")
    everywhere = ["sqlite", *installed()]
    parser.add_argument("--databases", nargs="+", choices=everywhere, default=everywhere)
    parser.add_argument(
        "--careless", action="store_true", help="do what should not be done: it must show"
    )
    return parser.parse_args(argv)


def run(fault: Fault, database: str, options: argparse.Namespace) -> Result:
    """Serve, visit, strike and count."""
    with (
        tempfile.TemporaryDirectory() as path,
        place(fault, database, Path(path), careless=options.careless) as (url, instance),
        ExitStack() as stack,
    ):
        budget = Gate(options.requests)
        scene = Scene(url, Path(path), budget, instance, options.careless, options.workers, stack)
        fault.begin(scene)
        begun = time.monotonic()
        journal = suffer(fault, scene)
        seconds = time.monotonic() - begun
        time.sleep(1.2 * PRUNE_INTERVAL)  # a pruner that failed is due again
        engine = make_engine(url)
        left = lasting(lambda: open_transactions(engine, database))
        in_use = lasting(scene.in_use)
        count_all(journal, engine, Wires(scene.ports))
        engine.dispose()
        log = scene.log()
    pruners = log.count("are not deleted for now"), log.count("are deleted again")
    return Result(fault.name, database, fault.fails, journal, seconds, in_use, left, pruners)


def lasting(count: Callable[[], int]) -> int:
    """Count what is still there after a while: a pruner may be using it at any moment."""
    counted = count()
    for _ in range(LOOKS):
        if counted:
            time.sleep(PRUNE_INTERVAL / LOOKS)
            counted = min(counted, count())
    return counted


@contextmanager
def place(
    fault: Fault, database: str, folder: Path, *, careless: bool
) -> Iterator[tuple[str, Instance | None]]:
    """Lend a database with the tables that are needed."""
    if database == "sqlite":
        with small_disk(folder) as disk:
            url = f"sqlite:///{disk / 'faults.sqlite'}"
            make_tables(url)
            yield url, None
        return
    forgetful = careless and fault.careless == "commits"
    with running(database, careless=forgetful) as instance, empty_database(instance.url) as url:
        make_tables(url)
        yield url, instance


def suffer(fault: Fault, scene: Scene) -> Journal:
    """Let visitors come while the fault strikes."""
    with ThreadPoolExecutor(1) as striker:
        striking = striker.submit(fault.strike, scene)
        journal = visit(Wires(scene.ports), scene.budget, visitors=VISITORS, kind=fault.visitor)
        striking.result()
    journal.spells.extend(scene.spells)
    journal.strange.extend(scene.seen)
    journal.ended.extend(fault.ended())
    journal.given.update(fault.ended())
    return journal


def explain(result: Result) -> None:
    """Say what was wrong, a few of each."""
    for kind, faults in result.faults().items():
        for fault, times in Counter(faults).most_common(5):
            print(f"{result.fault}, {result.database}: {kind}: {fault} ({times})", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
