"""How the session becomes bytes and comes back: JSON, with errors that name the guilty key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from math import isinf
from typing import Any, Protocol

from pyramid_sqlsession.exceptions import UnstorableValueError

_DEEPEST_STEP_NAMED = 8
_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Serializer(Protocol):
    """What the setting `serializer` must resolve to."""

    def dumps(self, value: Any, /) -> bytes:
        """Return the value as bytes; raise any exception when that cannot be done."""

    def loads(self, data: bytes, /) -> Any:
        """Return the value that became these bytes; raise any exception when they are garbled."""


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if isinf(number):
        raise ValueError("a number is too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)


class JSONSerializer:
    """JSON by Pyramid's rules: tuples come back as lists, keys as text, NaN is refused."""

    def dumps(self, value: Any) -> bytes:
        """Return compact ASCII; raise TypeError or ValueError for what JSON cannot hold."""
        return _ENCODER.encode(value).encode("ascii")

    def loads(self, data: bytes) -> Any:
        """Return the value; raise ValueError when the bytes are not JSON that can be written."""
        return _DECODER.decode(data.decode("utf-8", "surrogatepass"))


class SortingSerializer:
    """Another one that writes JSON, with its keys in order: for a column that keeps no order.

    What the database has made of the content is then equal to what was written.
    """

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer
        self.loads = serializer.loads

    def dumps(self, value: Any) -> bytes:
        """Return what the other writes, sorted; raise ValueError for what JSONB cannot hold."""
        data = sorted_json(json.loads(self._serializer.dumps(value), parse_constant=_refuse))
        if _NUL.search(data):
            raise ValueError("a NUL")
        return data


def sorted_json(value: Any) -> bytes:
    """Return compact UTF-8, the keys in order; raise ValueError for half of a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode()


def dump(serializer: Serializer, data: Mapping[str, Any]) -> bytes:
    """Return the session's data as bytes.

    Raises UnstorableValueError, which names the key and never shows the value. The serializer's
    own error may quote the value, so it is kept out of the traceback.
    """
    try:
        return serializer.dumps(dict(data))
    except Exception as error:  # noqa: BLE001  # a serializer may raise what it likes
        problem = _problem(serializer, data, type(error).__name__)
    raise UnstorableValueError(problem)


def _problem(serializer: Serializer, data: Mapping[str, Any], reason: str) -> str:
    key = next((key for key in data if not _is_storable(serializer, {key: data[key]})), None)
    if key is None:
        return f"the session cannot be serialised ({reason}), though each of its keys alone can"
    if not _is_storable(serializer, {key: None}):
        return f"session[{key!r}]: the key itself cannot be serialised ({reason}). Use a text."
    steps, value = _guilty(serializer, key, data[key])
    return (
        f"session[{key!r}]{steps} cannot be serialised: {_kind(value)} ({reason}). Store plain "
        "data such as text, numbers, lists and dicts, or configure sqlsession.serializer with one "
        "that can store it."
    )


def _kind(value: Any) -> str:
    if isinstance(value, float):
        return "a float that is NaN or infinite"
    return f"a value of type {type(value).__qualname__}"


def _guilty(serializer: Serializer, key: str, value: Any) -> tuple[str, Any]:
    """Return the way down from the key to the innermost value that cannot be stored."""
    steps = ""
    # The depth is bounded because a value that contains itself has no innermost one.
    for _ in range(_DEEPEST_STEP_NAMED):
        for step, inner in _items(value):
            if not _is_storable(serializer, {key: inner}):
                steps, value = f"{steps}[{step!r}]", inner
                break
        else:
            break
    return steps, value


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def _is_storable(serializer: Serializer, data: dict[str, Any]) -> bool:
    try:
        serializer.dumps(data)
    except Exception:  # noqa: BLE001  # a serializer may raise what it likes
        return False
    return True
