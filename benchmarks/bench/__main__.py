"""The command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from benchmarks.bench import cost, cost_tables, counts, environments, memory, parallel
from benchmarks.bench.places import Places, places
from benchmarks.bench.roster import BOTH, CONTESTANTS, SECTIONS, Contestant, chosen
from benchmarks.bench.tables import Finding
from benchmarks.bench.workloads import WORKLOADS


def main(argv: list[str]) -> int:
    """Run the sections that are asked for, one after another."""
    options = parse(argv)
    left_out = leave_out(options)
    with places(options.databases) as made:
        for section in options.sections or SECTIONS:
            contestants = [one for one in options.contestants if section in one.sections]
            for finding in RUN[section](made, contestants, options):
                print(f"\n{finding.rendered()}", flush=True)
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--contestants", type=_names, help=f"of {', '.join(CONTESTANTS)}")
    parser.add_argument("--databases", type=_names, default=list(BOTH))
    parser.add_argument("--workloads", type=_names, default=list(WORKLOADS))
    parser.add_argument("--repeat", type=int, default=15, help="repetitions, each shuffled anew")
    parser.add_argument("--requests", type=int, default=50, help="of each page in a repetition")
    parser.add_argument("--changes", type=int, default=100, help="of each process in a race")
    parser.add_argument("--races", type=int, default=3, help="repetitions of each race")
    parser.add_argument("--visits", type=int, default=100_000, help="for the memory")
    options = parser.parse_args(argv)
    options.contestants = chosen(options.contestants)
    return options


def leave_out(options: argparse.Namespace) -> dict[str, str]:
    """Make the environments; leave out the contestants that cannot be had, and say why."""
    needed = {one.environment for one in options.contestants}
    reasons = {name: reason for name in needed if (reason := environments.missing(name))}
    left_out = {
        one.title: reasons[one.environment]
        for one in options.contestants
        if one.environment in reasons
    }
    for title, reason in left_out.items():
        print(f"LEFT OUT: {title}: {reason}", file=sys.stderr, flush=True)
    options.contestants = [one for one in options.contestants if one.title not in left_out]
    return left_out


def _names(given: str) -> list[str]:
    return given.split(",")


Found = Iterator[Finding]


def run_cost(made: Places, contestants: list[Contestant], options: argparse.Namespace) -> Found:
    """Measure what a request costs."""
    costs = cost.measure(
        *(made, contestants, options.databases, options.workloads),
        requests=options.requests,
        repeat=options.repeat,
    )
    return cost_tables.findings(costs)


def run_counts(made: Places, contestants: list[Contestant], options: argparse.Namespace) -> Found:
    """Count what a request does to the database."""
    counted = counts.measure(made, contestants, options.workloads, options.requests)
    return counts.findings(contestants, counted)


def run_parallel(
    made: Places, contestants: list[Contestant], options: argparse.Namespace
) -> Found:
    """Let processes change one session at the same time."""
    raced = parallel.measure(made, contestants, options.changes, options.races)
    return parallel.findings(contestants, raced)


def run_memory(made: Places, contestants: list[Contestant], options: argparse.Namespace) -> Found:
    """Look at what stays alive."""
    grown = memory.measure(made, contestants, options.databases, options.visits)
    return memory.findings(grown, options.visits)


RUN = {"cost": run_cost, "counts": run_counts, "parallel": run_parallel, "memory": run_memory}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
