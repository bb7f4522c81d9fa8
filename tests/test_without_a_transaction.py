"""Where pyramid_tm is left out or says no: the session has short transactions of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pyramid.authentication import SessionAuthenticationHelper
from sqlalchemy import Connection, text
from sqlalchemy.orm import Session

from tests.harness import App, MakeApp, Note
from tests.harness.endings import Handled, and_raise_a_handled_error
from tests.harness.marks import EXPLICIT, THREAD_LOCAL

Make = Callable[..., App]


def never(request: Any) -> bool:
    return False


WITHOUT: dict[str, tuple[str, dict[str, Any]]] = {
    "no pyramid_tm": (EXPLICIT, {"tm": False}),
    "it says no": (EXPLICIT, {"settings": {"tm.activate_hook": never}}),
    "it says no, thread-local": (THREAD_LOCAL, {"settings": {"tm.activate_hook": never}}),
}


@pytest.fixture(params=WITHOUT)
def without(request: pytest.FixtureRequest) -> str:
    """The way in which there is no transaction."""
    return str(request.param)


@pytest.fixture
def manager(without: str) -> str:
    return WITHOUT[without][0]


@pytest.fixture
def make(make_app: MakeApp, without: str) -> Make:
    """Build applications whose requests have no transaction."""
    given = WITHOUT[without][1]

    def make(settings: dict[str, Any] | None = None, **options: Any) -> App:
        both = {**given.get("settings", {}), **(settings or {})}
        return make_app(**{**given, **options, "settings": both})

    return make


def test_a_session_is_saved_and_read_again(make: Make) -> None:
    """In one transaction of its own, with one cookie."""
    app = make()
    with app.statements() as seen:
        response = app.get("/write?x=1")
    assert len(app.set_cookies(response)) == 1
    assert seen.commits == 1
    assert app.get("/read").json == {"x": "1"}
    assert [row.data for row in app.rows()] == [{"x": "1"}]


def test_reading_sends_no_cookie_and_commits_no_change(make: Make) -> None:
    """One statement."""
    app = make()
    app.get("/write?x=1")
    with app.statements() as seen:
        response = app.get("/read")
    assert seen.of_session == {"SELECT": 1}
    assert app.set_cookies(response) == []


def test_an_untouched_session_costs_nothing(make: Make) -> None:
    """No statement, though the browser has a cookie."""
    app = make()
    app.get("/write?x=1")
    with app.statements() as seen:
        app.get("/untouched")
    assert seen.log == []


def test_a_change_of_an_existing_session_sends_no_cookie(make: Make) -> None:
    """The browser has it."""
    app = make()
    app.get("/write?x=1")
    assert app.set_cookies(app.get("/write?y=2")) == []
    assert app.get("/read").json == {"x": "1", "y": "2"}


def test_invalidating_deletes_row_and_cookie(make: Make) -> None:
    """As with a transaction."""
    app = make(views={"/leave": lambda request: request.session.invalidate()})
    app.get("/write?x=1")
    (cookie,) = app.set_cookies(app.get("/leave"))
    assert cookie.deletes
    assert app.rows() == []


def test_a_login_changes_the_id(make: Make) -> None:
    """As with a transaction."""

    def log_in(request: Any) -> None:
        SessionAuthenticationHelper().remember(request, "alice")

    app = make(views={"/log-in": log_in})
    app.get("/write?x=1")
    before = app.browser.cookie
    (cookie,) = app.set_cookies(app.get("/log-in"))
    assert cookie.value not in (before, "")
    assert app.get("/read").json == {"x": "1", "auth.userid": "alice"}


ABORT_TABLE = [
    ("exception-view", {"x": "1", "exception view": 1}),
    ("discard", {"x": "1"}),
    ("keep", {"x": "1", "view": 1, "exception view": 1}),
]


@pytest.mark.parametrize(("on_abort", "kept"), ABORT_TABLE)
def test_an_exception_counts_as_a_rollback(
    make: Make, on_abort: str, kept: dict[str, Any]
) -> None:
    """What survives a handled exception is what `on_abort` says."""

    def fail(request: Any) -> None:
        request.session["view"] = 1
        raise Handled

    def answer(error: Any, request: Any) -> None:
        request.session["exception view"] = 1

    app = make(
        views={"/": fail},
        exception_views={Handled: answer},
        settings={"sqlsession.on_abort": on_abort},
    )
    app.get("/write?x=1")
    app.get("/")
    assert [row.data for row in app.rows()] == [kept]


@pytest.mark.parametrize(
    ("on_abort", "kept"),
    [("exception-view", [{"x": 1}]), ("discard", []), ("keep", [{"x": 1}])],
)
def test_a_session_first_used_by_the_exception_view_follows_the_same_rule(
    make: Make, on_abort: str, kept: list[Any]
) -> None:
    """The exception decides, though the session never saw it pass."""

    def answer(error: Any, request: Any) -> None:
        request.session["x"] = 1

    app = make(
        views={"/": and_raise_a_handled_error},
        exception_views={Handled: answer},
        settings={"sqlsession.on_abort": on_abort},
    )
    response = app.get("/")
    assert len(app.set_cookies(response)) == len(kept)
    assert [row.data for row in app.rows()] == kept


def test_an_uncaught_exception_saves_nothing(make: Make) -> None:
    """And reaches the server unchanged."""

    def fail(request: Any) -> None:
        request.session["view"] = 1
        raise ZeroDivisionError

    app = make(views={"/": fail})
    app.get("/write?x=1")
    before = app.rows()
    with pytest.raises(ZeroDivisionError):
        app.get("/")
    assert app.rows() == before


def test_a_logout_sticks_though_the_exception_is_not_caught(make: Make) -> None:
    """The row is deleted all the same."""

    def leave(request: Any) -> None:
        request.session.invalidate()
        raise ZeroDivisionError

    app = make(views={"/": leave})
    app.get("/write?x=1")
    with suppress(ZeroDivisionError):
        app.get("/")
    assert app.rows() == []


def test_the_applications_dbsession_is_never_used(make: Make) -> None:
    """A statement on it would leave a transaction half open that nobody ends."""
    seen: list[bool] = []

    def write(request: Any) -> None:
        request.session["x"] = request.session.get("x", 0) + 1
        seen.append(request.dbsession.in_transaction())
        request.add_finished_callback(
            lambda request: seen.append(request.dbsession.in_transaction())
        )

    app = make(views={"/": write})
    app.get("/")
    app.get("/")
    assert seen == [False] * 4


@pytest.mark.parametrize("without", ["no pyramid_tm", "it says no, thread-local"], indirect=True)
def test_the_applications_pending_objects_are_not_committed(make: Make) -> None:
    """Its own unit of work stays its own: here nobody commits it."""

    def write(request: Any) -> None:
        request.dbsession.add(Note(text="pending"))
        request.session["x"] = 1

    app = make(views={"/": write})
    app.get("/")
    assert app.notes() == []
    assert [row.data for row in app.rows()] == [{"x": 1}]


def test_a_value_that_cannot_be_stored_is_logged_with_its_key(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer is made when it is noticed; nothing is saved, no cookie promises anything."""

    def write(request: Any) -> str:
        request.session["guilty"] = object()
        return "delivered"

    app = make(views={"/": write})
    with caplog.at_level(logging.ERROR, "pyramid_sqlsession"):
        response = app.get("/")
    assert response.json == "delivered"
    assert app.set_cookies(response) == []
    assert app.rows() == []
    assert "guilty" in caplog.text


@pytest.mark.parametrize("on_conflict", ["merge", "retry"])
def test_a_conflict_is_merged_whatever_is_configured(make: Make, on_conflict: str) -> None:
    """Nobody could repeat a request that is already answered."""

    def write(request: Any) -> None:
        request.session["y"] = 2
        another = app.another_browser()
        another.plant(str(app.browser.cookie))
        another.get("/write?z=3")

    app = make(views={"/": write}, settings={"sqlsession.on_conflict": on_conflict})
    app.get("/write?x=1")
    app.get("/")
    assert [row.data for row in app.rows()] == [{"x": "1", "y": 2, "z": "3"}]


@pytest.mark.parametrize("without", ["it says no", "it says no, thread-local"], indirect=True)
def test_a_view_may_open_a_transaction_itself(make: Make) -> None:
    """What is written inside is saved, once, with what the view commits there or afterwards."""

    def write(request: Any) -> None:
        with request.tm:
            request.session["x"] = 1
            request.dbsession.add(Note(text="inside"))

    app = make(views={"/": write})
    response = app.get("/")
    assert len(app.set_cookies(response)) == 1
    assert [row.data for row in app.rows()] == [{"x": 1}]
    assert app.notes() == ["inside"]


# A dbsession that is bound to one connection, which somebody else owns


def insert_note(connection: Connection) -> None:
    connection.execute(text("INSERT INTO notes (text) VALUES ('from outside')"))


@pytest.mark.parametrize("without", ["no pyramid_tm"], indirect=True)
def test_in_somebodys_transaction_on_one_connection_nothing_is_committed(make: Make) -> None:
    """A savepoint is all that is ours; the session comes and goes with the rest."""
    app = make()
    with app.engine.connect() as connection, Session(connection) as dbsession:
        insert_note(connection)
        environ = {"app.dbsession": dbsession}
        assert len(app.set_cookies(app.get("/write?x=1", extra_environ=environ))) == 1
        assert app.get("/read", extra_environ=environ).json == {"x": "1"}
        assert app.rows() == []
        connection.rollback()
    assert app.rows() == []
    assert app.notes() == []


@pytest.mark.parametrize("without", ["no pyramid_tm"], indirect=True)
def test_on_somebodys_idle_connection_we_commit_what_we_began(make: Make) -> None:
    """And leave it as idle as it was."""
    app = make()
    with app.engine.connect() as connection, Session(connection) as dbsession:
        app.get("/write?x=1", extra_environ={"app.dbsession": dbsession})
        assert [row.data for row in app.rows()] == [{"x": "1"}]
        assert not connection.in_transaction()
