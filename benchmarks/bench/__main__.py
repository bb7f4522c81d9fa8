"""The command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable

from benchmarks.bench import cost, cost_tables, counts, document, memory, parallel
from benchmarks.bench.absent import leave_out
from benchmarks.bench.options import parse
from benchmarks.bench.places import Places, places
from benchmarks.bench.roster import REDIS, Contestant
from benchmarks.bench.tables import Finding


def main(argv: list[str]) -> int:
    """Run the sections that are asked for, one after another."""
    options = parse(argv)
    left_out = leave_out(options)
    with_redis = any(one.environment == REDIS for one in options.contestants)
    with places(options.databases, with_redis=with_redis) as made:
        setting = document.setting(made, options.stated, left_out)
        print(setting)
        for section in options.sections:
            contestants = [one for one in options.contestants if section in one.sections]
            findings = list(RUN[section](made, contestants, options))
            print("".join(f"\n{finding.rendered()}\n" for finding in findings), flush=True)
            if options.document:
                options.document.write_findings(section, findings)
        if options.document:
            options.document.write_setting(setting, left_out)
    return 0


Found = Iterable[Finding]
Run = Callable[[Places, list[Contestant], argparse.Namespace], Found]


def run_cost(made: Places, contestants: list[Contestant], options: argparse.Namespace) -> Found:
    """Measure what a request costs."""
    costs = cost.measure(
        *(made, contestants, options.databases, options.workloads),
        requests=options.requests,
        repeat=options.repeat,
    )
    if options.keep:
        document.keep(costs, options.keep)
    if options.document and (reason := options.document.draw(costs)):
        print(f"LEFT OUT: the chart: {reason}", file=sys.stderr, flush=True)
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


RUN: dict[str, Run] = {
    "cost": run_cost,
    "counts": run_counts,
    "parallel": run_parallel,
    "memory": run_memory,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
