"""The README is true: its code runs, its tables are what the package does, its messages come."""

from __future__ import annotations

import builtins
import importlib
import logging
import os
import pickle
import re
import runpy
import shlex
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pyramid.authentication
import pyramid.config
import pyramid.exceptions
import pyramid.testing
import pytest
import sqlalchemy
import webtest
from pyramid.httpexceptions import HTTPFound
from pyramid.paster import get_app
from pyramid.path import DottedNameResolver
from pyramid.request import Request
from pyramid.scripting import prepare
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Integer,
    String,
    engine_from_config,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry

import pyramid_sqlsession
from pyramid_sqlsession import (
    SessionConflict,
    SessionMixin,
    SessionStore,
    SettingsError,
    SQLSession,
    SQLSessionError,
    UnstorableValueError,
    events,
    session_factory_from_settings,
)
from pyramid_sqlsession.scripts.prune_sessions import _parser
from pyramid_sqlsession.session_id import new_session_id
from pyramid_sqlsession.settings import PREFIX, SETTINGS, parse_settings
from tests.browser import VARIABLE
from tests.documents import README as README_FILE
from tests.documents import Block, Project, begin_project, blocks_of, entered, text_of
from tests.engines import connecting_engines
from tests.harness import App, Clock, MakeApp
from tests.harness.databases import SERVERS

ENGINE = "sqlalchemy."  # options of the application's own
KEY = "k" * 42 + "A"
TOOLBAR = "debugtoolbar.includes"
ROOT = Path(__file__).parents[1]
README = text_of(README_FILE)
COOKIECUTTER = ROOT / "tests" / "cookiecutter"


@pytest.fixture
def database_name() -> str:
    """What the README says does not depend on the database."""
    return "sqlite"


# Reading the document


def blocks(language: str) -> list[Block]:
    """All code blocks in one language."""
    return [block for block in blocks_of(README_FILE) if block.language == language]


def named(name: str) -> str:
    """The code of the block with that name."""
    [code] = [block.code for block in blocks_of(README_FILE) if block.file == name]
    return code


def section(title: str) -> str:
    """What stands under a headline."""
    _, _, rest = README.partition(f"\n{title}\n{'-' * len(title)}\n")
    assert rest, f"there is no section {title!r}"
    return re.split(r"\n\n\n(?=.+\n-+\n)", rest)[0]


def table(title: str) -> list[list[str]]:
    """The rows of the first table under a headline, without the quotes of literals."""
    lines = section(title).splitlines()
    first, *_, last = (number for number, line in enumerate(lines) if is_rule(line))
    starts = [match.start() for match in re.finditer("=+", lines[first])]
    rows: list[list[str]] = []
    for line in filter(None, lines[first:last]):
        cells = cells_of(line, starts)
        if cells[0]:
            rows.append(cells)
        else:
            rows[-1] = [f"{a} {b}".strip() for a, b in zip(rows[-1], cells, strict=True)]
    return [row for row in rows if not is_rule(row[0])]


def is_rule(line: str) -> bool:
    return re.fullmatch(r"=+( +=+)*", line) is not None


def cells_of(line: str, starts: list[int]) -> list[str]:
    ends = [*starts[1:], None]
    return [line[a:b].replace("``", "").strip() for a, b in zip(starts, ends, strict=True)]


def literals() -> set[str]:
    """Whatever stands in double backquotes."""
    return {re.sub(r"\s+", " ", text) for text in re.findall(r"``([^`]+)``", README)}


def quoted_messages() -> list[str]:
    """The messages of the section on errors, each on one line."""
    paragraphs = re.findall(r"((?:^ {4}.*\n?)+)", section("Errors"), flags=re.MULTILINE)
    return [squeezed(paragraph) for paragraph in paragraphs]


def squeezed(text: str) -> str:
    return " ".join(text.split())


# Its files


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of the README; modules and connections are gone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for block in blocks("python"):
        if block.file:
            write(tmp_path / block.file, block.code)
    modules = set(sys.modules)
    with connecting_engines():
        yield tmp_path
    for module in set(sys.modules) - modules:
        if is_within(tmp_path, sys.modules[module]):
            del sys.modules[module]


def is_within(folder: Path, module: Any) -> bool:
    return str(getattr(module, "__file__", None)).startswith(str(folder))


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


VIEWS = """
from pyramid.view import view_config

from app import count

view_config(route_name="visits", renderer="json")(count)
"""


@pytest.fixture
def myapp(folder: Path) -> Path:
    """The rest of the cookiecutter's application around the README's files; the .ini file."""
    write(folder / "myapp/models/meta.py", (COOKIECUTTER / "models/meta.py").read_text())
    write(folder / "myapp/routes.py", (COOKIECUTTER / "routes.py").read_text())
    write(folder / "myapp/views.py", VIEWS)
    models = named("myapp/models/__init__.py")
    write(
        folder / "myapp/models/__init__.py",
        f"{models}\nfrom tests.cookiecutter.models import includeme\n",
    )
    lines = ["[app:main]", "use = call:myapp:main", "sqlalchemy.url = sqlite:///myapp.sqlite"]
    write(folder / "development.ini", "\n".join([*lines, named("development.ini")]))
    return folder / "development.ini"


@pytest.fixture
def testapp(folder: Path) -> webtest.TestApp:
    """A browser of the shortest application."""
    app = importlib.import_module("app")
    return webtest.TestApp(app.main({}, **app.SETTINGS))


# The code


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


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of the cookiecutter with the class and the settings of the README."""
    begin_project(tmp_path)
    with entered(tmp_path) as project:
        for name in ("myapp/__init__.py", "myapp/models/web_session.py", "development.ini"):
            project.write(name, named(name))
        name = "myapp/models/__init__.py"
        project.write(f"{name} (at the top)", named(name))
        yield project


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
    """Each is named in this module, or imported; the sample tests are found by pytest."""
    tests = Path(__file__).read_text("utf-8")
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


def store_app(make_app: MakeApp, **options: Any) -> App:
    """An application whose class has the column that the section on the store talks of."""
    columns = {"__annotations__": {"user_id": Mapped[int | None]}, "__tablename__": "web_sessions"}
    base = registry().generate_base()
    model = type("WebSession", (SessionMixin, base), columns)
    settings = {"sqlsession.model": model, "sqlsession.table": None}
    return make_app(settings=settings, **options)


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


# The tables


def test_the_table_of_settings_is_that_of_the_package() -> None:
    """The same names in the same order, but for the engine's, which are two rows."""
    names = [row[0] for row in table("Settings")[1:]]
    assert [name for name in names if not name.startswith("sqlalchemy.")] == list(SETTINGS)
    assert [name for name in names if name.startswith("sqlalchemy.")] == [
        "sqlalchemy.url",
        "sqlalchemy.*",
    ]


@pytest.mark.parametrize(("name", "default"), [row[:2] for row in table("Settings")[1:]])
def test_the_default_in_the_table_is_the_true_one(name: str, default: str) -> None:
    """A text is the default to the letter; `not set` is none at all."""
    if name.startswith("sqlalchemy."):
        assert (default, dict(parse_settings({}).sqlalchemy)) == ("not set", {})
    elif name == "serializer":
        assert type(SETTINGS[name].default) is getattr(pyramid_sqlsession, default)
    elif default == "not set":
        assert not SETTINGS[name].default
    else:
        assert SETTINGS[name].default == default


def begin(request: Any) -> None:
    request.session["x"] = 1


def nothing(request: Any) -> None:
    pass


def read(request: Any) -> dict[str, Any]:
    return dict(request.session)


def change(request: Any) -> None:
    request.session["x"] = 2


def forget_everything(request: Any) -> None:
    request.session.clear()


def log_in(request: Any) -> None:
    request.session["auth.userid"] = "ann"


def invalidate_and_write(request: Any) -> None:
    request.session.invalidate()
    request.session["x"] = 2


def failing(act: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def act_and_fail(request: Any) -> None:
        act(request)
        raise HTTPFound("/")

    return act_and_fail


@dataclass(frozen=True)
class Deed:
    """What a request does, and what the visitor brings along."""

    act: Callable[[Any], Any]
    existing: bool = True
    planted: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    later: int = 0


DEEDS = {
    "does not use the session": Deed(nothing),
    "reads, without a cookie": Deed(read, existing=False),
    "reads an existing session": Deed(read),
    "reads it, and a touch is due": Deed(read, later=600),
    "reads, with a malformed or wrongly signed cookie": Deed(read, planted="x"),
    "reads, with the cookie of an expired session": Deed(read, later=24 * 60 * 60),
    "puts something into a new session": Deed(begin, existing=False),
    "calls changed() on a new session": Deed(lambda r: r.session.changed(), existing=False),
    "changes an existing session": Deed(change),
    "changes it, with cookie_max_age set": Deed(
        change, settings={"sqlsession.cookie_max_age": "1h"}
    ),
    "puts in an equal value": Deed(begin),
    "empties an existing session": Deed(forget_everything),
    "calls set_expiration()": Deed(lambda r: r.session.set_expiration(60)),
    "calls regenerate_id()": Deed(lambda r: r.session.regenerate_id()),
    "changes auth.userid": Deed(log_in),
    "invalidates an existing session": Deed(lambda r: r.session.invalidate()),
    "invalidates and writes again": Deed(invalidate_and_write),
    "invalidates a new session": Deed(lambda r: r.session.invalidate(), existing=False),
    "changes a new session, and fails": Deed(failing(begin), existing=False),
    "changes an existing session, and fails": Deed(failing(change)),
    "invalidates an existing session, and fails": Deed(failing(lambda r: r.session.invalidate())),
}
SAVED = "When it is saved, and when a cookie is sent"


def test_each_deed_of_the_table_is_tried() -> None:
    """And nothing else is."""
    assert [row[0] for row in table(SAVED)[1:]] == list(DEEDS)


@pytest.mark.parametrize(("deed", "statements", "cookie"), table(SAVED)[1:])
def test_a_deed_sends_the_statements_and_the_cookie_of_the_table(
    make_app: MakeApp, clock: Clock, deed: str, statements: str, cookie: str
) -> None:
    """No more and no fewer, in that order."""
    done = DEEDS[deed]
    app = make_app(views={"/begin": begin, "/act": done.act}, settings=done.settings)
    prepare_visitor(app, done)
    clock.advance(done.later)
    before = app.browser.cookie
    with app.statements() as seen:
        response = app.get("/act", status="*")
    verbs = [text.split()[0] for text in seen.session_texts]
    assert (", ".join(verbs) or "none", news_of(app, response, before)) == (statements, cookie)
    assert ("Vary" in response.headers) is (done.act is not nothing)


def prepare_visitor(app: App, deed: Deed) -> None:
    if deed.planted:
        app.browser.plant(deed.planted)
    elif deed.existing:
        app.get("/begin")


def news_of(app: App, response: Any, before: str | None) -> str:
    """The words of the table for what the response says about the cookie."""
    cookies = app.set_cookies(response)
    if not cookies:
        return "none"
    [cookie] = cookies
    if cookie.deletes:
        return "a deletion"
    return "the same id" if cookie.value == before else "the new id"


class Boom(Exception):
    pass


def change_and_fail(request: Any) -> None:
    request.session["view"] = 1
    raise Boom


def answer(request: Any) -> None:
    request.session["exception view"] = 1


@pytest.mark.parametrize(
    ("on_abort", "of_the_view", "of_the_exception_view"), table("When a request fails")[1:]
)
def test_on_abort_keeps_what_the_table_says(
    make_app: MakeApp, on_abort: str, of_the_view: str, of_the_exception_view: str
) -> None:
    """The changes of the view and those of the exception view, each for itself."""
    app = make_app(
        views={"/begin": begin, "/fail": change_and_fail},
        exception_views={Boom: answer},
        settings={"sqlsession.on_abort": on_abort},
    )
    app.get("/begin")
    app.get("/fail")
    [row] = app.rows()
    told = {"view": of_the_view, "exception view": of_the_exception_view}
    assert set(row.data) - {"x"} == {who for who, what in told.items() if what == "kept"}


def test_on_abort_has_no_other_values() -> None:
    """The table lists what the setting accepts."""
    for value in (row[0] for row in table("When a request fails")[1:]):
        assert value in SETTINGS["on_abort"].converter.accepts
    assert len(table("When a request fails")) == 1 + 3


def test_every_event_is_in_the_table_with_what_it_carries() -> None:
    """Besides the request, which all of them have."""
    classes = {name: found for name, found in vars(events).items() if is_event(found)}
    carried = {name: ", ".join(list(c.__annotations__)[1:]) for name, c in classes.items()}
    rows = {name: "" if given == "none" else given for name, given, _ in table("Events")[1:]}
    assert rows == carried


def test_every_option_of_the_command_is_in_the_table() -> None:
    """And no other, one way of writing it each."""
    known = {option for action in _parser()._actions for option in action.option_strings}
    told = {row[0].split()[0] for row in table("Pruning") if row[0].startswith("-")}
    assert told <= known
    assert {option for option in known if option.startswith("--")} - told == {
        "--app-name",
        "--help",
    }


def is_event(found: Any) -> bool:
    return isinstance(found, type) and found.__module__ == events.__name__


def test_every_public_thing_of_the_session_is_in_the_table() -> None:
    """What it has besides the methods of a dict."""
    listed = [re.sub(r"^session\.(\w+).*", r"\1", row[0]) for row in table("The session")]
    assert sorted(listed) == sorted(name for name in vars(SQLSession) if name[0] != "_")


@pytest.mark.parametrize("call", [row[0] for row in table("The session")])
def test_what_the_table_of_the_session_calls_can_be_called(call: str) -> None:
    """With those arguments."""
    request = pyramid.testing.DummyRequest()
    eval(call, {"session": session_factory_from_settings({})(request)})


def test_every_method_of_the_store_is_in_the_table() -> None:
    """And nothing else."""
    listed = [re.sub(r"^store\.(\w+).*", r"\1", row[0]) for row in table("Power over sessions")]
    assert sorted(listed) == sorted(name for name in vars(SessionStore) if name[0] != "_")


@pytest.mark.parametrize("call", [row[0] for row in table("Power over sessions")])
def test_what_the_table_of_the_store_calls_can_be_called(call: str, make_app: MakeApp) -> None:
    """With those arguments."""

    def ask(request: Any) -> None:
        store = request.session_store
        eval(call, {"store": store, "row": store.get(1)})

    app = store_app(make_app, views={"/ask": ask})
    app.get("/write?x=1")
    assert app.get("/ask").status_int == 200


# The names


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


# The messages


class Scene(NamedTuple):
    """What a provocation may use."""

    make_app: MakeApp
    folder: Path
    caplog: pytest.LogCaptureFixture

    def get_error(self, kind: type[Exception], view: Callable[[Any], Any], **options: Any) -> str:
        """Make a request to a view, and return the message of the error that comes out."""
        app = self.make_app(views={"/": view}, **options)
        with pytest.raises(kind) as info:
            app.get("/")
        return str(info.value)

    def logged(self) -> str:
        """Return the one message of the package, however often it came."""
        records = [r for r in self.caplog.records if r.name.startswith("pyramid_sqlsession")]
        [message] = {record.getMessage() for record in records}
        return message


def refused(settings: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as info:
        session_factory_from_settings(settings)
    return str(info.value)


def two_wrong_settings(scene: Scene) -> str:
    return refused({"sqlsession.expiration": "1 day", "sqlsession.cookie_htponly": "true"})


def a_dotted_name_that_leads_nowhere(scene: Scene) -> str:
    write(scene.folder / "myapp/__init__.py", "")
    return refused({"sqlsession.model": "myapp.model.WebSession"})


def a_class_that_is_not_mapped(scene: Scene) -> str:
    return refused({"sqlsession.model": type("Cart", (), {"__module__": "myapp.views"})})


def a_mapped_class_without_a_column(scene: Scene) -> str:
    base: Any = type("Base", (DeclarativeBase,), {})
    content = {"__module__": "myapp.models", "__tablename__": "pages", "accessed": None}
    return refused({"sqlsession.model": type("Page", (SessionMixin, base), content)})


def columns_that_are_mapped_otherwise(scene: Scene) -> str:
    columns = {"created": mapped_column(DateTime), "keep": mapped_column(Integer)}
    return refused({"sqlsession.model": visit(columns)})


def a_column_that_nobody_fills(scene: Scene) -> str:
    column = mapped_column(String, nullable=False)
    return refused({"sqlsession.model": visit({"tenant": column})})


def visit(content: dict[str, Any]) -> Any:
    base: Any = type("Base", (DeclarativeBase,), {})
    content = {"__module__": "myapp.models", "__tablename__": "visits", **content}
    return type("Visit", (SessionMixin, base), content)


def a_foreign_key_by_name(scene: Scene) -> str:
    fields: dict[str, Any] = {"user_id": Column(ForeignKey("users.id"))}
    return refused({"sqlsession.additional_fields": fields})


def a_serializer_for_another_column(scene: Scene) -> str:
    return refused({"sqlsession.model": visit({}), "sqlsession.serializer": pickle})


def a_json_column_for_what_is_encrypted(scene: Scene) -> str:
    columns = {"data": mapped_column(sqlalchemy.JSON)}
    return refused({"sqlsession.model": visit(columns), "sqlsession.encryption_keys": KEY})


def a_table_that_cannot_be_created(scene: Scene) -> str:
    url = f"sqlite:///{scene.folder}/missing/sessions.sqlite"
    with pytest.raises(SQLSessionError) as info:
        scene.make_app(settings={"sqlsession.sqlalchemy.url": url})
    return str(info.value)


def a_request_without_dbsession(scene: Scene) -> str:
    settings = {"sqlsession.create_table": "false"}
    return scene.get_error(SQLSessionError, begin, dbsession=False, settings=settings)


def a_missing_table(scene: Scene) -> str:
    settings = {"sqlsession.create_table": "false"}
    return scene.get_error(SQLSessionError, begin, settings=settings)


def a_value_that_cannot_be_stored(scene: Scene) -> str:
    def view(request: Any) -> None:
        request.session["cart"] = [{"since": datetime.now(timezone.utc)}]

    return scene.get_error(UnstorableValueError, view)


def of_the_callback(scene: Scene, callback: Callable[..., Any], *, nullable: bool = True) -> str:
    settings = {
        "sqlsession.additional_fields": {"user_id": Column(Integer, nullable=nullable)},
        "sqlsession.extend_default_fields": callback,
    }
    return scene.get_error(SQLSessionError, begin, settings=settings)


def a_callback_that_returns_a_list(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: [])


def a_callback_that_fills_what_is_not_there(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: {"usr_id": 5})


def a_callback_that_fills_what_is_ours(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: {"version": 5})


def a_callback_that_leaves_a_column_unfilled(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: {}, nullable=False)


def a_callback_that_changes_the_session(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: session.clear())


def a_callback_that_commits(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session, request: request.tm.commit())


def a_faster_request(scene: Scene) -> str:
    settings = {"sqlsession.on_conflict": "retry"}

    def view(request: Any) -> None:
        request.session["x"] = 2
        request.environ["tests.app"].execute("UPDATE sessions SET version = version + 1")

    app = scene.make_app(views={"/": view}, settings=settings)
    app.get("/write?x=1")
    with pytest.raises(SessionConflict) as info:
        app.get("/", extra_environ={"tests.app": app})
    return str(info.value)


def a_locked_database(scene: Scene) -> str:
    file = scene.folder / "locked.sqlite"
    settings = {
        "sqlsession.sqlalchemy.url": f"sqlite:///{file}",
        "sqlsession.sqlalchemy.connect_args": {"timeout": 0},
    }
    app = scene.make_app(views={"/": begin}, settings=settings)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionConflict) as info:
            app.get("/")
    return str(info.value)


def an_expiration_of_nothing(scene: Scene) -> str:
    return scene.get_error(ValueError, lambda request: request.session.set_expiration(0))


def a_value_of_the_wrong_type(scene: Scene) -> str:
    return refused_by_the_store(scene, {"user_id": "42"})


def an_unknown_column(scene: Scene) -> str:
    return refused_by_the_store(scene, {"usr_id": 42})


def refused_by_the_store(scene: Scene, fields: dict[str, Any]) -> str:
    app = store_app(scene.make_app)
    with prepare(registry=app.registry) as env, pytest.raises(TypeError) as error:
        env["request"].session_store.revoke_all(**fields)
    return str(error.value)


def a_store_without_a_transaction(scene: Scene) -> str:
    app = scene.make_app()
    with prepare(registry=app.registry) as env, pytest.raises(SQLSessionError) as error:
        env["request"].session_store.clear()
    return str(error.value)


def a_public_response(scene: Scene) -> str:
    def view(request: Any) -> None:
        request.session["x"] = 1
        request.response.cache_control = "public"

    scene.make_app(views={"/": view}).get("/")
    return scene.logged()


def an_insecure_cookie(scene: Scene) -> str:
    scene.make_app(settings={"sqlsession.cookie_secure": "false"})
    return scene.logged()


def no_limit(scene: Scene) -> str:
    scene.make_app(settings={"sqlsession.expiration": "none"})
    return scene.logged()


def a_proxy_that_does_not_say_https(scene: Scene) -> str:
    app = scene.make_app()
    app.get("/write?x=1", extra_environ={"HTTP_X_FORWARDED_FOR": "192.0.2.1"})
    return scene.logged()


def a_script_without_a_transaction(scene: Scene) -> str:
    with prepare(registry=scene.make_app().registry) as env:
        env["request"].session["x"] = 1
    return scene.logged()


def a_list_of_tweens_without_ours(scene: Scene) -> str:
    tweens = "pyramid_tm.tm_tween_factory pyramid.tweens.excview_tween_factory"
    scene.make_app(settings={"pyramid.tweens": tweens})
    return scene.logged()


def a_row_that_cannot_be_read(scene: Scene) -> str:
    app = scene.make_app()
    app.get("/write?x=1")
    app.execute("UPDATE sessions SET data = '?'")
    app.get("/read")
    return scene.logged()


def a_row_that_no_key_opens(scene: Scene) -> str:
    app = scene.make_app(settings={"sqlsession.encryption_keys": KEY})
    app.get("/write?x=1")
    app.execute("UPDATE sessions SET data = '{}'")
    app.get("/read")
    return scene.logged()


def two_cookies_of_live_sessions(scene: Scene) -> str:
    app = scene.make_app()
    browsers = [app.browser, app.another_browser()]
    for browser in browsers:
        browser.get("/write?x=1")
    both = "; ".join(f"session={browser.cookie}" for browser in browsers)
    webtest.TestApp(app.wsgi).get("/read", headers={"Cookie": both})
    return scene.logged()


def many_cookies(scene: Scene) -> str:
    many = "; ".join(f"session={new_session_id()}" for _ in range(5))
    scene.make_app().get("/read", headers={"Cookie": many})
    return scene.logged()


def a_late_change_that_is_refused(scene: Scene) -> str:
    def view(request: Request) -> None:
        request.add_response_callback(late)

    def late(request: Request, response: Any) -> None:
        request.session["x"] = object()

    scene.make_app(views={"/": view}).get("/")
    return scene.logged()


PROVOCATIONS: list[Callable[[Scene], str]] = [
    two_wrong_settings,
    a_dotted_name_that_leads_nowhere,
    a_class_that_is_not_mapped,
    a_mapped_class_without_a_column,
    columns_that_are_mapped_otherwise,
    a_column_that_nobody_fills,
    a_foreign_key_by_name,
    a_serializer_for_another_column,
    a_json_column_for_what_is_encrypted,
    a_table_that_cannot_be_created,
    a_request_without_dbsession,
    a_missing_table,
    a_value_that_cannot_be_stored,
    a_callback_that_returns_a_list,
    a_callback_that_fills_what_is_not_there,
    a_callback_that_fills_what_is_ours,
    a_callback_that_leaves_a_column_unfilled,
    a_callback_that_changes_the_session,
    a_callback_that_commits,
    a_faster_request,
    a_locked_database,
    an_expiration_of_nothing,
    a_value_of_the_wrong_type,
    an_unknown_column,
    a_store_without_a_transaction,
    a_public_response,
    an_insecure_cookie,
    no_limit,
    a_proxy_that_does_not_say_https,
    a_script_without_a_transaction,
    a_list_of_tweens_without_ours,
    a_row_that_cannot_be_read,
    a_row_that_no_key_opens,
    two_cookies_of_live_sessions,
    many_cookies,
    a_late_change_that_is_refused,
]


@pytest.fixture
def scene(make_app: MakeApp, folder: Path, caplog: pytest.LogCaptureFixture) -> Scene:
    """Applications, files and the log."""
    return Scene(make_app, folder, caplog)


@pytest.mark.parametrize("provoke", PROVOCATIONS, ids=lambda provoke: provoke.__name__)
def test_each_error_is_quoted_as_it_comes(scene: Scene, provoke: Callable[[Scene], str]) -> None:
    """Word for word, in the order of the README."""
    quoted = quoted_messages()[PROVOCATIONS.index(provoke)]
    assert squeezed(provoke(scene)) == quoted


def test_each_quoted_error_is_provoked() -> None:
    """None is quoted that nobody can meet."""
    assert len(quoted_messages()) == len(PROVOCATIONS)
