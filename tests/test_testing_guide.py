"""The guide to testing an application is true: its tests pass, and its messages come."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import webtest

from pyramid_sqlsession import SQLSessionError, testing
from pyramid_sqlsession.testing import begin_session, session_costs, session_of
from tests.documents import blocks_of
from tests.harness import MakeApp
from tests.readme import document as readme

ROOT = Path(__file__).parents[1]
GUIDE = (ROOT / "docs" / "testing.rst").read_text("utf-8")
SQUEEZED = " ".join(GUIDE.split())


@pytest.fixture
def database_name() -> str:
    """What the guide says does not depend on the database."""
    return "sqlite"


def code() -> dict[str, str]:
    """The files of the guide."""
    return {block.file: block.code for block in blocks_of("testing") if block.file}


def test_its_tests_pass(tmp_path: Path) -> None:
    """As they stand, on the shortest application of the README."""
    for name, text in {**code(), "app.py": readme.named("app.py")}.items():
        compile(text, name, "exec")
        readme.write(tmp_path / name, text)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert "4 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("name", [name for name in testing.__all__ if name != "Clock"])
def test_its_signatures_are_the_true_ones(name: str) -> None:
    """With all arguments and their defaults."""
    [told] = re.findall(rf"``(?:with )?{name}(\([^`]*=[^`]*\)):?``", SQUEEZED)
    parameters = inspect.signature(getattr(testing, name)).parameters.values()
    bare = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    assert told == str(inspect.Signature(bare))


def test_the_message_about_a_cookie_is_the_true_one(make_app: MakeApp) -> None:
    """And its remedy works."""
    app = make_app(settings={"sqlsession.cookie_domain": "example.com"})
    assert told(lambda: begin_session(webtest.TestApp(app.wsgi))) in SQUEEZED
    testapp = webtest.TestApp(app.wsgi, extra_environ={"HTTP_HOST": "www.example.com"})
    begin_session(testapp)


def test_the_message_about_a_save_is_the_true_one(make_app: MakeApp) -> None:
    """Without pyramid_tm."""
    app = make_app(tm=False)
    assert told(lambda: begin_session(app.browser, {"x": object()})) in SQUEEZED


def test_the_messages_about_the_application_are_the_true_ones(make_app: MakeApp) -> None:
    """Whether it is not found, or has other sessions."""
    app = make_app(sqlsession=False, tm=False)
    assert told(lambda: session_of(app.browser)) in SQUEEZED
    said = told(lambda: session_of(webtest.TestApp(lambda *_: [])))
    assert re.sub(r"<webtest.*?>", "...", said) in re.sub(r"<webtest.*?>", "...", SQUEEZED)


def told(act: Any) -> str:
    with pytest.raises(SQLSessionError) as info:
        act()
    return str(info.value)


def test_the_message_about_a_cost_is_the_true_one(make_app: MakeApp) -> None:
    """Line by line, less what the guide leaves out."""
    app = make_app()
    app.get("/write?x=1")
    with pytest.raises(AssertionError) as info, session_costs(app.browser, select=1):
        app.get("/write?x=2")
    quoted = re.findall(r"(?:^ {4}.*\n)+", GUIDE, re.MULTILINE)
    [message] = [text for text in map(unindented, quoted) if text.startswith("the session was to")]
    pattern = re.escape(message).replace(re.escape("..."), ".*")
    assert re.fullmatch(pattern, unindented(str(info.value)))


def unindented(text: str) -> str:
    return re.sub(r"^ +", "", text, flags=re.MULTILINE).strip()
