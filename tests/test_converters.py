"""Strict conversions: what each accepts, and what it refuses instead of guessing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from pyramid_sqlsession.converters import (
    BOOLEAN,
    DATABASE_URL,
    DURATION,
    KEYS,
    SECRETS,
    Refused,
    choice,
    or_word,
    text,
)
from tests.refusing import refused

SECRET = "sixteen letters!"


@pytest.mark.parametrize("value", ["true", "True", "yes", "ON", "1", True])
def test_these_are_true(value: str | bool) -> None:
    """The usual words, in any case, and the object itself."""
    assert BOOLEAN.convert(value) is True


@pytest.mark.parametrize("value", ["false", "False", "no", "OFF", "0", False])
def test_these_are_false(value: str | bool) -> None:
    """The usual words, in any case, and the object itself."""
    assert BOOLEAN.convert(value) is False


@pytest.mark.parametrize("value", ["tru", "", "t", "2", 1, 0, None, [], b"true"])
def test_a_boolean_is_not_guessed(value: Any) -> None:
    """A slip of the pen is not False, and what has a truth value is no boolean."""
    refused(BOOLEAN, value)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("15 m", 900),
        ("24h", 86_400),
        ("14d", 1_209_600),
        ("1", 1),
        (90, 90),
        (timedelta(days=14), 1_209_600),
        (2**31 - 1, 2**31 - 1),
    ],
)
def test_a_duration_is_seconds_or_a_number_with_a_unit(value: Any, seconds: int) -> None:
    """Units are seconds, minutes, hours and days; a timedelta will do as well."""
    assert DURATION.convert(value) == seconds
    assert type(DURATION.convert(value)) is int


@pytest.mark.parametrize(
    "value",
    [
        *("0", "0d", 0, "-5", -5, timedelta(0), timedelta(days=-1)),
        *("", "h", "15x", "15M", "1h30m", "1.5h", "1e3", "15  m", " 15", "15\n", "٣", "none"),
        *(1.5, 90.0, True, None, b"90"),
        *(2**31, "24856d", timedelta.max, "9" * 5000),
    ],
)
def test_a_duration_is_not_guessed(value: Any) -> None:
    """Nothing, less than nothing, junk, and what no column or cookie could hold."""
    refused(DURATION, value)


def test_a_fraction_of_a_second_is_refused_with_the_reason() -> None:
    """A timedelta that does not consist of whole seconds is not rounded."""
    assert "fraction" in refused(DURATION, timedelta(seconds=1, milliseconds=500))


@pytest.mark.parametrize("value", ["none", "None", "NONE", None])
def test_a_word_stands_for_its_meaning(value: str | None) -> None:
    """The word is known in any case; the object None means the same."""
    assert or_word("none", DURATION).convert(value) is None
    assert or_word("none", KEYS, meaning=()).convert(value) == ()


def test_beside_the_word_the_other_values_are_as_before() -> None:
    """The word is an addition, also to the words that tell what is accepted."""
    converter = or_word("none", DURATION)
    assert converter.convert("15m") == 900
    assert converter.accepts == f"{DURATION.accepts}, or none"
    refused(converter, "non")


def test_a_choice_is_converted_to_the_word_as_documented() -> None:
    """The case does not matter; what is no word of the list is refused."""
    converter = choice("Lax", "Strict", "None")
    assert converter.convert("lax") == "Lax"
    assert converter.convert("NONE") == "None"
    assert converter.accepts == "Lax, Strict or None"
    for value in ("", "laxe", None, 1):
        refused(converter, value)


def test_text_matches_as_a_whole_and_stays_as_it_is() -> None:
    """A line end behind the text is not overlooked, a foreign letter is no ASCII one."""
    converter = text(r"\w+", "a word")
    assert converter.convert("Word") == "Word"
    assert converter.accepts == "a word"
    for value in ("", "word\n", "wörd", b"word", None):
        refused(converter, value)


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        ("auth.userid", ("auth.userid",)),
        ("auth.userid\n  tenant", ("auth.userid", "tenant")),
        (["auth.userid", "two words"], ("auth.userid", "two words")),
        (("a",), ("a",)),
    ],
)
def test_keys_are_separated_by_space_or_listed(value: Any, keys: tuple[str, ...]) -> None:
    """A list may hold keys that contain a space."""
    assert KEYS.convert(value) == keys


@pytest.mark.parametrize("value", ["", " ", [], [""], ["a", 1], None, 1, {"a": 1}])
def test_no_keys_must_be_said_by_a_word(value: Any) -> None:
    """An empty value is more likely an accident; what is no text is no key."""
    refused(KEYS, value)


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        (SECRET, (SECRET,)),
        (f"\n  {SECRET}\n\n  {SECRET}2\n", (SECRET, f"{SECRET}2")),
        ([SECRET], (SECRET,)),
        ((SECRET, "  kept as it is  "), (SECRET, "  kept as it is  ")),
    ],
)
def test_secrets_stand_one_a_line_or_in_a_list(value: Any, secrets: tuple[str, ...]) -> None:
    """Empty lines are ignored; within a line, space belongs to the secret."""
    assert SECRETS.convert(value) == secrets


@pytest.mark.parametrize(
    "value",
    ["", "\n \n", [], "fifteen letters", [SECRET, ""], [SECRET, b"x" * 20], None, 10**20],
)
def test_a_missing_or_short_secret_is_refused_without_showing_it(value: Any) -> None:
    """An empty environment variable must not lead to unsigned cookies."""
    assert "fifteen" not in refused(SECRETS, value)


@pytest.mark.parametrize("value", [SECRET + "\udcff", [SECRET, SECRET + "\udcff"]])
def test_a_secret_that_is_no_text_is_refused_without_showing_it(value: Any) -> None:
    """As Python reads a variable of the environment; no cookie could be signed with it."""
    assert refused(SECRETS, value).startswith("a secret in it is no text")
    assert SECRET not in refused(SECRETS, value)


@pytest.mark.parametrize(
    "value",
    ["sqlite://", "postgresql+psycopg://u:p@localhost:5432/db", make_url("sqlite:///a.sqlite")],
)
def test_a_database_url_is_text_or_an_object(value: Any) -> None:
    """SQLAlchemy reads it, and knows its dialect."""
    assert DATABASE_URL.convert(value) == make_url(value)


@pytest.mark.parametrize(
    "value",
    ["", "hunter2", "postgresql://h:hunter2", None],
)
def test_an_unreadable_database_url_is_refused_without_its_password(value: Any) -> None:
    """What SQLAlchemy says about it may quote it, so that goes no further."""
    with pytest.raises(Refused, match=r"^it cannot be read as a url$") as info:
        DATABASE_URL.convert(value)
    assert info.value.__context__ is None


@pytest.mark.parametrize("kind", ["postgrs", "postgresql+json", "sqlite+a+b"])
def test_an_unknown_kind_of_database_is_named(kind: str) -> None:
    """A slip in the scheme is the likeliest mistake; what SQLAlchemy raises has many kinds."""
    assert refused(DATABASE_URL, f"{kind}://u:hunter2@h/db") == f"SQLAlchemy knows no {kind}"
