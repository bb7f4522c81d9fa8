"""The ways in which a secret may be written, by whoever shows it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from hashlib import sha256

# Octets: too many for a coincidence, few enough for what is shown shortened, and a multiple of
# three, so that base64 agrees.
HEAD = 12


def spelled(octets: bytes) -> Iterator[str]:
    """How octets begin, in every way in which they may be written."""
    head = octets[:HEAD]
    yield from (head.decode("latin-1"), head.hex(), head.hex().upper(), str(list(head))[1:-1])
    escaped = repr(head)[2:-1]
    yield from (escaped, escaped.replace("\\", "\\\\"))  # the latter in the `repr` of a text
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(head).decode()


def spellings_of_id(session_id: str) -> set[str]:
    """How a session id may be written: itself, the text, and the octets that it stands for."""
    octets = base64.urlsafe_b64decode(session_id + "=")
    return {*spelled(session_id.encode()), *spelled(octets)}


def spellings_of_digest(session_id: str) -> set[str]:
    """How the digest of a session id may be written."""
    return set(spelled(sha256(session_id.encode()).digest()))


def found_in(texts: Iterable[str], wanted: Iterable[str]) -> list[str]:
    """Which of the wanted stand in some of the texts."""
    everything = "\n".join(texts)
    return [one for one in wanted if one in everything]
