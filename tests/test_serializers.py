"""How the session becomes bytes, and what is said when it cannot."""

from __future__ import annotations

import json
import math
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from pyramid_sqlsession.exceptions import UnstorableValueError
from pyramid_sqlsession.serializers import JSONSerializer, dump

JSON = JSONSerializer()


class Tattler:
    """A value that no JSON can hold, and whose repr must not get into a message."""

    def __repr__(self) -> str:
        return "payload-of-the-visitor"


class Fussy:
    """A serializer that refuses one key next to another, and quotes values in its errors."""

    def dumps(self, value: Any) -> bytes:
        if len(value) > 1:
            raise RuntimeError(f"cannot store {value!r}")
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)


def refused(data: dict[str, Any], serializer: Any = JSON) -> str:
    """Return the message with which the data is refused."""
    with pytest.raises(UnstorableValueError) as info:
        dump(serializer, data)
    return str(info.value)


def test_plain_data_comes_back() -> None:
    """Text of any script, numbers, None, lists and dicts are the same afterwards."""
    data = {"a": [1, 1.5, True, None], "b": {"c": "é\0\u2028\N{PILE OF POO}"}, "": ""}
    assert JSON.loads(dump(JSON, data)) == data


def test_a_lone_surrogate_comes_back() -> None:
    """Half a character, as a browser may send it, does not make the session unstorable."""
    assert JSON.loads(dump(JSON, {"a": "\ud83d"})) == {"a": "\ud83d"}


def test_json_is_compact_and_ascii() -> None:
    """A column of any character set holds it, and it wastes no space."""
    assert dump(JSON, {"a": [1, 2], "b": "é"}) == b'{"a":[1,2],"b":"\\u00e9"}'


def test_tuples_and_keys_follow_pyramids_json_rules() -> None:
    """A tuple comes back as a list, a number used as key as text."""
    assert JSON.loads(JSON.dumps({"a": (1, 2), "b": {1: 2}})) == {"a": [1, 2], "b": {"1": 2}}


@pytest.mark.parametrize("garbled", [b"", b"{", b"\xff", b"{'a': 1}"])
def test_garbled_bytes_are_a_value_error(garbled: bytes) -> None:
    """Who loads a row can tell that its data cannot be read."""
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        JSON.loads(garbled)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1.5E+999"])
def test_what_could_not_be_written_again_is_garbled(number: bytes) -> None:
    """Else a session with it could be read, and never be saved any more."""
    with pytest.raises(ValueError, match=r"not JSON|too large"):
        JSON.loads(b'{"price":' + number + b"}")
    assert JSON.loads(b'{"price":[-1.5e300,0.0]}') == {"price": [-1.5e300, 0.0]}


def test_one_true_and_one_point_zero_are_stored_differently() -> None:
    """Whether a session changed is told by its bytes."""
    assert len({dump(JSON, {"a": value}) for value in (1, True, 1.0)}) == 3


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    """They are no JSON, and a strict reader of the column would choke on them."""
    assert "session['price']" in refused({"ok": 1, "price": value})


def test_the_error_is_both_a_type_error_and_a_value_error() -> None:
    """Code that expects what json.dumps raises goes on working."""
    assert issubclass(UnstorableValueError, TypeError)
    assert issubclass(UnstorableValueError, ValueError)


def test_the_guilty_key_is_named_with_the_type_and_a_remedy() -> None:
    """Among many keys the one that does not serialise is found."""
    message = refused({"a": 1, "user": Tattler(), "z": 2})
    assert message.startswith("session['user'] cannot be serialised: a value of type Tattler")
    assert "sqlsession.serializer" in message


def test_the_place_within_the_value_is_named() -> None:
    """A cart of many things shows which one of them is no plain data."""
    data = {"cart": {"things": [1, {"price": 2}, (3, {"when": Tattler()})], "of": "x"}}
    assert refused(data).startswith("session['cart']['things'][2][1]['when'] cannot")


def test_the_value_is_in_no_message_and_no_traceback() -> None:
    """What the serializer itself says may quote the value, so it goes no further."""
    with pytest.raises(UnstorableValueError) as info:
        dump(Fussy(), {"a": Tattler(), "b": lambda: None})
    assert "payload-of-the-visitor" not in "".join(traceback.format_exception(info.value))


def test_a_key_that_cannot_be_serialised_is_the_guilty_one() -> None:
    """The value under it is innocent, and its type is not blamed."""
    data: dict[Any, Any] = {("a", "b"): 1}
    assert refused(data).startswith("session[('a', 'b')]: the key itself")


def test_an_unserialisable_key_further_in_names_the_dict_that_holds_it() -> None:
    """Keys within the value are found by the place that they are in."""
    message = refused({"cart": {"things": {(1, 2): 3}}})
    assert message.startswith(
        "session['cart']['things'] cannot be serialised: a value of type dict"
    )


def test_a_value_that_contains_itself_is_refused() -> None:
    """The search for the innermost value comes to an end."""
    endless: list[Any] = []
    endless.append(endless)
    assert refused({"a": endless}).startswith("session['a'][0]")


def test_a_value_nested_too_deeply_is_refused() -> None:
    """The interpreter's own limit is an error of the value like any other."""
    deep: list[Any] = []
    for _ in range(200_000):
        deep = [deep]
    assert refused({"a": deep}).startswith("session['a'][0]")


def test_keys_that_fail_only_together_are_said_to_do_so() -> None:
    """No key is blamed when each of them serialises alone."""
    message = refused({"a": 1, "b": 2}, Fussy())
    assert "RuntimeError" in message
    assert "each of its keys alone can" in message


def test_any_serializer_gets_a_plain_dict() -> None:
    """A session is handed over as dict, so that pickle does not store our class."""

    class Session(dict[str, Any]):
        pass

    kinds: list[type] = []

    class Noting:
        def dumps(self, value: Any) -> bytes:
            kinds.append(type(value))
            return json.dumps(value).encode()

        def loads(self, data: bytes) -> Any:
            return json.loads(data)

    assert dump(Noting(), Session(a=1)) == b'{"a": 1}'
    assert kinds == [dict]


def test_other_objects_are_not_searched() -> None:
    """Only lists, tuples and mappings are gone into; an iterator would be used up by it."""

    def numbers() -> Iterator[int]:
        yield 1

    generator = numbers()
    assert "a value of type generator" in refused({"a": generator})
    assert list(generator) == [1]
