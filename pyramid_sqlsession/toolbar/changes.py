"""What has changed in a session, key by key, with secrets masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

MASK = "•••"
LONGEST = 200  # characters of a value
_SECRET = re.compile("csrf|token|secret|passw|credential|api.?key|otp|nonce", re.IGNORECASE)


class KeyChange(NamedTuple):
    """A key, what was done to it, and its values as text; "" where it had none."""

    key: str
    what: str
    before: str
    after: str


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[KeyChange]:
    """Return what was added, changed and removed; a value may be of another type only."""
    keys = [*before, *(key for key in after if key not in before)]
    shown = [_change(key, before, after) for key in keys]
    return [change for change in shown if change is not None]


def _change(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> KeyChange | None:
    if key not in before:
        return KeyChange(key, "added", "", shown(key, after[key]))
    if key not in after:
        return KeyChange(key, "removed", shown(key, before[key]), "")
    if repr(before[key]) == repr(after[key]):
        return None
    return KeyChange(key, "changed", shown(key, before[key]), shown(key, after[key]))


def shown(key: str, value: Any) -> str:
    """Return a value as text of bounded length, without what its key says is a secret."""
    text = repr(_masked(key, value))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _masked(key: str, value: Any) -> Any:
    if _SECRET.search(str(key)):
        return _Masked()
    if isinstance(value, Mapping):
        return {name: _masked(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked("", inner) for inner in value]
    return value


class _Masked:
    def __repr__(self) -> str:
        return MASK
