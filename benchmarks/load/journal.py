"""What one visitor after another has seen, for the counting in the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

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
    unanswered: set[str] = field(default_factory=set)  # may have been noted, once
    refused: list[str] = field(default_factory=list)  # must not have been noted
    statuses: Counter[int] = field(default_factory=Counter)
    times: list[tuple[float, int]] = field(default_factory=list)  # when asked, and the status
    spells: list[tuple[float, float]] = field(default_factory=list)  # in which failing is expected
    lost: list[str] = field(default_factory=list)
    resurrected: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    halves: list[str] = field(default_factory=list)  # of what is done together

    def note(self, variant: str, path: str, answer: Answer, asked: float) -> None:
        """Note what every answer has."""
        self.statuses[answer.status] += 1
        self.times.append((asked, answer.status))
        if not answer.is_good:
            self.unanswered.update(parse_qs(urlsplit(path).query).get("token", []))
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
