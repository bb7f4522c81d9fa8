"""What a fault did."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from benchmarks.load.journal import Journal

ENOUGH = 100  # good answers afterwards, to call it recovered


@dataclass(frozen=True)
class Result:
    """What a run with one fault on one database showed."""

    fault: str
    database: str
    fails: bool
    journal: Journal
    seconds: float
    in_use: int
    open_transactions: int
    pruners: tuple[int, int]  # that failed, and that work again

    @property
    def failures(self) -> tuple[int, int]:
        """How many requests failed during the fault, and how many at another time."""
        failed = [asked for asked, status in self.journal.times if status != HTTPStatus.OK]
        expected = sum(
            any(begun <= asked <= ended for begun, ended in self.journal.spells)
            for asked in failed
        )
        return expected, len(failed) - expected

    @property
    def answered_afterwards(self) -> int:
        """How many requests were answered well when all was over."""
        over = max((ended for _, ended in self.journal.spells), default=0)
        return sum(
            asked > over and status == HTTPStatus.OK for asked, status in self.journal.times
        )

    def faults(self) -> dict[str, list[str]]:
        """Return everything that must not be."""
        journal, (expected, others) = self.journal, self.failures
        strange = [
            *journal.strange,
            *["a request failed before or after the fault"] * others,
            *["a connection was left open"] * (self.in_use + self.open_transactions),
            *["a pruner has given up"] * (self.pruners[0] - self.pruners[1]),
            *["the fault was not noticed"] * (self.fails and not expected),
            *["it did not recover"] * (self.answered_afterwards < ENOUGH),
        ]
        return {
            "lost": journal.lost,
            "half done": journal.halves,
            "revived": journal.resurrected,
            "strange": strange,
        }

    @property
    def is_good(self) -> bool:
        """Whether there is none of that."""
        return not any(self.faults().values())

    def cells(self) -> dict[str, str]:
        """Return the row of the table."""
        journal, (expected, others) = self.journal, self.failures
        requests = journal.statuses.total()
        return {
            "Fault": self.fault,
            "Database": self.database,
            "Requests": f"{requests:,}",
            "A second": f"{requests / self.seconds:.0f}",
            "Changes": f"{len(journal.tokens):,}",
            "Failed then": f"{expected:,}",
            "Unanswered": f"{journal.statuses[0]:,}",
            "Failed else": f"{others:,}",
            "Lost": f"{len(journal.lost):,}",
            "Half done": f"{len(journal.halves):,}",
            "Ended": f"{len(journal.ended):,}",
            "Revived": f"{len(journal.resurrected):,}",
            "Strange": f"{len(journal.strange):,}",
            "Left open": f"{self.in_use}, {self.open_transactions}",
            "Pruners": f"{self.pruners[0]}, {self.pruners[1]}",
        }
