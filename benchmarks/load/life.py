"""The journal of one session: what it must hold after all that was acknowledged to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.load.acts import Act

QUEUE = "_f_"


@dataclass
class Life:
    """A session as its visitor knows it, from the first cookie to the last.

    What was asked for while the session was ended or its id changed, or was not answered, may or
    may not have happened: it is noted as uncertain.
    """

    variant: str
    cookies: list[str]
    user: str | None = None
    values: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    uncertain: set[str] = field(default_factory=set)
    messages: set[str] = field(default_factory=set)
    uncertain_messages: set[str] = field(default_factory=set)
    shown: list[str] = field(default_factory=list)
    counted: int = 0
    uncertain_counted: int = 0
    unanswered: list[Act] = field(default_factory=list)  # with nothing else under way that ends it
    unanswered_user: str | None = None  # whose login was not answered
    may_have_ended: bool = False  # a logout was not answered

    @property
    def cookie(self) -> str:
        """The one that opens it."""
        return self.cookies[-1]

    def faults(self, data: Mapping[str, Any] | None) -> Iterator[str]:
        """Compare with what the session holds, None when there is none; tell each lost change."""
        if data is None:
            if not self.may_have_ended:
                yield "the session is gone"
            return
        yield from self._wrong_values(data)
        yield from self._wrong_messages([*self.shown, *data.get(QUEUE, [])])
        if data.get("auth.userid") not in {self.user, self.unanswered_user or self.user}:
            yield "the login is not the one that was acknowledged"
        number = data.get("count", 0)
        if not self.counted <= number <= self.counted + self.uncertain_counted:
            yield f"counted to {number} instead of {self.counted}"

    def _wrong_values(self, data: Mapping[str, Any]) -> Iterator[str]:
        for key, token in self.values.items():
            if key not in self.uncertain and data.get(key) != token:
                yield f"{key} is not {token}"
        for key in self.removed - self.uncertain:
            if key in data:
                yield f"{key} has come back"

    def _wrong_messages(self, seen: list[str]) -> Iterator[str]:
        for message in self.messages:
            if seen.count(message) != 1:
                yield f"the message {message} is there {seen.count(message)} times"
        for message in self.uncertain_messages:
            if seen.count(message) > 1:
                yield f"the message {message} is there {seen.count(message)} times"


def id_of(cookie: str) -> str:
    """Return the session id in a cookie, which may be signed."""
    return cookie.partition(".")[0]
