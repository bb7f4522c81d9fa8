"""Dotted names, and the objects that settings take: what each must be able to do."""

from __future__ import annotations

import json
import pickle
import sys
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pyramid_sqlsession.converters import Refused
from pyramid_sqlsession.named_objects import (
    ATTRIBUTE_OR_CALLABLE,
    CLASS,
    SERIALIZER,
    is_path,
    named_object,
)
from tests.refusing import refused


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
