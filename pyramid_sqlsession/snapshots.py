"""Whether a session is still what it was when it was serialised, without serialising it again."""

from __future__ import annotations

import marshal
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

_BY_VALUE = 2  # the last version of the format that does not tell whether objects are shared


class Snapshot(NamedTuple):
    """Serialised data; what its content was, None if nobody can tell; and who was logged in."""

    data: bytes
    content: bytes | None
    login: Hashable


def content_of(values: Mapping[str, Any]) -> bytes | None:
    """Return bytes that differ when a value or a type does, at any depth.

    They are made many times faster than JSON is. None when there are values of other types than
    Python's plainest.
    """
    try:
        return marshal.dumps(dict(values), _BY_VALUE)
    except ValueError:
        return None
