"""What the README mentions is there."""

from __future__ import annotations

import builtins
import re

import pyramid.authentication
import pyramid.config
import pyramid.exceptions
import pyramid.testing
import pytest
import sqlalchemy

import pyramid_sqlsession
from pyramid_sqlsession import (
    SQLSession,
    events,
)
from pyramid_sqlsession.settings import SETTINGS
from tests.browser import VARIABLE
from tests.harness.databases import SERVERS
from tests.readme.document import README, ROOT, literals, squeezed


def test_every_public_name_is_mentioned() -> None:
    """The include is mentioned by the name of the package."""
    missing = {name for name in pyramid_sqlsession.__all__ if name not in README}
    assert missing <= {"includeme"}


NAMESPACES = (
    pyramid_sqlsession,
    events,
    builtins,
    pyramid.authentication,
    pyramid.config,
    pyramid.exceptions,
    pyramid.testing,
    sqlalchemy,
)


@pytest.mark.parametrize(
    "name", sorted(text for text in literals() if re.fullmatch(r"[A-Z]+[a-z]\w*[A-Z]\w*", text))
)
def test_every_class_that_is_mentioned_exists(name: str) -> None:
    """Ours, Python's or Pyramid's."""
    assert any(hasattr(namespace, name) for namespace in NAMESPACES)


@pytest.mark.parametrize(
    "text", sorted(text for text in literals() if re.match(r"(session|sqlsession)\.[a-z]", text))
)
def test_every_setting_and_method_that_is_mentioned_exists(text: str) -> None:
    """Wherever in the README it is."""
    [(owner, name)] = re.findall(r"^(\w+)\.([\w.]+)", text)
    assert hasattr(SQLSession, name) if owner == "session" else name in SETTINGS


def test_every_make_target_that_is_mentioned_exists() -> None:
    """In the Makefile beside it."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    mentioned = set(re.findall(r"(?:``|\$ )make ([\w-]+)", README))
    assert mentioned
    assert mentioned <= targets


def test_the_variables_that_tests_heed_are_those_of_the_suite() -> None:
    """Those of the two servers and of the browser, and no others."""
    assert set(re.findall(r"SQLSESSION_\w+", README)) == {*SERVERS.values(), VARIABLE}


def test_the_versions_are_those_of_the_metadata() -> None:
    """Each lower bound is told."""
    metadata = (ROOT / "pyproject.toml").read_text()
    [listed] = re.findall(r"^dependencies = \[(.*?)\]", metadata, re.MULTILINE | re.DOTALL)
    [python] = re.findall(r'^requires-python = ">=(.+)"', metadata, re.MULTILINE)
    bounds = [*re.findall(r'"([\w.]+)>=([\d.]+)"', listed), ("Python", python)]
    told = squeezed(README.partition(".. contents::")[0]).lower()
    assert len(bounds) == 5
    for name, version in bounds:
        assert re.search(rf"\b{re.escape(name.lower())} {re.escape(version)}(?!\.?\d)", told), name
