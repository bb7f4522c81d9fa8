"""Moves that are made on a session and on a plain dict alike."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.properties.strategies import JSON_VALUES, one_in

Move = tuple[str, tuple[Any, ...]]

# Of two keys that JSON makes one of, the later wins; a change of the login gives a new id.
ODD_KEYS = ["", "\ud83d", "é\0", "7", 7, "auth.userid"]
KEYS = st.sampled_from([*["a", "b", "_f_"] * 3, "_f_q", *ODD_KEYS])
QUEUES = st.sampled_from(["", "q"])
UNSTORABLE = st.sampled_from([float("nan"), b"bytes", {1, 2}, 1j, {(1, 2): 3}])
LISTS = st.lists(st.integers(0, 2), max_size=2)
VALUES = st.integers(0, 1) | LISTS | JSON_VALUES
MAPPINGS = st.dictionaries(KEYS, VALUES, max_size=2)
PAIRS = st.lists(st.tuples(KEYS, VALUES) | st.just(7), max_size=2)


class Hand:
    """Makes moves on one of the two, and keeps hold of the values that it had to do with."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.held: list[Any] = []

    def hold(self, value: Any) -> Any:
        """Keep a value that may be changed later."""
        if isinstance(value, list | dict):
            self.held.append(value)
        return value

    def take(self, key: Any) -> Any:
        return self.hold(self.session[key])

    def get(self, key: Any, *default: Any) -> Any:
        return self.hold(self.session.get(key, *default))

    def put(self, key: Any, value: Any) -> None:
        self.session[key] = self.hold(value)

    def link(self, key: Any) -> None:
        """Put in once more what is or was somewhere else."""
        self.session[key] = self.held[-1]

    def delete(self, key: Any) -> None:
        del self.session[key]

    def pop(self, key: Any, *default: Any) -> Any:
        return self.hold(self.session.pop(key, *default))

    def popitem(self) -> Any:
        return self.session.popitem()

    def setdefault(self, key: Any, *default: Any) -> Any:
        return self.hold(self.session.setdefault(key, *default))

    def update(self, values: Any) -> None:
        self.hold_all(values)
        self.session.update(values)

    def update_by_name(self, value: Any) -> None:
        self.session.update(a=self.hold(value))

    def unite(self, values: Any) -> None:
        self.hold_all(values)
        self.session |= values

    def union(self, values: Any) -> Any:
        return self.session | values

    def clear(self) -> None:
        self.session.clear()

    def look(self) -> Any:
        self.hold_all(dict(self.session))
        return list(self.session), list(self.session.items()), list(reversed(self.session))

    def count(self, key: Any) -> Any:
        return len(self.session), bool(self.session), key in self.session, self.session == {}

    def flash(self, message: Any, queue: str, allow_duplicate: bool) -> None:
        self.session.flash(message, queue, allow_duplicate)

    def peek(self, queue: str) -> Any:
        return self.hold(self.session.peek_flash(queue))

    def pop_messages(self, queue: str) -> Any:
        return self.session.pop_flash(queue)

    def changed(self) -> Any:
        return self.session.changed()

    def reach_in(self, how: str, key: Any, value: Any) -> None:
        """Get hold of a value one way or another, and change it inside."""
        ways: dict[str, Callable[[], Any]] = {
            "[]": lambda: self.session[key],
            "get": lambda: self.session.get(key),
            "setdefault": lambda: self.session.setdefault(key, []),
            "values": lambda: list(self.session.values())[-1],
            "copy": lambda: self.session.copy()[key],
        }
        self.hold(ways[how]())
        self.grow(value)

    def grow(self, value: Any) -> None:
        """Change a value inside."""
        inner = self.held[-1]
        if isinstance(inner, list):
            inner.append(value)
        else:
            inner["grown"] = value

    def shrink(self) -> None:
        """Change it back, perhaps."""
        inner = self.held[-1]
        inner.pop() if isinstance(inner, list) else inner.popitem()

    def hold_all(self, values: Any) -> None:
        for value in values.values() if isinstance(values, dict) else values:
            self.hold(value[1] if isinstance(value, tuple) else value)


def move(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Move]:
    return st.tuples(st.just(name), st.tuples(*arguments))


WAYS = ("[]", "get", "setdefault", "values", "copy")
USUAL = [
    move("put", KEYS, LISTS),
    *[move("reach_in", st.just(way), KEYS, st.integers(0, 1)) for way in WAYS],
    move("grow", VALUES),
    move("flash", VALUES, QUEUES, st.booleans()),
    move("pop_messages", QUEUES),
]
UNUSUAL = [
    *[move(name, KEYS) for name in ("take", "get", "link", "delete", "pop", "count")],
    *[move(name, KEYS, VALUES) for name in ("get", "put", "pop", "setdefault")],
    *[move(name) for name in ("popitem", "clear", "look", "changed", "shrink")],
    *[move(name, MAPPINGS) for name in ("update", "unite", "union")],
    *[move(name, PAIRS) for name in ("update", "unite")],
    move("update_by_name", VALUES),
    move("setdefault", KEYS),
    move("peek", QUEUES),
    move("put", st.just("a"), UNSTORABLE),
    move("take", st.just([])),
]
MOVES = one_in([*USUAL * 5, *UNUSUAL])
LOADED = st.dictionaries(KEYS.map(str), VALUES, max_size=4)


def outcome(hand: Hand, move: Move) -> str:
    """Return what a move results in, a kind of error or a value, with the types in it."""
    name, arguments = copy.deepcopy(move)
    try:
        return f"returned {getattr(hand, name)(*arguments)!r}"
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return f"raised {error!r}" if isinstance(error, KeyError) else f"raised {type(error)}"
