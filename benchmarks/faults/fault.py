"""What all faults have in common: a served shop, visitors, and somebody who strikes meanwhile."""

from __future__ import annotations

import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faults.application import CARELESS, SHOP
from benchmarks.faults.instances import Instance
from benchmarks.load.application import ENGINE, SETTINGS, URL
from benchmarks.load.journal import Cookie
from benchmarks.load.server import Server, served
from benchmarks.load.visiting import Budget, Visitor

PRUNE_INTERVAL = 2  # seconds: pruners shall meet the fault as well
REST = 0.5  # seconds after which every request that was under way is answered


class Gate(Budget):
    """A budget whose visitors can be made to wait."""

    def __init__(self, requests: int) -> None:
        super().__init__(requests)
        self._open = threading.Event()
        self._open.set()

    def spend(self, requests: int) -> None:
        """Wait for the gate to be open, then take some."""
        self._open.wait()
        super().spend(requests)

    def wait_for(self, share: float) -> None:
        """Return when so much of the budget is spent."""
        while self.share < share:
            time.sleep(0.01)

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Let nobody in for a while."""
        self._open.clear()
        time.sleep(REST)
        try:
            yield
        finally:
            self._open.set()


@dataclass
class Scene:
    """Where a fault happens."""

    url: str
    folder: Path
    budget: Gate
    instance: Instance | None  # None for SQLite
    careless: bool
    workers: int
    stack: ExitStack
    ports: list[int] = field(default_factory=list)  # where requests are sent
    servers: list[Server] = field(default_factory=list)  # that run
    spells: list[tuple[float, float]] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)  # strange things

    @contextmanager
    def breaking(self) -> Iterator[None]:
        """Let requests fail that are sent from here to the end, or are under way."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.spells.append((begun - REST, time.monotonic()))

    def serve(self, stack: ExitStack, fault: Fault, **settings: Any) -> Server:
        """Start processes that serve, until the stack is closed."""
        folder = self.folder / f"served{len(list(self.folder.glob('served*')))}"
        folder.mkdir()
        told = {
            URL: self.url,
            ENGINE: json.dumps(fault.engine(self)),
            SETTINGS: json.dumps({"sqlsession.prune_interval": PRUNE_INTERVAL} | settings),
            **({CARELESS: fault.careless} if self.careless else {}),
            **fault.told(self),
        }
        server = stack.enter_context(served(told, folder, workers=self.workers, application=SHOP))
        self.ports.append(server.port)
        self.servers.append(server)
        return server

    def in_use(self) -> int:
        """Return how many connections the processes that run have taken out of their pools."""
        return sum(worker["in use"] for server in self.servers for worker in server.statuses())

    def log(self) -> str:
        """Return what all processes have logged."""
        return "".join(path.read_text() for path in self.folder.glob("served*/log"))


class Fault(ABC):
    """Something that breaks."""

    databases: tuple[str, ...] = ("sqlite", "postgresql", "mariadb")
    visitor: type[Visitor] = Visitor
    careless: str  # what is done, with --careless, that should not be
    fails = True  # whether requests fail meanwhile

    @property
    def name(self) -> str:
        """What it is called."""
        return type(self).__module__.rpartition(".")[2].replace("_", "-")

    def engine(self, scene: Scene) -> Mapping[str, Any]:  # noqa: ARG002 - others look at it
        """Return options of the engine, besides the usual ones."""
        return {}

    def told(self, scene: Scene) -> Mapping[str, str]:  # noqa: ARG002 - others look at it
        """Return what the processes are told besides."""
        return {}

    def begin(self, scene: Scene) -> None:
        """Serve."""
        scene.serve(scene.stack, self)

    @abstractmethod
    def strike(self, scene: Scene) -> None:
        """Break, while visitors are there, and mend."""

    def ended(self) -> Iterable[Cookie]:
        """Return the cookies of further sessions that have ended."""
        return ()
