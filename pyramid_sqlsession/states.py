"""What a session is, was, or is to become, as its record remembers it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyramid_sqlsession.rows import Row
from pyramid_sqlsession.watched_dict import Moment


@dataclass(slots=True)
class Stored:
    """A row, the secret id that opens it, and how many of the session's wishes it fulfils.

    It is no tuple, whose items some tools show whatever its `repr` says.
    """

    row: Row
    session_id: str = field(repr=False)
    forced: int = 0
    rotations: int = 0


class Mark(NamedTuple):
    """A state of the session to go back to; no data means an empty session."""

    data: bytes | None = None
    lifetime: int | None = None
    forced: int = 0
    rotations: int = 0


class Aside(NamedTuple):
    """A state of the session, put aside as it is."""

    data: dict[str, Any]
    lifetime: int | None
    forced: int
    rotations: int


class Snapshot(NamedTuple):
    """The session serialised; when that was, and who was logged in then."""

    data: bytes
    moment: Moment
    login: Hashable


class Change(NamedTuple):
    """What is to be written: serialised data, or None when rows are only to be deleted."""

    data: bytes | None
