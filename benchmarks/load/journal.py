"""What one visitor after another has seen, for the counting in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus

from benchmarks.load.http import Answer
from benchmarks.load.life import Life

Cookie = tuple[str, str]  # of a variant


@dataclass
class Journal:
    """Everything that was acknowledged, and what was seen to be wrong at once."""

    lives: list[Life] = field(default_factory=list)  # not ended
    ended: list[Cookie] = field(default_factory=list)  # must open nothing
    given: set[Cookie] = field(default_factory=set)  # all cookies that were ever sent
    tokens: list[str] = field(default_factory=list)  # must have been noted, once
    statuses: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)

    def note(self, variant: str, answer: Answer) -> None:
        """Note what every answer has."""
        self.statuses[answer.status] += 1
        if answer.cookie:
            self.given.add((variant, answer.cookie))

    @property
    def failures(self) -> int:
        """How many requests were not answered well."""
        return self.statuses.total() - self.statuses[HTTPStatus.OK]


def bound_together(journals: Iterable[Journal]) -> Journal:
    """Return one journal of all."""
    whole = Journal()
    for journal in journals:
        for name, own in vars(whole).items():
            if isinstance(own, list):
                own.extend(getattr(journal, name))
            else:
                own.update(getattr(journal, name))
    return whole
