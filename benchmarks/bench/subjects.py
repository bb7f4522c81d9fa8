"""A contestant at work on one database, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.bench.environments import python_of, variables
from benchmarks.bench.places import Places
from benchmarks.bench.process import Process
from benchmarks.bench.roster import Contestant


@dataclass(frozen=True)
class Cost:
    """What one request took, in microseconds: of the contestant's processor, and by the clock."""

    cpu: float
    wall: float


class Subject:
    """One that is called in its own process."""

    def __init__(self, contestant: Contestant, database: str) -> None:
        self.contestant = contestant
        self.database = database
        self.process = Process(_command(contestant), variables())

    def prepare(self, places: Places) -> None:
        """Make the application, and a session of each size."""
        self.process.ask("prepare", **places.of(self.database, self.contestant.name))
        if self.contestant.baseline:
            for payload in self.contestant.payloads:
                self.process.ask("begin", payload=payload)

    def take(self, workload: str, payload: str, requests: int) -> Cost:
        """Ask for a page again and again."""
        return Cost(
            **self.process.ask("take", workload=workload, payload=payload, requests=requests)
        )


def _command(contestant: Contestant) -> list[str]:
    module = "benchmarks.bench.worker"
    return [python_of(contestant.environment), "-m", module, contestant.program]


@contextmanager
def at_work(
    contestants: Iterable[Contestant], databases: Iterable[str], places: Places
) -> Iterator[list[Subject]]:
    """Start each contestant on each database that it is measured on."""
    with ExitStack() as stack:
        subjects = []
        for database in databases:
            for contestant in contestants:
                if database in contestant.databases:
                    subject = Subject(contestant, database)
                    stack.callback(subject.process.end)
                    subject.prepare(places)
                    subjects.append(subject)
        yield subjects
