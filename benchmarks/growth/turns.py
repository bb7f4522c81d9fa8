"""Asking for pages, in an order that is shuffled anew in each repetition."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

from benchmarks.bench.asking import visit
from benchmarks.growth.scenes import Scene
from benchmarks.growth.server import Work

AWAY = "x"  # the page that does not look at its session
WARM = 20  # requests before all turns, after which the driver has prepared its statements


@dataclass
class Turns:
    """The turns of one page in one scene."""

    scene: Scene
    page: str
    cpu: list[float] = field(default_factory=list)  # microseconds of our process for a request
    work: list[Work] = field(default_factory=list)

    def take(self, requests: int) -> None:
        """Ask many times, and note what one request costs."""
        requests = min(requests, self.scene.requests)
        environs = [self.scene.environ(self.page) for _ in range(requests)]
        before = self.scene.work()
        began = time.process_time()
        for environ in environs:
            visit(self.scene.app, environ)
        self.cpu.append((time.process_time() - began) / requests * 1e6)
        self.work.append(self.scene.work().since(before, requests))


@dataclass(frozen=True)
class Cost:
    """What a request costs in the median: what its session adds to our process, and the work."""

    database: str
    size: int
    page: str
    cpu: float
    work: Work


def measure(
    scenes: Sequence[Scene], repeat: int, requests: int, tell: Callable[[str], None]
) -> dict[Scene, list[Cost]]:
    """Return what each page costs in each scene, beside the page that does not look."""
    turns = {(scene, page): Turns(scene, page) for scene in scenes for page in scene.pages}
    for turn in turns.values():
        turn.take(WARM)
        turn.cpu.clear()
        turn.work.clear()
    for number in range(repeat):
        tell(f"repetition {number + 1} of {repeat}")
        for turn in random.sample([*turns.values()], len(turns)):
            turn.take(requests)
    return {
        scene: [
            _cost(turns[scene, page], turns[scene, AWAY]) for page in scene.pages if page != AWAY
        ]
        for scene in scenes
    }


def _cost(turns: Turns, away: Turns) -> Cost:
    scene = turns.scene
    added = statistics.median(turns.cpu) - statistics.median(away.cpu)
    return Cost(scene.database, scene.size, turns.page, added, _median(turns.work))


def _median(works: Sequence[Work]) -> Work:
    names = [one.name for one in fields(Work)]
    return Work(*(statistics.median(getattr(work, name) for work in works) for name in names))
