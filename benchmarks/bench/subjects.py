"""A contestant at work on one database, in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks.bench.browsing import Browser, processor_time
from benchmarks.bench.environments import command_of, variables
from benchmarks.bench.places import Places
from benchmarks.bench.process import Process
from benchmarks.bench.roster import Contestant
from benchmarks.bench.workloads import NOBODYS, TEXT, UNCOUNTED, content, page


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
        self.process = Process(command_of(contestant), variables())

    def prepare(self, places: Places) -> None:
        """Make the application, and a session of each size."""
        self.process.ask("prepare", place=places.of(self.database, self.contestant.name))
        self.open()
        if self.contestant.baseline:
            for payload in self.contestant.payloads:
                self._check(payload, self.begin(payload, "r"))

    def _check(self, payload: str, cookie: str) -> None:
        """Refuse a session that is not there: nothing is found fastest."""
        shown = self.process.ask("show", key=TEXT, cookie=cookie)["body"]
        if shown != content(payload)[TEXT]:
            raise RuntimeError(f"{self.contestant.title} has kept {shown!r}")

    def open(self) -> None:
        """Make it ready to be asked."""

    def begin(self, payload: str, workload: str) -> str:
        """Begin a session to go on with; return its cookie. That of m is its own."""
        return str(self.process.ask("begin", payload=payload, workload=workload)["cookie"])

    def take(self, workload: str, payload: str, requests: int) -> Cost:
        """Ask for a page again and again."""
        told = {"workload": workload, "payload": payload, "requests": requests}
        return Cost(**self.process.ask("take", **told))

    def end(self) -> None:
        """Let its process end."""
        self.process.end()


class Served(Subject):
    """One that is asked over HTTP, by the driver."""

    def __init__(self, contestant: Contestant, database: str) -> None:
        super().__init__(contestant, database)
        self._cookies: dict[str, str] = {}
        self._browser: Browser | None = None

    def open(self) -> None:
        """Let it serve."""
        self._browser = Browser(self.process.ask("serve")["port"])

    def begin(self, payload: str, workload: str) -> str:  # noqa: ARG002 - there is no m
        """Begin a session to go on with; return its cookie."""
        assert self._browser
        self._cookies[payload] = self._browser.visit(page("n", payload), {})
        return self._cookies[payload]

    def take(self, workload: str, payload: str, requests: int) -> Cost:
        """Ask for a page again and again."""
        assert self._browser
        path, cookie = page(workload, payload), self._cookies.get(payload, NOBODYS)
        headers = {} if workload == "n" else {"Cookie": cookie}
        for _ in range(UNCOUNTED):
            self._browser.visit(path, headers)
        wall, cpu = time.perf_counter(), processor_time(self.process.pid)
        for _ in range(requests):
            self._browser.visit(path, headers)
        cpu, wall = processor_time(self.process.pid) - cpu, time.perf_counter() - wall
        return Cost(cpu / requests * 1e6, wall / requests * 1e6)

    def end(self) -> None:
        """Hang up, and let its process end."""
        if self._browser:
            self._browser.close()
        super().end()


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
                    subjects.append(started(contestant, database))
                    stack.callback(subjects[-1].end)
                    subjects[-1].prepare(places)
        yield subjects


def started(contestant: Contestant, database: str) -> Subject:
    """Start the process of one."""
    return (Served if contestant.is_served else Subject)(contestant, database)
