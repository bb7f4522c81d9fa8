"""What has changed in a session, key by key, with secrets masked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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


Dumps = Callable[[Any], bytes]


def changes_between(
    before: Mapping[Any, Any], after: Mapping[Any, Any], dumps: Dumps
) -> list[KeyChange]:
    """Return what was added, changed and removed; a value may be of another type only.

    `dumps` tells whether objects are equal that do not know it themselves.
    """
    keys = [*before, *(key for key in after if key not in before)]
    shown = [_change(key, before, after, dumps) for key in keys]
    return [change for change in shown if change is not None]


def _change(
    key: Any, before: Mapping[Any, Any], after: Mapping[Any, Any], dumps: Dumps
) -> KeyChange | None:
    name = key if isinstance(key, str) else shown("", key)
    if key not in before:
        return KeyChange(_printable(name), "added", "", shown(key, after[key]))
    if key not in after:
        return KeyChange(_printable(name), "removed", shown(key, before[key]), "")
    if _is_same(before[key], after[key], dumps):
        return None
    return KeyChange(_printable(name), "changed", shown(key, before[key]), shown(key, after[key]))


def _is_same(before: Any, after: Any, dumps: Dumps) -> bool:
    try:
        return repr(before) == repr(after) or dumps({"": before}) == dumps({"": after})
    except Exception:  # noqa: BLE001 - an object of the application may raise anything
        return False


def shown(key: Any, value: Any) -> str:
    """Return a value as text of bounded length, without what its key says is a secret."""
    try:
        text = repr(_masked(key, value))
    except Exception as error:  # noqa: BLE001 - an object of the application may raise anything
        text = f"<{type(value).__name__}, which cannot be shown: {type(error).__name__}>"
    return _printable(text)


def _printable(text: str) -> str:
    """Cut what is long, and escape what no page can hold."""
    short = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return short.encode("utf-8", "backslashreplace").decode()


def _masked(key: Any, value: Any) -> Any:
    if _SECRET.search(str(key)):
        return _Masked()
    if isinstance(value, Mapping):
        return {name: _masked(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, inner) for name, inner in zip(_names(value), value, strict=True)]
    return value


def _names(values: Sequence[Any]) -> Sequence[str]:
    """Return what values are called: in a pair, as of a form, the second by the first."""
    match values:
        case [str() as name, _]:
            return ["", name]
    return [""] * len(values)


class _Masked:
    def __repr__(self) -> str:
        return MASK
