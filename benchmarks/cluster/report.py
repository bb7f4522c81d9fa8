"""What a run on several servers showed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from benchmarks.cluster.listening import Heard
from benchmarks.load.journal import Journal

RECOVERY = 30.0  # seconds after a fault in which requests may fail


@dataclass(frozen=True)
class Findings:
    """How many faults a journal tells of."""

    lost: int
    revived: int
    strange: int

    @classmethod
    def of(cls, journal: Journal) -> Findings:
        """Count them."""
        lost = len(journal.lost) + len(journal.halves)
        return cls(lost, len(journal.resurrected), len(journal.strange))

    @property
    def total(self) -> int:
        """All of them."""
        return self.lost + self.revived + self.strange


@dataclass(frozen=True)
class Result:
    """What was found on the way, and in the end."""

    name: str
    journal: Journal
    heard: Heard
    seconds: float
    workers: list[dict[str, int]]
    expected_workers: int
    at_once: Findings  # stale, when it is not there in the end
    refused: int
    differences: int
    errors: Counter[str]  # that the applications told of

    def total(self, name: str) -> int:
        """Add up what the workers tell."""
        return sum(worker[name] for worker in self.workers)

    @property
    def is_good(self) -> bool:
        """Whether everything was there, at once and in the end, on every server."""
        wrong = Findings.of(self.journal).total + self.total("in use") + self.differences
        is_excused = all(0 <= after <= RECOVERY for after in self.heard.failures())
        return wrong == 0 and is_excused and len(self.workers) == self.expected_workers

    def cells(self) -> dict[str, str]:
        """Return the row of the table."""
        found, at_once = Findings.of(self.journal), self.at_once
        failures = self.heard.failures()
        return {
            "Run": self.name,
            "Requests": f"{len(self.heard.answers):,}",
            "A second": f"{len(self.heard.answers) / self.seconds:.0f}",
            "Changes": f"{len(self.journal.tokens):,}",
            "Merged": f"{self.total('merged'):,}",
            "Repeated": f"{self.total('repeated'):,}",
            "Refused": f"{self.refused:,}",
            "Stale": f"{at_once.total:,}",
            "Lost": f"{found.lost - at_once.lost:,}",
            "Ended": f"{len(self.journal.ended):,}",
            "Revived": f"{found.revived - at_once.revived:,}",
            "Strange": f"{found.strange - at_once.strange:,}",
            "Failed": f"{len(failures):,}",
            "After s": self._when(failures),
            "Silence s": f"{self.heard.silence():.1f}",
            "Longest s": f"{self.heard.longest:.1f}",
        }

    def _when(self, failures: list[float]) -> str:
        if not failures:
            return ""
        if self.heard.broken is None:
            return "no fault"
        return f"{min(failures):.1f} to {max(failures):.1f}"
