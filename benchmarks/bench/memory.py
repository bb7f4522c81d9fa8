"""The section `memory`: what stays alive after very many requests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.bench.places import Places
from benchmarks.bench.roster import Contestant
from benchmarks.bench.subjects import Subject, at_work
from benchmarks.bench.tables import Finding, Row

EARLY = 10  # per cent of the requests, after which everything has grown to its size
KINDS = {"objects": "Objects", "blocks": "Blocks", "resident": "KiB"}


@dataclass(frozen=True)
class Growth:
    """What one process had alive early, and in the end."""

    contestant: Contestant
    database: str
    early: dict[str, int]
    late: dict[str, int]


def measure(
    places: Places, contestants: Sequence[Contestant], databases: Iterable[str], requests: int
) -> list[Growth]:
    """Let all read, change and begin sessions at the same time, as no time is taken."""
    with at_work(contestants, databases, places) as subjects:
        early = after(subjects, requests * EARLY // 100)
        late = after(subjects, requests - requests * EARLY // 100)
        named = [(subject.contestant, subject.database) for subject in subjects]
    return [Growth(*names, *sizes) for names, *sizes in zip(named, early, late, strict=True)]


def after(subjects: list[Subject], requests: int) -> list[dict[str, int]]:
    """Return what is alive after so many further requests."""
    for subject in subjects:
        subject.process.tell("mix", requests=requests)
    for subject in subjects:
        subject.process.hear()
    return [subject.process.ask("memory") for subject in subjects]


def findings(grown: Sequence[Growth], requests: int) -> Iterator[Finding]:
    """Show all processes in one table."""
    rows = [
        Row({"Database": one.database, "Sessions": one.contestant.title, **_cells(one)})
        for one in grown
    ]
    yield Finding(f"Alive after {EARLY} % and after all of {requests:,} requests", "", rows)


def _cells(growth: Growth) -> dict[str, str]:
    return {
        words: f"{growth.early[kind]:,} {growth.late[kind]:,} "
        f"({growth.late[kind] - growth.early[kind]:+,})"
        for kind, words in KINDS.items()
    }
