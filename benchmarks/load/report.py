"""The figures of the runs, as a table in reStructuredText."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.load.journal import Journal


@dataclass(frozen=True)
class Result:
    """What a run on one database showed."""

    database: str
    journal: Journal
    seconds: float
    workers: list[dict[str, int]]
    expected_workers: int
    open_transactions: int
    memory: tuple[float, float]  # MiB a worker, in the first and in the last quarter

    def total(self, name: str) -> int:
        """Add up what the workers tell."""
        return sum(worker[name] for worker in self.workers)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, revived or leaked."""
        journal = self.journal
        wrong = [*journal.lost, *journal.halves, *journal.resurrected, *journal.strange]
        left = journal.failures + self.total("in use") + self.open_transactions
        return not wrong and left == 0 and len(self.workers) == self.expected_workers

    def cells(self) -> dict[str, str]:
        """Return the row of the table."""
        journal, requests = self.journal, self.journal.statuses.total()
        return {
            "Database": self.database,
            "Requests": f"{requests:,}",
            "A second": f"{requests / self.seconds:.0f}",
            "Changes": f"{len(journal.tokens):,}",
            "Merged": f"{self.total('merged'):,}",
            "Repeated": f"{self.total('repeated'):,}",
            "Lost": f"{len(journal.lost):,}",
            "Ended": f"{len(journal.ended):,}",
            "Revived": f"{len(journal.resurrected):,}",
            "Failed": f"{journal.failures:,}",
            "Strange": f"{len(journal.strange):,}",
            "Left open": f"{self.total('in use')}, {self.open_transactions}",
            "MiB": f"{self.memory[0]:.0f}, {self.memory[1]:.0f}",
        }


class Reported(Protocol):
    """What has a row in a table."""

    def cells(self) -> dict[str, str]:
        """Return the row of the table."""


def table(results: Sequence[Reported]) -> str:
    """Return the table of all runs."""
    rows = [result.cells() for result in results]
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(rows[0]))]
    ruler = "  ".join("=" * width for width in widths)
    texts = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([ruler, texts[0], ruler, *texts[1:], ruler])
