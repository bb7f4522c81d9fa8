"""The command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from benchmarks.bench import cost, cost_tables
from benchmarks.bench.places import Places, places
from benchmarks.bench.roster import BOTH, CONTESTANTS, SECTIONS, Contestant, chosen
from benchmarks.bench.tables import Finding
from benchmarks.bench.workloads import WORKLOADS


def main(argv: list[str]) -> int:
    """Run the sections that are asked for, one after another."""
    options = parse(argv)
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
    options = parser.parse_args(argv)
    options.contestants = chosen(options.contestants)
    return options


def _names(given: str) -> list[str]:
    return given.split(",")


def run_cost(
    made: Places, contestants: list[Contestant], options: argparse.Namespace
) -> Iterator[Finding]:
    """Measure what a request costs."""
    costs = cost.measure(
        *(made, contestants, options.databases, options.workloads),
        requests=options.requests,
        repeat=options.repeat,
    )
    return cost_tables.findings(costs)


RUN = {"cost": run_cost}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
