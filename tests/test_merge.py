"""Three-way merge: what each of two requests changed is in the result."""

from __future__ import annotations

import copy
import math
from collections import Counter
from datetime import datetime, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyramid_sqlsession.merge import merge

Data = dict[str, Any]

scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, "", "a"])
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xy"), inner),
    max_leaves=4,
)
data = st.dictionaries(st.sampled_from("abcd"), values)
queues = st.lists(st.sampled_from(["Hello", "Saved", "Error"]), max_size=4)


def flashed(messages: list[str]) -> Data:
    """Return the data of a session with these messages, without the queue when it is empty."""
    return {"_f_": messages} if messages else {}


def form(value: Any) -> Any:
    """Return a form that tells 1, True and 1.0 apart, and not the order of keys."""
    if isinstance(value, dict):
        return {repr(key): form(inner) for key, inner in value.items()}
    return [form(inner) for inner in value] if isinstance(value, list) else repr(value)


def assert_equal(one: Data, other: Data) -> None:
    """Compare strictly by type."""
    assert form(one) == form(other)


def test_different_keys_both_survive() -> None:
    """Each request's own key is in the result."""
    assert merge({}, {"mine": 1}, {"theirs": 2}) == {"mine": 1, "theirs": 2}


def test_for_a_key_changed_by_both_mine_wins() -> None:
    """The later save counts."""
    assert merge({"a": 0}, {"a": 1}, {"a": 2}) == {"a": 1}


def test_a_key_that_only_they_changed_is_theirs() -> None:
    """What this request merely read does not go back to an older value."""
    assert merge({"a": 0, "b": 0}, {"a": 0, "b": 1}, {"a": 2, "b": 0}) == {"a": 2, "b": 1}


def test_a_key_that_mine_deleted_is_gone() -> None:
    """A deletion is a change, also of a key that they left alone."""
    assert merge({"a": 0, "b": 0}, {"b": 0}, {"a": 0, "b": 0}) == {"b": 0}


def test_a_later_deletion_beats_their_new_value() -> None:
    """Delete against set: the later one is honoured."""
    assert merge({"a": 0}, {}, {"a": 1}) == {}


def test_a_later_value_beats_their_deletion() -> None:
    """Set against delete: the later one is honoured."""
    assert merge({"a": 0}, {"a": 1}, {}) == {"a": 1}


def test_a_key_that_they_deleted_stays_deleted() -> None:
    """What this request left alone is not brought back."""
    assert merge({"a": 0, "b": 0}, {"a": 0, "b": 1}, {"b": 0}) == {"b": 1}


def test_a_key_that_both_deleted_is_gone() -> None:
    """There is nothing to delete twice."""
    assert merge({"a": 0}, {}, {}) == {}


def test_none_is_a_value_and_no_absence() -> None:
    """A key set to None differs from a key that is not there."""
    assert merge({}, {"a": None}, {"a": 1}) == {"a": None}
    assert merge({"a": None}, {}, {"a": None, "b": 1}) == {"b": 1}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (1, True),
        (1, 1.0),
        (0, False),
        (0.0, -0.0),
        ([1], [True]),
        ({"x": 1}, {"x": 1.0}),
        ({"x": [{"y": 0}]}, {"x": [{"y": False}]}),
        ({1: "x"}, {True: "x"}),
        ([1], (1,)),
        ((1, 2), (1, 2.0)),
        ({1, 2}, {True, 2}),
        ({1}, frozenset({1})),
        ({(1,)}, {(True,)}),
        ("1", 1),
        (b"a", "a"),
    ],
)
def test_equal_values_of_other_types_are_a_change(before: Any, after: Any) -> None:
    """Python calls 1, 1.0 and True equal, a serialised session does not."""
    assert form(merge({"a": before}, {"a": after}, {"a": "theirs"})["a"]) == form(after)


class Plain:
    """An object without an idea of equality, as a pickling application may keep it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class Awkward:
    """An object that cannot be compared."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError

    __hash__ = None  # type: ignore[assignment]  # as Python itself has it beside __eq__


@pytest.mark.parametrize(
    "value",
    [
        [1, {"x": (2, 3)}],
        math.nan,
        [math.nan],
        {1, 2, frozenset({3})},
        datetime(2026, 1, 1, tzinfo=timezone.utc),
        b"bytes",
        Plain([1, Plain(2)]),
        object,
    ],
)
def test_a_copy_is_no_change(value: Any) -> None:
    """What was only loaded twice is theirs, also with a serializer other than JSON."""
    merged = merge({"a": value}, {"a": copy.deepcopy(value)}, {"a": "theirs"})
    assert merged == {"a": "theirs"}


def test_an_object_with_other_attributes_is_a_change() -> None:
    """Objects without an idea of equality are compared by what they hold."""
    mine = Plain(True)
    assert merge({"a": Plain(1)}, {"a": mine}, {"a": "theirs"}) == {"a": mine}


def test_what_cannot_be_compared_counts_as_changed() -> None:
    """A merge does not fail for a strange value; the later save wins."""
    mine = Awkward()
    assert merge({"a": Awkward()}, {"a": mine}, {"a": "theirs"})["a"] is mine


def test_an_object_that_contains_itself_counts_as_changed() -> None:
    """There is no end to comparing it."""
    before, mine = Plain(None), Plain(None)
    before.inner, mine.inner = before, mine
    assert merge({"a": before}, {"a": mine}, {"a": "theirs"})["a"] is mine


def test_messages_of_both_survive_theirs_first() -> None:
    """Two redirects at once show both of their messages."""
    merged = merge({"_f_": ["old"]}, {"_f_": ["old", "mine"]}, {"_f_": ["old", "theirs"]})
    assert merged == {"_f_": ["old", "theirs", "mine"]}


def test_a_message_that_was_shown_does_not_come_back() -> None:
    """Popped here, its new neighbour stays for the next page."""
    assert merge({"_f_": ["old"]}, {}, {"_f_": ["old", "new"]}) == {"_f_": ["new"]}


def test_a_message_that_they_showed_does_not_come_back_by_my_new_one() -> None:
    """Popped there, only what was added here is left."""
    assert merge({"_f_": ["old"]}, {"_f_": ["old", "new"]}, {}) == {"_f_": ["new"]}


def test_a_queue_that_both_popped_is_gone() -> None:
    """No empty list is left behind."""
    merged = merge({"_f_": ["a", "b"]}, {"_f_": ["b"]}, {"_f_": ["a"]})
    assert merged == {}


def test_a_queue_that_both_began_has_the_messages_of_both() -> None:
    """There was none before."""
    assert merge({}, {"_f_": ["mine"]}, {"_f_": ["theirs"]}) == {"_f_": ["theirs", "mine"]}


def test_equal_messages_of_both_are_both_kept() -> None:
    """Two requests that saved something say so twice."""
    assert merge({}, {"_f_x": ["Saved"]}, {"_f_x": ["Saved"]}) == {"_f_x": ["Saved", "Saved"]}


def test_of_equal_messages_only_the_popped_ones_go() -> None:
    """Messages are counted, not collected in a set."""
    merged = merge({"_f_": ["a", "a"]}, {"_f_": ["a"]}, {"_f_": ["a", "a", "b"]})
    assert merged == {"_f_": ["a", "b"]}


def test_queues_are_independent() -> None:
    """Popping one leaves the other."""
    base = {"_f_": ["a"], "_f_error": ["b"]}
    merged = merge(base, {"_f_error": ["b"]}, {"_f_": ["a", "c"], "_f_error": ["b", "d"]})
    assert merged == {"_f_": ["c"], "_f_error": ["b", "d"]}


def test_messages_need_not_be_text() -> None:
    """A message may be a dict, and 1 is not True."""
    merged = merge({"_f_": [{"n": 1}]}, {}, {"_f_": [{"n": True}, {"n": 1}]})
    assert form(merged["_f_"]) == form([{"n": True}])


@pytest.mark.parametrize("key", ["_f_", 1])
def test_what_is_no_queue_is_merged_like_any_value(key: Any) -> None:
    """A strange value under a flash key, or a key that is no text, is no error."""
    assert merge({key: [1]}, {key: "mine"}, {key: [1, 2]}) == {key: "mine"}


def test_lists_elsewhere_are_not_taken_apart() -> None:
    """Whether a list in the application's data may be mixed, only the application knows."""
    assert merge({"a": [1]}, {"a": [1, 2]}, {"a": [1, 3]}) == {"a": [1, 2]}


@settings(deadline=None)  # a slow machine is no failure
@given(base=data, mine=data)
def test_against_unchanged_data_mine_is_the_result(base: Data, mine: Data) -> None:
    """Nobody else changed anything."""
    assert_equal(merge(base, mine, base), mine)


@settings(deadline=None)  # a slow machine is no failure
@given(base=data, theirs=data)
def test_without_a_change_of_mine_theirs_is_the_result(base: Data, theirs: Data) -> None:
    """This request changed nothing."""
    assert_equal(merge(base, base, theirs), theirs)


@settings(deadline=None)  # a slow machine is no failure
@given(base=data, mine=data, theirs=data)
def test_every_key_is_somebodys_choice(base: Data, mine: Data, theirs: Data) -> None:
    """Each key is mine where mine changed it and theirs elsewhere, absence included."""
    merged = merge(base, mine, theirs)
    absent = object()
    for key in {*base, *mine, *theirs}:
        was, became = base.get(key, absent), mine.get(key, absent)
        source = theirs if form(was) == form(became) else mine
        assert form(merged.get(key, absent)) == form(source.get(key, absent))


@settings(deadline=None)  # a slow machine is no failure
@given(base=data, mine=data, theirs=data, queue=queues)
def test_the_arguments_are_left_alone(
    base: Data, mine: Data, theirs: Data, queue: list[str]
) -> None:
    """A request that merges twice begins with the same three each time."""
    versions = (base | flashed(queue), mine | flashed(queue[1:]), theirs | flashed(queue[:1]))
    before = copy.deepcopy(versions)
    merge(*versions)
    for version, copied in zip(versions, before, strict=True):
        assert_equal(version, copied)


@settings(deadline=None)  # a slow machine is no failure
@given(base=queues, added=queues, shown=st.integers(0, 4), theirs=queues)
def test_no_message_is_lost_and_none_is_shown_twice(
    base: list[str], added: list[str], shown: int, theirs: list[str]
) -> None:
    """Counting each message: theirs, less those that mine popped, and those that mine added."""
    mine = base[shown:] + added
    merged = merge(flashed(base), flashed(mine), flashed(theirs))
    popped, new = Counter(base) - Counter(mine), Counter(mine) - Counter(base)
    assert Counter(merged.get("_f_", [])) == (Counter(theirs) - popped) + new
