"""The search: secrets that were issued, and what can be read, in which they must not be."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import NamedTuple

from tests.leaks.spellings import spelled, spellings_of_digest, spellings_of_id

MOST = 4_000_000  # characters that wait; what is issued later cannot be in what was read before
AROUND = 60  # characters that are shown on each side of a find


class Place(Enum):
    """Where something can be read."""

    OUR_LOG = "a log record of the package"
    OTHER_LOG = "a log record of somebody else"
    OUTPUT = "the output"
    EVENT = "an event"
    OBJECT = "an object of a request"
    BODY = "the body of a response"
    HEADER = "a header of a response"
    WARNING = "a warning"
    ERROR = "an error"
    VARIABLE = "a local variable where an error was raised"


# Others log the digest, which they are handed, and objects hold it; it opens nothing.
WITHOUT_DIGESTS = set(Place) - {Place.OTHER_LOG, Place.OUTPUT, Place.OBJECT, Place.VARIABLE}


class Find(NamedTuple):
    """A secret that could be read."""

    place: Place
    secret: str
    surroundings: str

    def __str__(self) -> str:
        return f"{self.secret} is in {self.place.value}: {self.surroundings}"


class Search:
    """Notes, from `begin` on, what must stay secret and what could be read."""

    def __init__(self) -> None:
        self.issued = self.searched = 0  # ids and characters, over all tests
        self.begin()

    def begin(self) -> None:
        """Forget everything but the sums."""
        self._finds: dict[Find, None] = {}
        self._ids: dict[str, None] = {}
        self._digests: dict[str, None] = {}
        self._texts: dict[Place, dict[str, None]] = defaultdict(dict)
        self._waiting = 0

    def issue(self, session_id: str) -> None:
        """Note an id: from now on neither it nor its digest must be read."""
        self.issued += 1
        self._ids.update(dict.fromkeys(spellings_of_id(session_id)))
        self._digests.update(dict.fromkeys(spellings_of_digest(session_id)))

    def sign(self, signature: str) -> None:
        """Note a signature, which is of no more use to anybody than the id."""
        self._ids.update(dict.fromkeys(spelled(signature.encode())))

    def read(self, place: Place, text: str) -> None:
        """Note what can be read there."""
        if text in self._texts[place]:
            return
        self._texts[place][text] = None
        self._waiting += len(text)
        self.searched += len(text)
        if self._waiting > MOST:
            self._look()

    def finds(self) -> list[Find]:
        """What was found so far."""
        self._look()
        return list(self._finds)

    def _look(self) -> None:
        waiting, self._texts, self._waiting = self._texts, defaultdict(dict), 0
        for place, texts in waiting.items():
            self._find(place, "a session id", self._ids, texts)
            if place in WITHOUT_DIGESTS:
                self._find(place, "a digest", self._digests, texts)

    def _find(self, place: Place, what: str, secrets: Iterable[str], texts: Iterable[str]) -> None:
        everything = "\n".join(texts)
        for secret in list(secrets):
            if secret in everything:
                self._finds[Find(place, what, _around(secret, everything))] = None


def _around(secret: str, text: str) -> str:
    start = text.index(secret)
    return repr(text[max(start - AROUND, 0) : start + len(secret) + AROUND])
