"""The code of the README runs."""

from __future__ import annotations

import importlib
import logging
import os
import re
import runpy
import shlex
import sqlite3
import subprocess
import sys
from configparser import ConfigParser
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import webtest
from pyramid.paster import get_app
from pyramid.path import DottedNameResolver
from pyramid.scripting import prepare
from sqlalchemy import engine_from_config

from pyramid_sqlsession.settings import PREFIX, parse_settings
from tests.documents import README as README_FILE
from tests.documents import Block, Project, blocks_of
from tests.harness import MakeApp
from tests.readme.applications import store_app
from tests.readme.document import ROOT, blocks, named, write

ENGINE = "sqlalchemy."  # options of the application's own
TOOLBAR = "debugtoolbar.includes"


@pytest.mark.parametrize("block", blocks("python"), ids=lambda block: block.file)
def test_every_piece_of_python_compiles(block: Block) -> None:
    """Also those that no other test runs."""
    compile(block.code, block.file, "exec")


def test_the_transcript_is_what_the_shortest_application_answers(
    testapp: webtest.TestApp,
) -> None:
    """Each command of it is carried out, and its output compared, secrets and dates apart."""
    for command, output in commands(named("transcript")):
        assert masked(carried_out(command, testapp)) == masked(output), command


def commands(transcript: str) -> list[tuple[list[str], str]]:
    """Each command and what it printed."""
    parts = [part.partition("\n") for part in re.split(r"^\$ ", transcript, flags=re.MULTILINE)]
    return [(shlex.split(command), output) for command, _, output in parts if command]


def carried_out(command: list[str], browser: webtest.TestApp) -> str:
    if command[0] == "curl":
        return fetched(command, browser)
    program, file, query = command
    assert program == "sqlite3"
    with closing(sqlite3.connect(file)) as connection:
        rows = connection.execute(query).fetchall()
    return "".join("|".join(map(str, row)) + "\n" for row in rows)


def fetched(command: list[str], browser: webtest.TestApp) -> str:
    if not {"-b", "-c"} & set(command):
        browser = webtest.TestApp(browser.app)
    response = browser.get(command[-1])
    lines = [f"{name}: {value}" for name, value in response.headerlist]
    head = ["HTTP/1.0 " + response.status, *lines, ""] if "-i" in command else []
    return "\n".join([*head, response.text, ""])


def masked(output: str) -> str:
    without_dates = re.sub(r"^(Date|Server): .*\n", "", output, flags=re.MULTILINE)
    return re.sub(r"session=[\w-]{43};", "session=*;", without_dates)


def test_the_cookiecutter_recipe_gives_a_working_application(myapp: Path) -> None:
    """Its files, its two lines: the visits are counted in a table of the application's own."""
    browser = webtest.TestApp(get_app(str(myapp)))
    assert [browser.get("/").json["visits"] for _ in range(2)] == [1, 2]
    assert sessions_in(myapp) == 1


def sessions_in(ini: Path) -> int:
    with closing(sqlite3.connect(ini.with_name("myapp.sqlite"))) as connection:
        [[count]] = connection.execute("SELECT count(*) FROM web_sessions")
    return int(count)


def runnable() -> list[Block]:
    """The blocks that are no files, and do not say why they cannot run."""
    languages = ("python", "console")
    found = [block for language in languages for block in blocks(language)]
    return [block for block in found if not block.file and not block.excuse]


@pytest.mark.parametrize("block", runnable(), ids=lambda block: block.code.split("\n")[0])
def test_what_is_no_file_runs_in_a_project(block: Block, project: Project) -> None:
    """Python is executed; commands are carried out, and print what is shown."""
    ini = project.folder / "development.ini"
    shop = ini.read_text().replace("[app:main]", "[app:shop]").partition("[alembic]")[0]
    write(project.folder / "production.ini", f"{ini.read_text()}\n{shop}")
    project.run(block)


def test_every_file_is_used_by_a_test() -> None:
    """Each is named by one, or imported; the sample tests are found by pytest."""
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("*.py"))
    stems = [Path(block.file).stem for block in blocks_of(README_FILE) if block.file]
    assert [stem for stem in stems if stem[:5] != "test_" and stem not in tests] == []


def test_the_functions_for_task_queues_prune(folder: Path, make_app: MakeApp) -> None:
    """One with the registry, one with a request; both tell how many sessions there were."""
    tasks = importlib.import_module("tasks")
    app = make_app(views={"/prune": tasks.prune_now})
    for browser in (app.another_browser(), app.another_browser()):
        browser.get("/write?x=1")
    app.execute("UPDATE sessions SET created = 0, accessed = 0, expires = 0 WHERE id = 1")
    assert tasks.prune_for_a_minute(app.registry) == (1, True)
    app.execute("UPDATE sessions SET created = 0, accessed = 0, expires = 0")
    assert app.get("/prune").json == {"deleted": 1}


def test_the_script_logs_everybody_out(myapp: Path) -> None:
    """The rows are gone, and an old cookie opens nothing."""
    browser = webtest.TestApp(get_app(str(myapp)))
    browser.get("/")
    runpy.run_path(str(myapp.with_name("log_everybody_out.py")))
    assert sessions_in(myapp) == 0
    assert browser.get("/").json == {"visits": 1}


def test_the_script_without_a_request_logs_everybody_out_too(
    myapp: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It commits what it ends, and tells how many."""
    browser = webtest.TestApp(get_app(str(myapp)))
    browser.get("/")
    runpy.run_path(str(myapp.with_name("log_out.py")))
    assert capsys.readouterr().out == "1\n"
    assert sessions_in(myapp) == 0


def test_the_password_change_ends_the_other_sessions(folder: Path, make_app: MakeApp) -> None:
    """The function of the section on the store, with a user who has a password."""
    module = runpy.run_path(str(folder / "myapp/security.py"))
    user = SimpleNamespace(id=42, set_password=lambda password: None)

    def change(request: Any) -> int:
        ended: int = module["change_password"](request, user, "new")
        return ended

    app = store_app(make_app, views={"/password": change})
    here, elsewhere = app.another_browser(), app.another_browser()
    for browser in (here, elsewhere):
        browser.get("/write?x=1")
    app.execute("UPDATE web_sessions SET user_id = 42")
    assert here.get("/password").json == 1
    assert (here.get("/read").json, elsewhere.get("/read").json) == ({"x": "1"}, {})


def test_the_sample_tests_pass(folder: Path) -> None:
    """Run by pytest as they stand; they leave no database behind."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "."]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "3 passed" in done.stdout, done.stdout
    assert not list(folder.glob("*.sqlite"))


def test_the_subscriber_hears_of_an_end(
    folder: Path, make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """The module of the section on events is included as it stands."""
    caplog.set_level(logging.INFO, "noting")
    app = make_app(views={"/end": lambda r: r.session.invalidate()}, includes=["noting"])
    app.get("/write?x=1")
    app.get("/end")
    assert "session 1 ended: invalidated" in caplog.messages


def test_the_generated_class_gets_the_fields(folder: Path, make_app: MakeApp) -> None:
    """The mapping, the callback and the lines of .ini work as they stand."""
    parser = ConfigParser(interpolation=None)
    parser.read_string("[app:main]\n" + named("fields.ini"))
    app = make_app(views={"/login": log_in_by_number}, settings=dict(parser["app:main"]))
    app.get("/login")
    assert [row.columns["user_id"] for row in app.rows()] == [5]


def log_in_by_number(request: Any) -> None:
    request.session["auth.userid"] = 5


def test_the_class_with_a_user_knows_who_is_logged_in(myapp: Path) -> None:
    """And the user knows the sessions."""
    models = myapp.parent / "myapp/models"
    write(models / "web_session.py", named("web_session_with_user.py"))
    write(models / "user.py", named("user_with_sessions.py"))
    write(
        models / "__init__.py", f"from .user import User\n{(models / '__init__.py').read_text()}"
    )
    callback = "sqlsession.extend_default_fields = myapp.models.web_session.fill_session_fields\n"
    write(myapp, myapp.read_text() + callback)
    app = get_app(str(myapp))
    found = importlib.import_module("myapp.models")
    with prepare(registry=app.registry) as env:
        request = env["request"]
        with request.tm:
            found.User.__table__.create(request.dbsession.connection())
            request.dbsession.add(found.User(id=5))
            log_in_by_number(request)
        with request.tm:
            user = request.dbsession.get(found.User, 5)
            assert [session.id for session in user.web_sessions] == [1]


@pytest.mark.parametrize("block", blocks("ini"), ids=lambda block: block.code.split()[0])
def test_every_piece_of_ini_is_accepted(block: Block, myapp: Path) -> None:
    """It is read as Paste reads it, and its settings can work."""
    parser = ConfigParser(interpolation=None)
    parser.read_string("[app:main]\n" + block.code)
    write(myapp.parent / "myapp/models/web_session.py", named("web_session_with_user.py"))
    settings = dict(parser["app:main"])
    assert settings
    assert all(name.startswith((PREFIX, ENGINE, TOOLBAR)) for name in settings)
    parse_settings(settings)
    if TOOLBAR in settings:
        assert DottedNameResolver().resolve(settings[TOOLBAR]).includeme
    if f"{ENGINE}url" in settings:
        engine_from_config(settings, ENGINE)
