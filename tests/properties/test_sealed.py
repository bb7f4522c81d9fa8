"""Whatever is handed to what opens, reads and verifies: the right thing, or nothing."""

from __future__ import annotations

import json
from base64 import b64encode
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_sqlsession import JSONSerializer, SessionMixin
from pyramid_sqlsession.encryption import KeyRing
from pyramid_sqlsession.model import generate_model
from pyramid_sqlsession.rows import Row, SessionRows, decode
from pyramid_sqlsession.serializers import dump
from pyramid_sqlsession.session_id import from_cookie, new_session_id, to_cookie
from tests.properties.effort import examples
from tests.properties.strategies import JSON_OBJECTS, JSON_VALUES, TEXTS, edited

JSON = JSONSerializer()
RING = KeyRing([b"n" * 32, b"o" * 32])
ROW: Any = {"digest": b"d" * 32, "created": 1_700_000_000}
SECRETS = ["the first secret of all", "the secret of last year"]


@examples(200)
@given(JSON_OBJECTS)
def test_what_is_dumped_is_read_as_python_reads_it(data: dict[str, Any]) -> None:
    """Whatever JSON can hold; written again, it is the same to the byte."""
    written = dump(JSON, data)
    read = JSON.loads(written)
    assert repr(read) == repr(json.loads(json.dumps(data)))
    assert JSON.loads(dump(JSON, read)) == read


LIKE_JSON = st.one_of(
    JSON_OBJECTS.map(json.dumps).map(str.encode),
    JSON_VALUES.map(json.dumps).map(str.encode),
    edited(JSON_OBJECTS.map(json.dumps)).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.binary(max_size=20),
    st.sampled_from([b'{"a":NaN}', b'{"a":[-Infinity]}', b'{"a":' + b"9" * 5000 + b"}"]),
    st.integers(1, 200_000).map(lambda depth: b'{"a":' + b"[" * depth),
)


def is_strict_json(data: bytes) -> bool:
    """Whether it is by the letter of the standard, and no number is beyond Python."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        json.loads(data.decode("utf-8", "surrogatepass"), parse_constant=refuse)
    except (ValueError, RecursionError):
        return False
    return True


@examples(200)
@given(LIKE_JSON)
def test_a_row_holds_a_session_or_is_not_read(data: bytes) -> None:
    """What is read can be written again, so that a session never gets stuck."""
    row = Row(1, b"", 0, 0, None, 0, 1, data)
    read = decode(JSON, row)
    if read is not None:
        assert is_strict_json(data)
        assert isinstance(read, dict)
        dump(JSON, read)
    elif is_strict_json(data):
        assert not isinstance(json.loads(data), dict)


# What is encrypted

HEAD = RING.seal(b"", **ROW)[:5]


@examples(100)
@given(st.binary(max_size=50), st.data())
def test_only_what_was_sealed_for_the_row_opens(data: bytes, drawn: st.DataObject) -> None:
    """Whatever part of it is another's."""
    sealed = RING.seal(data, **ROW)
    assert RING.open(sealed, **ROW) == data
    start = drawn.draw(st.integers(0, len(sealed)))
    other = sealed[:start] + drawn.draw(st.binary(max_size=4)) + sealed[start + 2 :]
    assert RING.open(other, **ROW) == (data if other == sealed else None)


@examples(100)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda b: HEAD + b))
def test_nothing_that_nobody_sealed_opens(sealed: bytes) -> None:
    """Though it begin as sealed data does."""
    assert RING.open(sealed, **ROW) is None


@pytest.fixture(scope="module")
def rows() -> SessionRows:
    """Rows whose data is encrypted, in a column of text."""
    model: type[SessionMixin] = generate_model("sessions", None)
    return SessionRows(model, RING)


@examples(100)
@given(TEXTS | edited(st.just(b64encode(RING.seal(b"{}", **ROW)).decode())))
def test_a_text_that_nobody_wrote_is_nobodys_session(rows: SessionRows, text: str) -> None:
    """Base64 or not."""
    text = text.encode("utf-8", "ignore").decode()  # which a database would not have held
    row = Row(1, ROW["digest"], ROW["created"], 0, None, 0, 1, b"")
    data = rows._data.data(text, **ROW)
    assert decode(JSON, row._replace(data=data)) is None or data == b"{}"


# Session ids


@examples(200)
@given(
    st.data(),
    st.sampled_from([[], SECRETS[:1], SECRETS]),
    st.sampled_from([[], *[[s] for s in SECRETS]]),
)
def test_only_what_was_signed_is_an_id(
    drawn: st.DataObject, verifying: list[str], signing: list[str]
) -> None:
    """By one of the secrets, if there are any, and to the letter."""
    session_id = new_session_id()
    cookie = to_cookie(session_id, signing)
    is_good = bool(verifying) == bool(signing) and set(signing) <= set(verifying)
    assert from_cookie(cookie, verifying) == (session_id if is_good else None)
    other = drawn.draw(edited(st.just(cookie)))
    if other != cookie:
        found = from_cookie(other, verifying)
        assert found is None or (not verifying and found == other)


@examples(20)
@given(st.sampled_from(ascii_letters + digits + "-_"))
def test_no_place_of_a_signed_id_may_be_another(character: str) -> None:
    """Not the last one either, of which two bits say nothing."""
    cookie = to_cookie(new_session_id(), SECRETS)
    others = {f"{cookie[:place]}{character}{cookie[place + 1 :]}" for place in range(len(cookie))}
    assert [from_cookie(other, SECRETS) for other in others - {cookie}] == [None] * len(
        others - {cookie}
    )
