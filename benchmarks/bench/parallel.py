"""The section `parallel`: eight processes change one session at the same time, on PostgreSQL."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from benchmarks.bench.places import Places
from benchmarks.bench.roster import SERVER, Contestant
from benchmarks.bench.subjects import Subject, started
from benchmarks.bench.tables import Finding, Row
from benchmarks.bench.workloads import COUNTER, SIZES

PROCESSES = 8
PAYLOAD = next(iter(SIZES))
SHARED, OWN = "one shared counter", "each its own key"
WAYS = {
    SHARED: [COUNTER] * PROCESSES,
    OWN: [f"own{number}" for number in range(PROCESSES)],
}
UNPROTECTED = "unprotected"


@dataclass
class Races:
    """What came out of all races of one contestant in one way."""

    speeds: list[float] = field(default_factory=list)  # acknowledged changes a second
    acknowledged: int = 0
    refused: int = 0
    lost: int = 0


Raced = dict[tuple[str, str], Races]  # by contestant and way


def measure(
    places: Places, contestants: Sequence[Contestant], requests: int, repeat: int
) -> Raced:
    """Let all race in both ways, in an order that is shuffled in each repetition."""
    raced = {(one.name, way): Races() for one in contestants for way in WAYS}
    with crowds(places, contestants) as ready:
        for _ in range(repeat):
            turns = list(raced)
            random.shuffle(turns)
            for name, way in turns:
                race(ready[name], WAYS[way], requests, raced[name, way])
    return raced


@contextmanager
def crowds(
    places: Places, contestants: Sequence[Contestant]
) -> Iterator[dict[str, list[Subject]]]:
    """Start eight processes of each, on the same database."""
    database = SERVER[0]
    with ExitStack() as stack:
        ready = {
            one.name: [started(one, database) for _ in range(PROCESSES)] for one in contestants
        }
        for crowd in ready.values():
            for subject in crowd:
                stack.callback(subject.end)
        for crowd in ready.values():
            for subject in crowd:  # one after another: the first makes the table
                subject.prepare(places)
        yield ready


def race(crowd: list[Subject], keys: list[str], requests: int, races: Races) -> None:
    """Let each add to its key as fast as it can, and count what is there in the end."""
    cookie = crowd[0].begin(PAYLOAD, "r")
    for subject, key in zip(crowd, keys, strict=True):
        subject.process.tell("race", key=key, cookie=cookie, requests=requests)
    told = [subject.process.hear() for subject in crowd]
    seconds = max(one["ended"] for one in told) - min(one["began"] for one in told)
    good = sum(one["answers"].get("200", 0) for one in told)
    shown = [crowd[0].process.ask("show", key=key, cookie=cookie) for key in set(keys)]
    races.speeds.append(good / seconds)
    races.acknowledged += good
    races.refused += len(crowd) * requests - good
    races.lost += good - sum(int(one["body"]) for one in shown)


def findings(contestants: Sequence[Contestant], raced: Raced) -> Iterator[Finding]:
    """Show each way in a table of its own."""
    for way in WAYS:
        rows = [
            Row({"Sessions": one.title, **_cells(raced, one.name, way)}) for one in contestants
        ]
        yield Finding(f"{PROCESSES} processes, one session, {way}", "", rows)


def _cells(raced: Raced, name: str, way: str) -> dict[str, str]:
    races, speed = raced[name, way], statistics.median(raced[name, way].speeds)
    other = raced.get((UNPROTECTED, way))
    compared = f" ({speed / statistics.median(other.speeds):.2f})" if other else ""
    return {
        "Changes a second": f"{speed:,.0f}{compared}",
        "Acknowledged": f"{races.acknowledged:,}",
        "Refused": f"{races.refused:,}",
        "Lost": f"{races.lost:,} ({races.lost / max(races.acknowledged, 1):.0%})",
    }
