"""How long each answer took, and what went wrong when."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.load.http import Answer, Wires
from benchmarks.load.visiting import Budget, Visitor


@dataclass
class Heard:
    """All answers of a run, in the order in which they came."""

    answers: list[tuple[float, float, bool]] = field(default_factory=list)  # asked, came, is good
    broken: float | None = None  # when the fault happened; all by the monotonic clock

    @property
    def longest(self) -> float:
        """Seconds that the slowest answer took."""
        return max(came - asked for asked, came, _ in self.answers)

    def failures(self) -> list[float]:
        """Tell how many seconds after the fault each failed answer came; before is negative."""
        since = float("inf") if self.broken is None else self.broken
        return [came - since for _, came, is_good in self.answers if not is_good]

    def silence(self) -> float:
        """Return the longest time without a good answer, in seconds."""
        came = sorted(came for _, came, is_good in self.answers if is_good)
        return max(after - before for before, after in pairwise(came))


class Listening(Wires):
    """Wires that note what they heard."""

    def __init__(self, ports: Sequence[int], heard: Heard) -> None:
        super().__init__(ports)
        self.ports = ports
        self.heard = heard

    def send(self, path: str, cookie: str | None) -> Answer:
        """Send as Wires do."""
        asked = time.monotonic()
        answer = super().send(path, cookie)
        self.heard.answers.append((asked, time.monotonic(), answer.is_good))
        return answer


class Faithful(Visitor):
    """A visitor whose requests all go to one application, as a sticky proxy sends them."""

    def __init__(self, number: int, variant: str, wires: Listening, budget: Budget) -> None:
        port = wires.ports[number // 4 % len(wires.ports)]  # so that each variant meets all
        super().__init__(number, variant, Listening([port], wires.heard), budget)
