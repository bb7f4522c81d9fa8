"""The guide for those who come from elsewhere names what exists, there and here."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from pyramid.session import SignedCookieSessionFactory

from pyramid_sqlsession.settings import SETTINGS

GUIDE = (Path(__file__).parents[1] / "docs" / "migrating.rst").read_text("utf-8")


def rows(title: str) -> list[tuple[str, str]]:
    """The rows of the table under a headline: what is there, and what it is here."""
    _, _, rest = GUIDE.partition(f"\n{title}\n{'-' * len(title)}\n")
    lines = re.split(r"\n\n\n", rest)[0].splitlines()
    first, second, last = (number for number, line in enumerate(lines) if line.startswith("==="))
    start = lines[first].index(" =") + 1
    found: list[tuple[str, str]] = []
    for line in lines[second + 1 : last]:
        there, here = line[:start].strip(), line[start:].strip()
        if there.startswith("``") and not (found and found[-1][0].endswith(",")):
            found.append((there, here))
        else:
            found[-1] = (f"{found[-1][0]} {there}".strip(), f"{found[-1][1]} {here}")
    return found


TITLES = ["SignedCookieSessionFactory", "pyramid_beaker", "pyramid_session_redis"]


@pytest.mark.parametrize("title", TITLES)
def test_what_a_setting_becomes_is_a_setting(title: str) -> None:
    """Or nothing, with the reason."""
    for _, here in rows(title):
        [name] = re.findall(r"^``([\w.]+)``", here) or ["nothing"]
        assert name in SETTINGS or name in {"nothing", "sqlalchemy.url"} or "event" in here, here


def test_every_argument_of_pyramids_factory_is_answered() -> None:
    """None is forgotten, and none invented."""
    named = {name for there, _ in rows(TITLES[0]) for name in re.findall(r"\w+", there)}
    assert named == set(inspect.signature(SignedCookieSessionFactory).parameters)
