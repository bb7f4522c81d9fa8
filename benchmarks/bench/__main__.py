"""The command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.bench import cost, cost_tables, counts, document, environments, memory, parallel
from benchmarks.bench.places import Places, places
from benchmarks.bench.roster import BOTH, CONTESTANTS, REDIS, SECTIONS, SERVER, Contestant, chosen
from benchmarks.bench.tables import Finding
from benchmarks.bench.workloads import WORKLOADS

TIMES = environments.FOLDER / "times.json"


def main(argv: list[str]) -> int:
    """Run the sections that are asked for, one after another."""
    options = parse(argv)
    left_out = leave_out(options)
    needed = options.databases if options.sections == ["cost"] else {*options.databases, *SERVER}
    with_redis = any(one.environment == REDIS for one in options.contestants)
    with places(needed, with_redis=with_redis) as made:
        setting = document.setting(made, options.stated, left_out)
        print(setting)
        for section in options.sections:
            contestants = [one for one in options.contestants if section in one.sections]
            findings = list(RUN[section](made, contestants, options))
            print("".join(f"\n{finding.rendered()}\n" for finding in findings), flush=True)
            if options.document:
                options.document.write_findings(section, findings)
        if options.document:
            options.document.write_setting(setting)
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", type=_one_of(SECTIONS), metavar="SECTION")
    parser.add_argument("--contestants", type=_some_of(CONTESTANTS))
    parser.add_argument("--databases", type=_some_of(BOTH), default=list(BOTH))
    parser.add_argument("--workloads", type=_some_of(WORKLOADS), default=list(WORKLOADS))
    for name, (value, words) in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=words)
    parser.add_argument("--write", type=Path, help="a folder for what the documentation includes")
    options = parser.parse_args(argv)
    if options.repeat < 2:  # noqa: PLR2004 - one has no spread
        parser.error("argument --repeat: there are at least two, for the spread between them")
    options.sections = options.sections or list(SECTIONS)
    options.stated = {words: getattr(options, name) for name, (_, words) in NUMBERS.items()}
    options.contestants = chosen(options.contestants)
    options.document = document.Document(options.write) if options.write else None
    return options


NUMBERS = {
    "repeat": (15, "repetitions of each turn"),
    "requests": (50, "requests in a turn"),
    "races": (3, "races of each kind"),
    "changes": (100, "changes by each process in a race"),
    "visits": (100_000, "requests for the memory"),
}


def _one_of(known: Iterable[str]) -> Callable[[str], str]:
    def one(given: str) -> str:
        if given not in known:
            raise argparse.ArgumentTypeError(f"{given!r} is none of {', '.join(known)}")
        return given

    return one


def _some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    one = _one_of(known)
    return lambda given: [one(name) for name in given.split(",")]


def leave_out(options: argparse.Namespace) -> dict[str, str]:
    """Make the environments; leave out the contestants that cannot be had, and say why."""
    needed = dict.fromkeys(one.environment for one in options.contestants)
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


Found = Iterable[Finding]
Run = Callable[[Places, list[Contestant], argparse.Namespace], Found]


def run_cost(made: Places, contestants: list[Contestant], options: argparse.Namespace) -> Found:
    """Measure what a request costs."""
    costs = cost.measure(
        *(made, contestants, options.databases, options.workloads),
        requests=options.requests,
        repeat=options.repeat,
    )
    document.keep(costs, TIMES)
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
