"""Whatever the settings are: what they mean, or one error that names all that is wrong."""

from __future__ import annotations

import json
import re
import traceback
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from pyramid.request import Request
from pyramid.response import Response
from sqlalchemy import ARRAY, Column, Integer
from sqlalchemy.engine import make_url
from sqlalchemy.types import TypeDecorator

from pyramid_sqlsession import SettingsError
from pyramid_sqlsession.cookie import SessionCookie
from pyramid_sqlsession.session_id import new_session_id
from pyramid_sqlsession.settings import SETTINGS, SessionSettings, parse_settings
from tests.properties.effort import examples
from tests.properties.strategies import CHARACTERS, TEXTS, edited

NAMES = [*SETTINGS, "sqlalchemy.url"]
SECRET = "TREASURE of the application"
KEY = urlsafe_b64encode(b"TREASURE" * 4).decode()
SHORTEST, LONGEST = 1, 2**31 - 1
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Unshowable:
    """Fails when it is to be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


class NoType(TypeDecorator[Any]):
    """Cannot be made, for want of an `impl`."""


WORDS = [
    *("true", "off", "1", "none", "auto", "0", "90", "15m", "24h", "-1", "Lax", "None"),
    *("merge", "retry", "keep", "exception-view", "auth.userid tenant", "dbsession"),
    *("session", "__Host-s", "/", "/app", "example.com", "sessions", "json", "a.b:c", ".model"),
    *("sqlite://", "postgresql+psycopg://u:p@h:5432/d?x=y", "sqlite+base://", "a+b+c://"),
    *(SECRET, KEY, f"{SECRET}\n{KEY}", "pickle", "json.dumps"),
]
OBJECTS = st.one_of(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=40),
    st.timedeltas() | st.lists(TEXTS | st.sampled_from([SECRET, KEY]), max_size=2),
    st.dictionaries(st.sampled_from(["name", "data", "a b", 1]), st.just(Integer), max_size=2),
    st.sampled_from([object(), object, json, len, Unshowable(), Unshowable, 10**5000]),
    st.sampled_from([{"x": ARRAY}, {"x": NoType}, {"x": Column()}, make_url("sqlite://")]),
)
VALUES = TEXTS | st.sampled_from(WORDS) | edited(st.sampled_from(WORDS)) | OBJECTS


def parse(given: dict[str, Any]) -> SessionSettings | list[str]:
    """Return the settings, or what is wrong with them, each in one line."""
    try:
        return parse_settings({f"sqlsession.{name}": value for name, value in given.items()})
    except SettingsError as error:
        headline, *problems = str(error).split("\n  ")
        assert headline == "These settings cannot work:"
        return problems


def problems_of(given: dict[str, Any]) -> list[str]:
    """Return what is wrong with the settings, nothing if they can work."""
    found = parse(given)
    return found if isinstance(found, list) else []


def names_in(problem: str) -> frozenset[str]:
    """Return the settings that a problem is about."""
    return frozenset(name for name in NAMES if f"sqlsession.{name} = " in problem)


def header_of(settings: SessionSettings) -> bytes:
    """Return the header that sets a cookie, which the settings let a browser send back."""
    cookie, session_id, response = SessionCookie(settings), new_session_id(), Response()
    value = cookie.value(session_id, None)
    cookie.tell(Request.blank("/"), response, value)
    sent_back = {"HTTP_COOKIE": f"{settings.cookie_name}={value.value}"}
    assert cookie.read(Request.blank("/", environ=sent_back)) == [session_id]
    [header] = response.headers.getall("Set-Cookie")
    return str(header).encode("ascii")


@examples(300)
@given(st.sampled_from(NAMES), VALUES)
@example("expiration", 10**5000)
@example("secret", SECRET + "\udcff")
@example("additional_fields", {"x": ARRAY})
@example("additional_fields", {"x": NoType})
@example("sqlalchemy.url", "postgresql+json://")
@example("sqlalchemy.url", "sqlite+a+b://")
def test_a_value_is_taken_or_refused_by_name(name: str, value: Any) -> None:
    """Whatever it is, there is no other error; and what is taken works."""
    found = parse({name: value})
    if isinstance(found, list):
        assert found
        assert all(name in names_in(problem) for problem in found)
    else:
        assert b"\n" not in header_of(found)


@examples(100)
@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8))
def test_all_that_is_wrong_by_itself_is_said_at_once(given: dict[str, Any]) -> None:
    """Nothing hides behind another mistake, and nothing becomes wrong by it."""
    alone = [
        problem
        for name in NAMES
        if name in given
        for problem in problems_of({name: given[name]})
        if len(names_in(problem)) == 1
    ]
    together = [problem for problem in problems_of(given) if len(names_in(problem)) == 1]
    assert together == alone


# What values mean


def spelled_alike(meaning: Any, *spellings: Any) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.sampled_from([(spelling, meaning) for spelling in spellings])


def spelled(meaning: Any, *spellings: Any) -> st.SearchStrategy[tuple[Any, Any]]:
    """Spellings of a value, in any case of letters, each with what it means."""
    cases = st.sampled_from([str.lower, str.upper, str.title, str])
    texts = st.builds(
        lambda case, value: case(value) if isinstance(value, str) else value,
        cases,
        st.sampled_from(spellings),
    )
    return st.tuples(texts, st.just(meaning))


def itself(*values: str) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.sampled_from([(value, value) for value in values])


def spellings_of(seconds: int) -> list[Any]:
    whole = [(unit, size) for unit, size in UNITS.items() if seconds % size == 0]
    texts = [f"{seconds // size}{space}{unit}" for unit, size in whole for space in ("", " ")]
    return [seconds, timedelta(seconds=seconds), *texts]


SECONDS = st.one_of(
    st.integers(1, 1000),
    st.builds(lambda number, unit: number * unit, st.integers(1, 99), st.sampled_from([60, 3600])),
    st.integers(1, 24855).map(lambda days: days * 86400),
    st.sampled_from([SHORTEST, LONGEST]),
)
DURATIONS = SECONDS.flatmap(
    lambda seconds: st.tuples(st.sampled_from(spellings_of(seconds)), st.just(seconds))
)
NONE = spelled(None, "none", None)
AUTO = "auto"
MEANT: dict[str, st.SearchStrategy[tuple[Any, Any]]] = {
    "expiration": NONE | DURATIONS,
    "absolute_expiration": NONE | DURATIONS,
    "cookie_max_age": NONE | DURATIONS,
    "prune_interval": NONE | DURATIONS | spelled_alike(None, "0", 0, "0h", timedelta()),
    "touch_interval": NONE | DURATIONS | spelled_alike(0, "0", 0, "0 m") | spelled(AUTO, "auto"),
    "cookie_secure": (
        spelled(None, "auto", None)
        | spelled(True, "true", "yes", "on", "1", True)
        | spelled(False, "false", "no", "off", "0", False)
    ),
    "cookie_samesite": (
        spelled(None, "off", None)
        | spelled("None", "none")
        | spelled("Lax", "lax")
        | spelled("Strict", "strict")
    ),
    "cookie_name": itself("session", "__Host-s", "__HOST-s", "__Secure-s", "__secure-s", "_Host-"),
    "cookie_domain": NONE | itself("example.com", ".example.com"),
    "cookie_path": itself("/", "/app", "//"),
    "on_abort": spelled("keep", "keep") | spelled("exception-view", "exception-view"),
    "on_conflict": spelled("merge", "merge") | spelled("retry", "retry"),
}


def contradictions(meant: dict[str, Any]) -> set[frozenset[str]]:
    """Return what browsers or sessions in use could not live with, as the design has it."""
    name, touch, idle = meant["cookie_name"].lower(), meant["touch_interval"], meant["expiration"]
    is_host, is_secure = name.startswith("__host-"), meant["cookie_secure"] is True
    found = {
        ("cookie_samesite", "cookie_secure"): meant["cookie_samesite"] == "None" and not is_secure,
        ("cookie_name", "cookie_secure"): name.startswith(("__host-", "__secure-"))
        and not is_secure,
        ("cookie_name", "cookie_domain"): is_host and meant["cookie_domain"] is not None,
        ("cookie_name", "cookie_path"): is_host and meant["cookie_path"] != "/",
        ("touch_interval", "expiration"): touch not in (None, AUTO)
        and idle is not None
        and 2 * touch > idle,
    }
    return {frozenset(names) for names, is_found in found.items() if is_found}


def touched_every(interval: Any, expiration: int | None) -> int | None:
    """Return the seconds between two touches; by default a hundredth, ten minutes at most."""
    if interval != AUTO:
        return None if interval is None else int(interval)
    return 600 if expiration is None else min(600, expiration // 100)


@examples(200)
@given(st.fixed_dictionaries(MEANT))
def test_settings_mean_what_is_written_or_what_contradicts_is_named(
    given: dict[str, tuple[Any, Any]],
) -> None:
    """Every value by itself is right."""
    meant = {name: meaning for name, (_, meaning) in given.items()}
    found = parse({name: value for name, (value, _) in given.items()})
    if isinstance(found, list):
        assert {names_in(problem) for problem in found} == contradictions(meant)
        assert len(found) == len(contradictions(meant))
    else:
        assert contradictions(meant) == set()
        interval = touched_every(meant["touch_interval"], meant["expiration"])
        assert {name: getattr(found, name) for name in meant} == {
            **meant,
            "touch_interval": interval,
        }


def seconds_of(text: str) -> int | None:
    """Read a duration, of up to twelve digits, as a person would."""
    unit = text[-1] if text.endswith(("s", "m", "h", "d")) else ""
    number = text.removesuffix(unit).removesuffix(" ")
    if not number or len(number) > 12 or set(number) - set("0123456789"):
        return None
    seconds = int(number) * UNITS[unit]
    return seconds if SHORTEST <= seconds <= LONGEST else None


LIKE_DURATIONS = st.from_regex(r"[ +-]?[0-9٣]{0,13}\.?[0-9]? {0,2}[smhdSMHDwy]?", fullmatch=True)


@examples(200)
@given(LIKE_DURATIONS | edited(LIKE_DURATIONS, most=1) | TEXTS)
def test_a_duration_is_read_as_it_is_written_or_refused(text: str) -> None:
    """Nothing is guessed."""
    assume(text.lower() != "none")
    found = parse({"cookie_max_age": text})
    assert (None if isinstance(found, list) else found.cookie_max_age) == seconds_of(text)


# Unknown keys, and secrets


@examples(100)
@given(edited(st.sampled_from([name for name in NAMES if len(name) > 5]), most=1))
def test_a_slip_of_the_hand_is_refused_with_the_name_that_was_meant(unknown: str) -> None:
    """One character too many, too few, or another one; the value is not shown."""
    assume(unknown not in NAMES and not unknown.startswith("sqlalchemy."))
    [problem] = problems_of({unknown: SECRET})
    begin, _, nearest = problem.rpartition(" is unknown: the nearest known name is sqlsession.")
    assert begin == f"sqlsession.{unknown}"
    assert nearest in NAMES
    assert SECRET not in problem


ODD_TEXTS = st.text(st.sampled_from(" @/:'\"\\\n\t?#") | CHARACTERS, max_size=4)
ODD_PASSWORDS = st.tuples(ODD_TEXTS, ODD_TEXTS)
URLS = ODD_PASSWORDS.map(lambda odd: f"postgresql://user:{odd[0]}TREASURE{odd[1]}@localhost/db")
HOLDING_SECRETS = {
    "secret": st.sampled_from([SECRET, [SECRET], f"{SECRET}\nshort", [SECRET, b""], "TREASURE"]),
    "encryption_keys": st.sampled_from([KEY, [KEY, KEY], f"{KEY[:-2]}", KEY.encode()]),
    "sqlalchemy.url": URLS | URLS.map(lambda url: url.replace("postgresql", "postgrs")),
    "sqlalchemy.connect_args": st.just({"password": "TREASURE"}),
    "secretes": st.just(SECRET),
}


@examples(100)
@given(
    st.fixed_dictionaries({}, optional=HOLDING_SECRETS),
    st.dictionaries(st.sampled_from(sorted(SETTINGS)), URLS, max_size=2),
)
def test_no_error_shows_a_secret(secrets: dict[str, Any], misplaced: dict[str, str]) -> None:
    """Nor a password, in whatever setting the url has landed; nor does the traceback."""
    given = {**misplaced, **secrets, "create_table": "tru"}
    with pytest.raises(SettingsError) as info:
        parse_settings({f"sqlsession.{name}": value for name, value in given.items()})
    assert not re.search(
        "treasure", "".join(traceback.format_exception(info.value)), re.IGNORECASE
    )
