"""The section `cost`: processor time and wall time that a session adds to a request."""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from benchmarks.bench.places import Places
from benchmarks.bench.roster import CONTESTANTS, Contestant
from benchmarks.bench.subjects import Cost, Subject, at_work
from benchmarks.bench.workloads import SIZES

WARM = 30  # requests before the first that is measured
WARM_SERVED = 100  # until Node has compiled what is asked for often
MORE = {"x": 5}  # times as many requests, as it is a µs that is looked for
SPAN = 100  # requests of m, at one a second

Key = tuple[str, str, str, str]  # contestant, database, workload, payload


@dataclass
class Turn:
    """One contestant and one page, asked again and again."""

    subject: Subject
    workload: str
    payload: str
    costs: list[Cost] = field(default_factory=list)

    @property
    def key(self) -> Key:
        """Tell it from all others."""
        return self.subject.contestant.name, self.subject.database, self.workload, self.payload

    def ask(self, requests: int) -> Cost:
        """Ask that often."""
        if self.workload == "m":
            self.subject.begin(self.payload, "m")
            return self.subject.take(self.workload, self.payload, SPAN)
        return self.subject.take(
            self.workload, self.payload, requests * MORE.get(self.workload, 1)
        )


def measure(
    places: Places,
    contestants: Sequence[Contestant],
    databases: Iterable[str],
    workloads: Sequence[str],
    *,
    requests: int,
    repeat: int,
) -> Costs:
    """Ask all contestants for all pages, in an order that is shuffled in each repetition."""
    with at_work(contestants, databases, places) as subjects:
        turns = [turn for subject in subjects for turn in turns_of(subject, workloads)]
        for turn in turns:
            turn.ask(WARM_SERVED if turn.subject.contestant.is_served else WARM)
        for _ in range(repeat):
            for turn in random.sample(turns, len(turns)):
                turn.costs.append(turn.ask(requests))
    return Costs({turn.key: turn.costs for turn in turns})


def turns_of(subject: Subject, workloads: Sequence[str]) -> list[Turn]:
    """Return what one subject is asked for."""
    contestant = subject.contestant
    if not contestant.baseline:
        return [Turn(subject, name, next(iter(SIZES))) for name in contestant.workloads]
    wanted = [name for name in contestant.workloads if name in workloads]
    return [Turn(subject, name, payload) for name in wanted for payload in contestant.payloads]


class Costs:
    """All times that were taken."""

    def __init__(self, taken: dict[Key, list[Cost]]) -> None:
        self.taken = taken

    def median(self, key: Key, kind: str) -> float:
        """Return the median of what was taken."""
        times: list[float] = [getattr(cost, kind) for cost in self.taken[key]]
        return statistics.median(times)

    def spread(self, key: Key) -> float:
        """Return half the distance of the quartiles of the processor time, over its median."""
        times = [cost.cpu for cost in self.taken[key]]
        low, median, high = statistics.quantiles(times, method="inclusive")
        return (high - low) / 2 / median

    def added(self, key: Key, kind: str) -> float:
        """Return what the session adds to the same page of an application without sessions."""
        name, database, workload, _ = key
        plain = "page" if workload in {"page", "late"} else "x"
        baseline = CONTESTANTS[name].baseline, database, plain, next(iter(SIZES))
        return self.median(key, kind) - self.median(baseline, kind)

    def ratio(self, key: Key, kind: str) -> float | None:
        """Compare with the floor, m with the contestant's own r; None where that says nothing."""
        name, database, workload, payload = key
        floor = CONTESTANTS[name].floor, *key[1:]
        other = (name, database, "r", payload) if workload == "m" else floor
        if workload == "x" or other not in self.taken:
            return None
        least = self.added(other, kind)
        return self.added(key, kind) / least if least > 0 else None  # it may drown in noise
