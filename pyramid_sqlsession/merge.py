"""Three-way merge of plain dicts: what one request changed is applied to newer data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ABSENT = object()
_FLASH_PREFIX = "_f_"


def merge(
    base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return `theirs` with the changes that lead from `base` to `mine`, key by key.

    For a key changed by both, mine wins, a deletion included; flash queues keep the messages of
    both. All three should come from the same serializer's `loads`, else a tuple and the list
    that it became count as different. The arguments are left alone; the values are shared.
    """
    merged = dict(theirs)
    for key in {**base, **mine}:
        value = _merged(key, *(version.get(key, _ABSENT) for version in (base, mine, theirs)))
        if value is _ABSENT:
            merged.pop(key, None)
        else:
            merged[key] = value
    return merged


def _merged(key: str, base: Any, mine: Any, theirs: Any) -> Any:
    if _same(base, mine):
        return theirs
    if _same(base, theirs):
        return mine
    if _is_flash_queue(key, base, mine, theirs):
        return _merged_queue(*(_messages(queue) for queue in (base, mine, theirs)))
    return mine


def _is_flash_queue(key: Any, *versions: Any) -> bool:
    if not (isinstance(key, str) and key.startswith(_FLASH_PREFIX)):
        return False
    return all(version is _ABSENT or isinstance(version, list) for version in versions)


def _messages(queue: Any) -> Any:
    return [] if queue is _ABSENT else queue


def _merged_queue(base: list[Any], mine: list[Any], theirs: list[Any]) -> Any:
    popped = _without(base, mine)
    added = _without(mine, base)
    return _without(theirs, popped) + added or _ABSENT


def _without(messages: list[Any], others: list[Any]) -> list[Any]:
    """Return the messages less one equal message for each of the others."""
    unmatched = list(others)
    return [message for message in messages if not _took(message, unmatched)]


def _took(message: Any, unmatched: list[Any]) -> bool:
    for index, other in enumerate(unmatched):
        if _same(message, other):
            del unmatched[index]
            return True
    return False


def _same(one: Any, other: Any) -> bool:
    try:
        return bool(_typed(one) == _typed(other))
    except Exception:  # noqa: BLE001  # values that cannot be compared count as different
        return False


def _typed(value: Any) -> Any:
    """Return the value in a form whose == tells 1 from True and 1.0, however deep they are."""
    kind = type(value)
    if isinstance(value, dict):
        return kind, {_typed(key): _typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return kind, [_typed(inner) for inner in value]
    if isinstance(value, tuple):
        return kind, tuple(_typed(inner) for inner in value)
    if isinstance(value, set | frozenset):
        return kind, frozenset(_typed(inner) for inner in value)
    return kind, _comparable(value)


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)  # equal to itself for NaN too
    kind: Any = type(value)
    if kind.__eq__ is object.__eq__ and hasattr(value, "__dict__"):
        return _typed(vars(value))  # loaded twice, it is two objects
    return value
