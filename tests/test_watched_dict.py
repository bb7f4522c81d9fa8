"""A dict that knows whether it has changed, whoever has got hold of what is in it, and however."""

from __future__ import annotations

import copy
import json
import operator
import pickle
from collections import ChainMap
from collections.abc import Callable
from datetime import date
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_sqlsession.watched_dict import WatchedDict, content_of, is_another

Act = Callable[[WatchedDict], Any]


def watched(**values: Any) -> WatchedDict:
    """Return one as it is after loading."""
    return WatchedDict(values or {"x": 1, "cart": ["an apple"]})


READING: dict[str, Act] = {
    "a value": lambda watched: watched["x"],
    "get": lambda watched: watched.get("x"),
    "get nothing": lambda watched: watched.get("missing"),
    "in": lambda watched: "cart" in watched,
    "len": len,
    "bool": bool,
    "iter": list,
    "keys": lambda watched: list(watched.keys()),
    "reversed": lambda watched: list(reversed(watched)),
    "==": lambda watched: watched == {},
    "repr": repr,
    "unwatched": lambda watched: watched.unwatched(),
}


@pytest.mark.parametrize("read", READING.values(), ids=READING)
def test_reading_what_cannot_change_asks_for_no_look_inside(read: Act) -> None:
    """However large the rest is."""
    session = watched()
    read(session)
    assert session._lent is None
    assert session.is_still(session.moment())


def _united(target: Any, source: Any) -> Any:
    target |= source
    return target


def _updated(target: dict[str, Any], source: dict[str, Any]) -> dict[str, Any]:
    target.update(source)
    return target


def _taken(cart: list[str], **_others: Any) -> list[str]:
    return cart


def _matched(watched: WatchedDict) -> Any:
    match watched:
        case {"cart": cart}:
            return cart
    return None


LENDING: dict[str, Act] = {
    "match": _matched,
    "a value": lambda watched: watched["cart"],
    "get": lambda watched: watched.get("cart"),
    "setdefault": lambda watched: watched.setdefault("cart", []),
    "values": lambda watched: list(watched.values())[1],
    "items": lambda watched: dict(watched.items())["cart"],
    "dict": lambda watched: dict(watched)["cart"],
    "**": lambda watched: {**watched}["cart"],
    "a keyword": lambda watched: _taken(**watched),
    "copy": lambda watched: watched.copy()["cart"],
    "copy.copy": lambda watched: copy.copy(watched)["cart"],
    "|": lambda watched: (watched | {})["cart"],
    "| the other way": lambda watched: ({} | watched)["cart"],
    "|= the other way": lambda watched: _united({}, watched)["cart"],
    "update the other way": lambda watched: _updated({}, watched)["cart"],
    "ChainMap": lambda watched: ChainMap(watched)["cart"],
    "a proxy": lambda watched: MappingProxyType(watched)["cart"],
    "the proxy of the keys": lambda watched: watched.keys().mapping["cart"],
    "itemgetter": operator.itemgetter("cart"),
    "a default": lambda watched: watched.get("missing", watched["cart"]),
}


@pytest.mark.parametrize("get_hold", LENDING.values(), ids=LENDING)
def test_what_was_lent_is_looked_into(get_hold: Act) -> None:
    """Whichever way somebody got hold of it, and whenever it is changed."""
    session = watched()
    before = session.moment()
    cart = get_hold(session)
    assert session.is_still(before) or session.changes
    between = session.moment()
    cart.append("a pear")
    assert not session.is_still(before)
    assert not session.is_still(between)
    assert session.has_other_content(between)


PUTTING: dict[str, Callable[[WatchedDict, Any], Any]] = {
    "a value": lambda watched, value: operator.setitem(watched, "cart", value),
    "update": lambda watched, value: watched.update({"cart": value}),
    "update by name": lambda watched, value: watched.update(cart=value),
    "|=": lambda watched, value: _united(watched, {"cart": value}),
    "setdefault": lambda watched, value: watched.setdefault("new", value),
}


@pytest.mark.parametrize("put", PUTTING.values(), ids=PUTTING)
def test_what_was_put_in_is_looked_into(put: Callable[[WatchedDict, Any], Any]) -> None:
    """Who has put it in may hold it still."""
    session = watched()
    cart: list[str] = []
    put(session, cart)
    between = session.moment()
    assert session.is_still(between)
    cart.append("a pear")
    assert not session.is_still(between)


@pytest.mark.parametrize(
    "put",
    [
        lambda watched, value: watched.update([("cart", value), "nothing"]),
        lambda watched, value: _united(watched, [("cart", value), "nothing"]),
    ],
    ids=["update", "|="],
)
def test_what_was_put_in_before_an_error_is_looked_into(
    put: Callable[[WatchedDict, Any], Any],
) -> None:
    """A dict takes what comes before the item that fails."""
    session = WatchedDict()
    cart: list[str] = []
    with pytest.raises(ValueError, match="dictionary update sequence"):
        put(session, cart)
    between = session.moment()
    cart.append("a pear")
    assert session.unwatched() == {"cart": ["a pear"]}
    assert not session.is_still(between)


CHANGING: dict[str, Act] = {
    "set": lambda watched: operator.setitem(watched, "x", 2),
    "delete": lambda watched: operator.delitem(watched, "x"),
    "pop": lambda watched: watched.pop("x"),
    "popitem": lambda watched: watched.popitem(),
    "clear": lambda watched: watched.clear(),
    "update": lambda watched: watched.update(x=2),
    "|=": lambda watched: _united(watched, {"x": 2}),
    "setdefault": lambda watched: watched.setdefault("y", 2),
}


@pytest.mark.parametrize("change", CHANGING.values(), ids=CHANGING)
def test_every_way_to_change_it_counts(change: Act) -> None:
    """And does what it does to any other dict."""
    session, plain = watched(x=1), {"x": 1}
    before = session.moment()
    assert change(session) == change(plain)  # type: ignore[arg-type]  # a plain dict can as much
    assert session == plain
    assert not session.is_still(before)


def test_it_is_itself_after_an_in_place_union() -> None:
    """Not a plain dict that nobody saves."""
    session = same = watched()
    session |= {"y": 2}
    assert session is same


def test_it_is_pickled_and_serialised_as_other_dicts_are() -> None:
    """With its values."""
    session = watched(x=1, cart=["an apple"])
    assert json.loads(json.dumps(session)) == session.unwatched()
    assert pickle.loads(pickle.dumps(session)) == session.unwatched()


# The content

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
CONTENTS = st.dictionaries(st.text(), PLAIN, max_size=4)


@given(CONTENTS, CONTENTS)
def test_equal_bytes_mean_equal_json(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Never the other way round: a look that says "the same" must be right."""
    if content_of(one) == content_of(other):
        assert json.dumps(one) == json.dumps(other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, True), (1, 1.0), (0.0, -0.0), ("1", 1), (None, False), ([], ())]
)
def test_values_of_two_types_are_not_the_same(one: object, other: object) -> None:
    """Though Python calls some of them equal."""
    assert content_of({"x": [one]}) != content_of({"x": [other]})


def test_of_unusual_values_nothing_is_known() -> None:
    """They are serialised again."""
    session = watched(day=[date(2026, 1, 1)])
    before = session.moment()
    assert session["day"]
    assert not session.is_still(before)
    assert not session.has_other_content(before)


class Touchy:
    """Does not like to be compared, as arrays do not."""

    def __eq__(self, other: object) -> bool:
        raise ValueError

    __hash__ = None  # type: ignore[assignment]  # as it is unequal to everything


def test_objects_are_not_asked_whether_they_are_equal() -> None:
    """Only the plainest values are; of others it is not known."""
    assert is_another(1, 2)
    assert is_another(1, True)
    assert is_another([], ())
    assert not is_another("x", "x")
    assert not is_another(Touchy(), Touchy())
