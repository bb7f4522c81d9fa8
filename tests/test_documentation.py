"""The documentation is true: its code runs, its tutorial works, and nothing public is missing."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import webtest

import pyramid_sqlsession
from pyramid_sqlsession import events, testing
from pyramid_sqlsession.model import ATTRIBUTES
from pyramid_sqlsession.settings import parse_settings
from tests.documents import (
    README,
    Block,
    Project,
    begin_project,
    blocks_of,
    entered,
    pages,
    text_of,
)
from tests.harness import MakeApp

INDEX, TUTORIAL = "index", "tutorial"
NO_CODE = {"text"}  # output, and files of programs that are not here
QUOTING = {"testing"}  # literal blocks are messages there, and its own tests provoke them


@pytest.fixture
def database_name() -> str:
    """What the pages say does not depend on the database."""
    return "sqlite"


def code(page: str) -> list[Block]:
    """What is code and does not excuse itself."""
    return [b for b in blocks_of(page) if b.language not in NO_CODE and not b.excuse]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has done all that the tutorial says."""
    folder = tmp_path_factory.mktemp("tutorial")
    begin_project(folder)
    with entered(folder) as project:
        for block in code(TUTORIAL):
            project.run(block)
    return folder


@pytest.fixture
def tutorial(finished: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it, in which nobody has logged in yet."""
    folder = shutil.copytree(finished, tmp_path / "copy")
    with entered(folder) as project:
        yield project


# The code


@pytest.mark.parametrize("page", [page for page in pages() if code(page) and page != TUTORIAL])
def test_the_code_of_a_page_runs(page: str, tutorial: Project) -> None:
    """Block after block, in the project that the tutorial has made; its own have run already."""
    for block in code(page):
        tutorial.run(block)


@pytest.mark.parametrize("page", pages())
def test_every_block_of_a_page_is_found(page: str) -> None:
    """One in a list, or without a language, would not be run."""
    text = text_of(page)
    assert len(blocks_of(page)) == len(re.findall(r"code-block::|code::|highlight::", text))
    if page not in QUOTING:
        assert re.findall(r"^(?!\.\. ).*::$", text, re.MULTILINE) == [], "a literal block"
    assert ">>> " not in re.sub(r"code-block:: pycon\n(.*\n)+?(?=\S)", "", text)


@pytest.mark.parametrize("page", [README, *pages()])
def test_every_excuse_gives_a_reason(page: str) -> None:
    """And belongs to a block."""
    excuses = [block.excuse for block in blocks_of(page) if block.excuse]
    assert len(excuses) == text_of(page).count(".. not run:")


# The tutorial


def log_in(browser: webtest.TestApp) -> webtest.TestResponse:
    form = browser.get("/login").form
    form["name"], form["password"] = "ann", "a long password"
    return form.submit().follow()


def browsers_of(project: Project) -> tuple[webtest.TestApp, webtest.TestApp]:
    """Two, in which ann has logged in."""
    here, there = (webtest.TestApp(project.app) for _ in range(2))
    for browser in (here, there):
        assert "You are ann." in log_in(browser)
    return here, there


def test_the_login_of_the_tutorial_changes_the_id_and_keeps_the_visits(tutorial: Project) -> None:
    """As it says."""
    browser = webtest.TestApp(tutorial.app)
    assert "this page 1 times" in browser.get("/")
    before = browser.cookies["session"]
    assert "this page 2 times" in log_in(browser)
    assert browser.cookies["session"] != before


def test_a_wrong_password_opens_nothing_in_the_tutorial(tutorial: Project) -> None:
    """Nor does the page of the sessions, which asks to log in."""
    browser = webtest.TestApp(tutorial.app)
    form = browser.get("/sessions", status=303).follow().form
    form["name"], form["password"] = "ann", "wrong"
    assert "There is nobody with that name and password." in form.submit()
    assert "You are ann." not in browser.get("/")


def test_the_tutorial_shows_where_somebody_is_logged_in(tutorial: Project) -> None:
    """In both browsers, of which one is this."""
    here, _ = browsers_of(tutorial)
    page = here.get("/sessions").text
    assert (page.count("<li>"), page.count("(this browser)")) == (2, 1)


def test_the_tutorial_logs_out_everywhere_else(tutorial: Project) -> None:
    """Here one stays."""
    here, there = browsers_of(tutorial)
    page = here.get("/sessions").forms["elsewhere"].submit().follow()
    assert page.text.count("<li>") == 1
    assert "You are ann." not in there.get("/")


def test_the_tutorial_logs_out_everywhere(tutorial: Project) -> None:
    """The second browser has to log in again, and an old cookie opens nothing."""
    here, there = browsers_of(tutorial)
    old = here.cookies["session"]
    page = here.get("/sessions").forms["everywhere"].submit().follow()
    assert "You are logged out everywhere." in page
    assert "You are ann." not in page
    assert there.get("/sessions").headers["Location"].endswith("/login")
    here.set_cookie("session", old)
    assert "You are ann." not in here.get("/")


def test_the_logout_of_the_tutorial_ends_this_session_only(tutorial: Project) -> None:
    """The other browser stays logged in."""
    here, there = browsers_of(tutorial)
    assert "You are logged out." in here.get("/").form.submit().follow()
    assert "You are ann." in there.get("/")


# The reference


def documented() -> set[str]:
    """The names that the reference takes from the docstrings."""
    found: set[str] = set()
    module = ""
    for directive, name in re.findall(r"\.\. (\w+):: ([\w.]+)", text_of("api")):
        if directive == "currentmodule":
            module = name
        elif directive.startswith("auto"):
            found.add(name if name.startswith("pyramid_sqlsession.") else f"{module}.{name}")
    return found


def public() -> set[str]:
    """What is promised: the names of the package, of its kit for tests, and its events."""
    modules = (pyramid_sqlsession, testing)
    names = {f"{module.__name__}.{name}" for module in modules for name in module.__all__}
    here = events.__name__
    classes = {n for n, c in vars(events).items() if getattr(c, "__module__", "") == here}
    return names | {f"{here}.{name}" for name in classes if name[0].isupper()}


def test_every_public_name_is_in_the_reference() -> None:
    """And nothing else, but the options of pruning, which two of them take."""
    assert documented() - public() == {"pyramid_sqlsession.pruning.Options"}
    assert public() - documented() == set()


def test_the_reference_has_the_columns_in_their_order() -> None:
    """As the mixin declares them."""
    [table] = re.findall(r"^Attribute .*\n=.*\n((?:``.*\n)+)", text_of("api"), re.MULTILINE)
    assert tuple(re.findall(r"^``(\w+)``", table, re.MULTILINE)) == ATTRIBUTES


# The tables


def cells(page: str, headline: str) -> list[list[str]]:
    """The rows of the table that begins so, literals only."""
    _, _, rest = text_of(page).partition(f"\n{headline}")
    _, body, *_ = re.split(r"^=[= ]+$", rest, flags=re.MULTILINE)
    rows = [re.findall("``(.+?)``", line) for line in body.splitlines() if line]
    assert rows, headline
    return rows


MERGES = cells("merging", "Both have loaded")


@pytest.mark.parametrize(("loaded", "first", "second", "saved"), MERGES)
def test_two_requests_leave_what_the_table_says(
    make_app: MakeApp, loaded: str, first: str, second: str, saved: str
) -> None:
    """Both load the session; the first saves while the second works."""

    def begin(request: Any) -> None:
        request.session.update(json.loads(loaded))

    def hold(request: Any, content: str) -> None:
        assert dict(request.session) == json.loads(loaded)
        request.session.clear()
        request.session.update(json.loads(content))

    def be_second(request: Any) -> None:
        hold(request, second)
        other = app.another_browser()
        other.plant(str(app.browser.cookie))
        other.get("/first")

    views = {"/begin": begin, "/first": lambda request: hold(request, first), "/": be_second}
    app = make_app(views=views)
    app.get("/begin")
    app.get("/")
    [row] = app.rows()
    assert row.data == json.loads(saved)


@pytest.mark.parametrize(
    ("expiration", "interval"), cells("expiration", "``expiration``  ``touch_interval``")
)
def test_a_use_is_noted_as_often_as_the_table_says(expiration: str, interval: str) -> None:
    """When nothing else is set."""
    settings = parse_settings({"sqlsession.expiration": expiration})
    assert f"{settings.touch_interval}s" == interval


# The pages


def test_every_page_is_in_a_table_of_contents() -> None:
    """Else nobody comes by it; Sphinx refuses it too."""
    trees = re.findall(r"\.\. toctree::\n(?: {3}:.*\n)*\n((?: {3}.+\n)+)", text_of(INDEX))
    patterns = [pattern for tree in trees for pattern in tree.split()]
    lonely = [page for page in pages() if not any(fnmatch(page, one) for one in patterns)]
    assert lonely == [INDEX]


@pytest.mark.parametrize("page", pages())
def test_a_link_that_is_written_as_an_address_leads_to_a_page(page: str) -> None:
    """Sphinx looks at no others than its own."""
    for target in re.findall(r"^\.\. _[^:]+: (?!https?://)(.+)$", text_of(page), re.MULTILINE):
        assert target.removesuffix(".html") in pages()


@pytest.mark.parametrize("page", pages())
def test_what_is_shared_with_another_document_is_found_there(page: str) -> None:
    """Sphinx would say so only when the documentation is made."""
    for _, file, options in re.findall(
        r"\.\. (include):: \.\./(\S+)\n((?: {3}:.*\n)*)", text_of(page)
    ):
        shared = (Path(__file__).parents[1] / file).read_text("utf-8")
        for mark in re.findall(r":(?:start-after|end-before): (.+)", options):
            assert shared.count(mark) == 1, mark
