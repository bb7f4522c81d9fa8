"""The tables of the README are what the package does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pyramid.authentication
import pyramid.config
import pyramid.exceptions
import pyramid.testing
import pytest
from pyramid.httpexceptions import HTTPFound

import pyramid_sqlsession
from pyramid_sqlsession import (
    SessionStore,
    SQLSession,
    events,
    session_factory_from_settings,
)
from pyramid_sqlsession.scripts.prune_sessions import _parser
from pyramid_sqlsession.settings import SETTINGS, parse_settings
from tests.harness import App, Clock, MakeApp
from tests.readme.applications import begin, store_app
from tests.readme.document import table


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
