"""Strict conversions: what each accepts, and what it refuses instead of guessing."""

from __future__ import annotations

import json
import pickle
import sys
import types
from collections.abc import Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from pyramid_sqlsession.converters import (
    ATTRIBUTE_OR_CALLABLE,
    BOOLEAN,
    CLASS,
    DATABASE_URL,
    DURATION,
    KEYS,
    SECRETS,
    SERIALIZER,
    Converter,
    Refused,
    choice,
    is_path,
    named_object,
    or_word,
    text,
)

SECRET = "sixteen letters!"


def refused(converter: Converter, value: Any) -> str:
    """Return the reason for which the value is refused."""
    with pytest.raises(Refused) as info:
        converter.convert(value)
    return str(info.value)


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


def test_a_class_is_accepted_and_nothing_else() -> None:
    """The reason says what was found instead."""
    assert CLASS.convert(Path) is Path
    assert refused(CLASS, json) == "it is a module, not a class"


def test_a_request_attribute_or_a_callable_gives_the_dbsession() -> None:
    """Text is the attribute's name, an object is to be called."""
    assert ATTRIBUTE_OR_CALLABLE.convert("db") == "db"
    assert ATTRIBUTE_OR_CALLABLE.convert(print) is print
    for value in ("", "db session", "1db", None, 1):
        refused(ATTRIBUTE_OR_CALLABLE, value)


class Pickling:
    """A serializer that works."""

    def dumps(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)


class NeedsAKey(Pickling):
    """A serializer that cannot be made without arguments."""

    def __init__(self, key: str) -> None:
        self.key = key


class Forgetful(Pickling):
    """A serializer that does not give back what it got."""

    def loads(self, data: bytes) -> Any:
        return None


class Broken(Pickling):
    """A serializer that fails, and tells too much."""

    def dumps(self, value: Any) -> bytes:
        raise RuntimeError("the key is hunter2")


def test_a_serializer_is_an_object_or_a_class_called_without_arguments() -> None:
    """A module with the two functions is an object, too."""
    instance = Pickling()
    assert SERIALIZER.convert(instance) is instance
    assert isinstance(SERIALIZER.convert(Pickling), Pickling)
    assert SERIALIZER.convert(pickle) is pickle


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (object(), "it has no method dumps"),
        (types.SimpleNamespace(dumps=pickle.dumps, loads=None), "it has no method loads"),
        ("json", "it has no method dumps"),
        (NeedsAKey, "calling it without arguments raised TypeError"),
        (json, "its dumps returned str, not bytes"),
        (Forgetful, "an empty dict, dumped and loaded, is not an empty dict any more"),
        (Broken, "to dump and load an empty dict raised RuntimeError"),
    ],
)
def test_a_serializer_that_cannot_work_is_refused_with_the_reason(value: Any, reason: str) -> None:
    """It is tried out at start-up, not with the first visitor."""
    assert refused(SERIALIZER, value) == reason


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


def test_an_unknown_kind_of_database_is_named() -> None:
    """A slip in the scheme is the likeliest mistake."""
    assert refused(DATABASE_URL, "postgrs://u:hunter2@h/db") == "SQLAlchemy knows no postgrs"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a module and a module that cannot be imported."""
    root = tmp_path / "an_application"
    (root / "models").mkdir(parents=True)
    (root / "__init__.py").write_text("name = 'attribute of the package'\n")
    (root / "models" / "__init__.py").write_text("class Session:\n    kind = 'a class'\n")
    (root / "models" / "deep.py").write_text("name = 'attribute of a module'\n")
    (root / "careless.py").write_text("import a_module_that_is_not_installed\n")
    (root / "broken.py").write_text("1 / 0\n")
    (tmp_path / "one_file.py").write_text("name = 'attribute of a lone module'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "an_application"
    for name in [*sys.modules]:
        if name.partition(".")[0] in {"an_application", "one_file"}:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("an_application.name", "attribute of the package"),
        ("an_application:name", "attribute of the package"),
        ("an_application.models.deep.name", "attribute of a module"),
        ("an_application.models.deep:name", "attribute of a module"),
        ("an_application.models.Session.kind", "a class"),
        ("an_application.models:Session.kind", "a class"),
        (".models.Session.kind", "a class"),
        (".models:Session.kind", "a class"),
        (".name", "attribute of the package"),
    ],
)
def test_a_dotted_name_is_looked_up(package: str, name: str, found: str) -> None:
    """With dots or with a colon, absolute or in the application's package."""
    assert named_object(name, package) == found
    assert named_object(name, import_module(package)) == found


def test_a_dotted_name_may_be_a_module(package: str) -> None:
    """A serializer may be one."""
    assert named_object("pickle", None) is pickle


@pytest.mark.parametrize("module", ["models.deep", "models"])
def test_a_leading_dot_is_relative_to_the_package_of_a_module(package: str, module: str) -> None:
    """As everywhere in Pyramid, a module stands for the package that it is in."""
    name = named_object(".deep.name", import_module(f"{package}.{module}"))
    assert name == "attribute of a module"


@pytest.mark.usefixtures("package")
def test_a_leading_dot_works_in_an_application_of_one_file() -> None:
    """There the module is its own package."""
    assert named_object(".name", import_module("one_file")) == "attribute of a lone module"


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("an_aplication.models.Session", "No module named 'an_aplication'"),
        ("an_application.modles.Session", "No module named 'an_application.modles'"),
        ("an_application.models.Sesion", "No module named 'an_application.models.Sesion'"),
        ("an_application.models:Sesion", "No module named 'an_application.models.Sesion'"),
        ("an_application.models.Session.kin", "No module named 'an_application.models.Session'"),
        (".modles", "No module named 'an_application.modles'"),
        ("an_application.careless.name", "No module named 'a_module_that_is_not_installed'"),
        ("an_application.careless:name", "No module named 'a_module_that_is_not_installed'"),
    ],
)
def test_the_reason_names_what_is_missing(package: str, name: str, missing: str) -> None:
    """A misspelt name and a module that lacks another are told apart."""
    with pytest.raises(Refused, match=missing):
        named_object(name, package)


def test_a_leading_dot_needs_a_package() -> None:
    """Where there is no application, only absolute names have a meaning."""
    with pytest.raises(Refused, match="package"):
        named_object(".models.Session", None)


@pytest.mark.parametrize("name", ["", ".", "a..b", "a.b.", "1.2", "a b", "postgresql://u:p@h/d"])
def test_what_is_no_dotted_name_is_not_imported(name: str) -> None:
    """Nor is it quoted: it may be a url in the wrong place."""
    with pytest.raises(Refused, match=r"^it is not a dotted name$"):
        named_object(name, "pyramid_sqlsession")


def test_an_error_within_a_module_is_not_covered_up(package: str) -> None:
    """The application's own fault comes with its own traceback."""
    with pytest.raises(ZeroDivisionError):
        named_object("an_application.broken.name", package)


@pytest.mark.parametrize(
    ("value", "expected"), [("dbsession", False), ("a.b", True), ("a:b", True), (".a", True)]
)
def test_a_path_has_a_dot_or_a_colon(value: str, *, expected: bool) -> None:
    """Anything else is the name of a request attribute."""
    assert is_path(value) is expected
