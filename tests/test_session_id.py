"""The session id: random, digested, signed, and checked before anything else sees it."""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import reduce
from operator import and_, or_

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyramid_sqlsession.session_id import SessionId, digest, from_cookie, new_session_id, to_cookie

ID = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ_-01234"
OTHER_ID = "z" * 43
SECRET = "the first secret of all"
OLD_SECRET = "the secret of last year"


def test_a_session_id_is_256_bits_of_url_safe_text() -> None:
    """43 characters of base64url hold 32 bytes, no two ids are the same, and no bit is fixed."""
    ids = {new_session_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", session_id) for session_id in ids)
    numbers = [int.from_bytes(urlsafe_b64decode(f"{session_id}="), "big") for session_id in ids]
    ever_one, ever_zero = reduce(or_, numbers), ~reduce(and_, numbers)
    assert ever_one & ever_zero == 2**256 - 1


def test_the_digest_is_sha_256_of_the_text() -> None:
    """It can be computed elsewhere, from the cookie, without this package."""
    assert digest(ID) == hashlib.sha256(ID.encode()).digest()


def test_without_secrets_the_cookie_is_the_session_id() -> None:
    """An unsigned cookie holds the id and nothing else."""
    assert to_cookie(ID, ()) == ID
    assert from_cookie(ID, ()) == ID


def test_a_signed_cookie_comes_back() -> None:
    """The value shows the id, a dot and a signature of 43 characters."""
    value = to_cookie(ID, [SECRET])
    assert re.fullmatch(re.escape(ID) + r"\.[A-Za-z0-9_-]{43}", value)
    assert from_cookie(value, [SECRET]) == ID


@pytest.mark.parametrize("secrets", [[], [SECRET]], ids=["unsigned", "signed"])
def test_neither_an_id_nor_its_cookie_shows_by_its_repr(secrets: list[str]) -> None:
    """Services that collect errors show variables by their `repr`."""
    session_id = new_session_id()
    cookie = to_cookie(session_id, secrets)
    given = from_cookie(cookie, secrets)
    assert repr([session_id, cookie, given]) == repr([SessionId()] * 3)


def test_a_new_session_id_survives_the_cookie() -> None:
    """What is minted passes the check of form, signed and unsigned."""
    session_id = new_session_id()
    assert from_cookie(to_cookie(session_id, ()), ()) == session_id
    assert from_cookie(to_cookie(session_id, [SECRET]), [SECRET]) == session_id


def test_the_first_secret_signs_and_every_secret_verifies() -> None:
    """A secret can be replaced without ending the sessions of its time."""
    old_cookie = to_cookie(ID, [OLD_SECRET])
    secrets = [SECRET, OLD_SECRET]
    assert from_cookie(old_cookie, secrets) == ID
    assert to_cookie(ID, secrets) == to_cookie(ID, [SECRET]) != old_cookie


def test_a_dropped_secret_ends_its_sessions() -> None:
    """A signature by a secret that is not in the list is a wrong one."""
    assert from_cookie(to_cookie(ID, [OLD_SECRET]), [SECRET]) is None


def test_a_secret_may_hold_any_text() -> None:
    """Letters beyond ASCII sign as well as others."""
    secrets = ["Größe ist kein Geheimnis"]
    assert from_cookie(to_cookie(ID, secrets), secrets) == ID


def test_the_signature_of_one_id_does_not_sign_another() -> None:
    """A visitor who has a signed cookie cannot sign a guessed id with it."""
    _, signature = to_cookie(ID, [SECRET]).split(".")
    assert from_cookie(f"{OTHER_ID}.{signature}", [SECRET]) is None


def test_a_signature_for_another_purpose_is_worthless() -> None:
    """An application that signs what a visitor sends does not sign session ids by it."""
    mac = hmac.new(SECRET.encode(), ID.encode(), hashlib.sha256).digest()
    signature = urlsafe_b64encode(mac).rstrip(b"=").decode()
    assert from_cookie(f"{ID}.{signature}", [SECRET]) is None


def test_an_unsigned_cookie_is_refused_where_there_are_secrets() -> None:
    """Otherwise leaving the signature out would be the way around it."""
    assert from_cookie(ID, [SECRET]) is None


def test_a_signed_cookie_is_refused_where_there_are_no_secrets() -> None:
    """Dropping all secrets ends the sessions of their time, too."""
    assert from_cookie(to_cookie(ID, [SECRET]), ()) is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        ID[:-1],
        ID + "a",
        ID + "\n",
        ID + "=",
        ID[:-1] + "\0",
        ID[:-1] + "\udcff",
        ID[:-1] + "é",
        ID[:-1] + "٣",
        ID[:-1] + "+",
        " " + ID[1:],
        ID + "." + "a" * 43,
        ID + "." + "a" * 42 + "\n",
        ID + "." + "é" * 43,
        "a" * 1_000_000,
        ".".join(["a" * 43] * 3),
    ],
)
@pytest.mark.parametrize("secrets", [(), (SECRET,)])
def test_a_strange_cookie_is_none_and_no_error(value: str, secrets: tuple[str, ...]) -> None:
    """Too short, too long, NUL, line end, foreign digits, no signature: all the same."""
    assert from_cookie(value, secrets) is None


@settings(deadline=None)  # a slow machine is no failure
@given(value=st.text(), secrets=st.sampled_from([(), (SECRET,)]))
def test_no_text_makes_it_raise(value: str, secrets: tuple[str, ...]) -> None:
    """Whatever a client sends, the answer is None."""
    assert from_cookie(value, secrets) is None
