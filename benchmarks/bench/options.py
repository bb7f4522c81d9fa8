"""What may be asked for on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.bench.document import Document
from benchmarks.bench.roster import BOTH, CONTESTANTS, SECTIONS, chosen
from benchmarks.bench.workloads import WORKLOADS

NUMBERS = {
    "repeat": (15, "repetitions of each turn"),
    "requests": (50, "requests in a turn"),
    "races": (3, "races of each kind"),
    "changes": (100, "changes by each process in a race"),
    "visits": (100_000, "requests for the memory"),
}
FEWEST = 2  # repetitions, or there is no spread between them


def parse(argv: list[str]) -> argparse.Namespace:
    """Return what was asked for; end with a sentence when that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        description=f"Measure what a session costs. Sections: {', '.join(SECTIONS)}.",
    )
    parser.add_argument("sections", nargs="*", type=_one_of(SECTIONS), metavar="SECTION")
    parser.add_argument(
        "--contestants", type=_some_of(CONTESTANTS), help=f"some of {', '.join(CONTESTANTS)}"
    )
    parser.add_argument("--databases", type=_some_of(BOTH), default=list(BOTH))
    parser.add_argument("--workloads", type=_some_of(WORKLOADS), default=list(WORKLOADS))
    for name, (value, words) in NUMBERS.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"{words} ({value:,})")
    parser.add_argument("--write", type=Path, help="a folder for what the documentation includes")
    parser.add_argument("--keep", type=Path, help="a file for all times, as JSON")
    options = parser.parse_args(argv)
    if options.repeat < FEWEST:
        parser.error(f"argument --repeat: {options.repeat} is less than {FEWEST}")
    options.sections = options.sections or list(SECTIONS)
    options.stated = {words: getattr(options, name) for name, (_, words) in NUMBERS.items()}
    options.contestants = chosen(options.contestants)
    options.document = Document(options.write) if options.write else None
    return options


def _one_of(known: Iterable[str]) -> Callable[[str], str]:
    def one(given: str) -> str:
        if given not in known:
            raise argparse.ArgumentTypeError(f"{given!r} is none of {', '.join(known)}")
        return given

    return one


def _some_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    one = _one_of(known)
    return lambda given: [one(name) for name in given.split(",")]
