"""How a session ends: by itself, and by somebody else while a request runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.harness import App, Clock, MakeApp, Note, only_on_sqlite, over_both_managers
from tests.harness.endings import (
    Handled,
    after,
    and_abort,
    and_doom,
    and_raise,
    and_raise_a_handled_error,
    and_raise_a_redirect,
    answer,
)
from tests.harness.marks import VETO, on_every_on_abort, with_and_without_veto

UNKNOWN = "A" * 43


def leave(request: Any) -> list[Any]:
    session = request.session
    session.invalidate()
    return [dict(session), session.new, session.created, session.id]


def leave_and_write(request: Any) -> None:
    request.session.invalidate()
    request.session["y"] = 2


def known_app(make_app: MakeApp, view: Callable[[Any], Any], **options: Any) -> App:
    """An application whose first browser has a session, and `view` at `/`."""
    app = make_app(views={"/": view}, exception_views={Handled: answer}, **options)
    app.get("/write?x=1")
    return app


def opened_by(app: App, cookie: str | None) -> Any:
    """What a browser that holds this cookie reads."""
    browser = app.another_browser()
    if cookie is not None:
        browser.plant(cookie)
    return browser.get("/read").json


# What it does


def test_an_invalidated_session_is_empty_and_new_at_once(make_app: MakeApp, clock: Clock) -> None:
    """The view goes on with a session that begins now and has no row."""
    app = known_app(make_app, leave)
    clock.advance(100)
    assert app.get("/").json == [{}, True, clock(), None]


@over_both_managers
def test_the_row_of_an_invalidated_session_is_gone_and_its_cookie_opens_nothing(
    make_app: MakeApp,
) -> None:
    """Ended means deleted, for everybody who holds a copy of the cookie."""
    app = known_app(make_app, leave)
    old = app.browser.cookie
    app.get("/")
    assert app.rows() == []
    assert opened_by(app, old) == {}


def test_invalidating_alone_deletes_the_cookie(make_app: MakeApp) -> None:
    """The browser is told once, and no new row is made."""
    app = known_app(make_app, leave)
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.browser.cookie is None


def test_writing_after_invalidating_begins_another_session(make_app: MakeApp) -> None:
    """A new secret, a new row, exactly one Set-Cookie, and nothing of the old data."""
    app = known_app(make_app, leave_and_write)
    (old,), old_cookie = app.rows(), app.browser.cookie
    (cookie,) = app.set_cookies(app.get("/"))
    (row,) = app.rows()
    assert row.data == {"y": 2}
    assert row.digest != old.digest
    assert cookie.value not in (old_cookie, "")
    assert app.get("/read").json == {"y": 2}
    assert opened_by(app, old_cookie) == {}


def test_the_session_after_an_invalidated_one_is_created_now(
    make_app: MakeApp, clock: Clock
) -> None:
    """Its absolute life does not begin with the old one's."""
    app = known_app(make_app, leave_and_write)
    clock.advance(100)
    app.get("/")
    (row,) = app.rows()
    assert row.columns["created"] == clock()
    assert row.version == 1


def begin_anew_with_what_there_was(request: Any) -> None:
    """What a view does when somebody has given the password once more."""
    kept = dict(request.session)
    request.session.invalidate()
    request.session.update(kept)


def test_a_session_that_goes_on_in_a_new_row_has_all_its_time_again(
    make_app: MakeApp, clock: Clock
) -> None:
    """Both limits count from there; the old cookie opens nothing."""
    limits = {"sqlsession.expiration": "100", "sqlsession.absolute_expiration": "150"}
    app = known_app(make_app, begin_anew_with_what_there_was, settings=limits)
    old = app.browser.cookie
    clock.advance(99)
    app.get("/")
    assert opened_by(app, old) == {}
    clock.advance(99)
    assert app.get("/read").json == {"x": "1"}
    clock.advance(51)
    assert app.get("/read").json == {}


def invalidate_twice(request: Any) -> None:
    request.session["x"] = 1
    request.session.invalidate()
    request.session["y"] = 2
    request.session.invalidate()


@pytest.mark.parametrize("view", [leave, invalidate_twice])
def test_invalidating_a_new_session_leaves_no_trace(
    make_app: MakeApp, view: Callable[[Any], Any]
) -> None:
    """No error, no phantom row, no statement, no cookie."""
    app = make_app(views={"/": view})
    with app.statements() as seen:
        response = app.get("/")
    assert app.set_cookies(response) == []
    assert seen.texts == []
    assert app.rows() == []


def test_invalidating_twice_ends_the_session_once(make_app: MakeApp) -> None:
    """What was written in between belongs to neither."""
    app = known_app(make_app, invalidate_twice)
    with app.statements() as seen:
        (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert seen.of_session == {"SELECT": 1, "DELETE": 1}
    assert app.rows() == []


def test_invalidating_leaves_a_cookie_alone_that_the_database_does_not_know(
    make_app: MakeApp,
) -> None:
    """It may belong to a sibling application."""
    app = make_app(views={"/": leave})
    app.browser.plant(UNKNOWN)
    assert app.set_cookies(app.get("/")) == []


# Whatever becomes of the transaction


def and_ask_for_a_veto(request: Any) -> None:
    request.response.headers["X-Tm"] = "abort"


ABORTS = pytest.mark.parametrize(
    "abort",
    [
        and_raise_a_redirect,
        and_raise_a_handled_error,
        and_raise,
        and_doom,
        and_abort,
        and_ask_for_a_veto,
    ],
)


@over_both_managers
@on_every_on_abort
@ABORTS
@with_and_without_veto
def test_a_logout_sticks_though_the_transaction_is_rolled_back(
    make_app: MakeApp, on_abort: str, abort: Callable[[Any], Any], veto: dict[str, str]
) -> None:
    """Nobody gets in again: this promise wins over all others."""
    app = known_app(
        make_app, after(leave, abort), settings={"sqlsession.on_abort": on_abort, **veto}
    )
    old = app.browser.cookie
    with suppress(ZeroDivisionError):
        (cookie,) = app.set_cookies(app.get("/"))
        assert cookie.deletes
    assert app.rows() == []
    assert opened_by(app, old) == {}


@ABORTS
def test_what_was_written_after_a_logout_is_rolled_back_all_the_same(
    make_app: MakeApp, abort: Callable[[Any], Any]
) -> None:
    """A logout sticks, a login need not: no new row, no new cookie."""
    veto = VETO if abort is and_ask_for_a_veto else {}
    app = known_app(make_app, after(leave_and_write, abort), settings=veto)
    with suppress(ZeroDivisionError):
        (cookie,) = app.set_cookies(app.get("/"))
        assert cookie.deletes
    assert app.rows() == []


def test_what_was_written_after_a_logout_is_kept_where_everything_is(make_app: MakeApp) -> None:
    """With `on_abort = keep` the new session outlives the rollback that the old one did not."""
    app = known_app(
        make_app,
        after(leave_and_write, and_raise_a_handled_error),
        settings={"sqlsession.on_abort": "keep"},
    )
    (cookie,) = app.set_cookies(app.get("/"))
    assert not cookie.deletes
    assert [row.data for row in app.rows()] == [{"y": 2}]


@over_both_managers
@on_every_on_abort
def test_a_logout_in_an_exception_view_sticks(make_app: MakeApp, on_abort: str) -> None:
    """Also where the exception view's changes are rolled back otherwise."""

    def leave_instead(error: Any, request: Any) -> None:
        leave(request)

    app = make_app(
        views={"/": and_raise_a_handled_error},
        exception_views={Handled: leave_instead},
        settings={"sqlsession.on_abort": on_abort},
    )
    app.get("/write?x=1")
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.rows() == []


@pytest.mark.parametrize("view", [leave, leave_and_write])
def test_a_deletion_is_sent_on_an_exception_view_that_may_send_nothing_else(
    make_app: MakeApp, view: Callable[[Any], Any]
) -> None:
    """`set_on_exception = false` holds back new cookies and new rows, but no logout."""

    def answer_with(error: Any, request: Any) -> None:
        view(request)

    app = make_app(
        views={"/": and_raise_a_handled_error},
        exception_views={Handled: answer_with},
        settings={"sqlsession.set_on_exception": "false"},
    )
    app.get("/write?x=1")
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.rows() == []


def test_a_logout_in_a_response_callback_sticks(make_app: MakeApp) -> None:
    """The transaction is over; the row is deleted in one of our own."""

    def later(request: Any) -> None:
        request.session.get("x")
        request.add_response_callback(lambda request, response: request.session.invalidate())

    app = known_app(make_app, later)
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.rows() == []


# Ended by somebody else while a request runs


def revoke_all(app: App) -> None:
    app.execute("DELETE FROM sessions")


def revoked_app(
    make_app: MakeApp, change: Callable[[Any], Any], end: Callable[[App], None] = revoke_all
) -> App:
    """An application whose view `/` changes a session that was ended after it was read."""

    def view(request: Any) -> str:
        assert request.session["x"] == "1"
        end(app)
        change(request)
        request.dbsession.add(Note(text="from the view"))
        return "delivered"

    app = known_app(make_app, view)
    return app


CHANGES: dict[str, Callable[[Any], Any]] = {
    "write": lambda request: request.session.update(y=2),
    "changed": lambda request: request.session.changed(),
    "regenerate_id": lambda request: request.session.regenerate_id(),
    "set_expiration": lambda request: request.session.set_expiration(60),
    "log in": lambda request: request.session.update({"auth.userid": "alice"}),
}
EVERY_CHANGE = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


@EVERY_CHANGE
def test_a_session_revoked_while_a_request_runs_is_not_resurrected(
    make_app: MakeApp, change: Callable[[Any], Any]
) -> None:
    """The change is dropped and the cookie deleted; response and application data are not hurt."""
    app = revoked_app(make_app, change)
    response = app.get("/")
    (cookie,) = app.set_cookies(response)
    assert cookie.deletes
    assert app.rows() == []
    assert response.json == "delivered"
    assert app.notes() == ["from the view"]


def test_a_session_revoked_while_a_request_fails_is_not_resurrected(make_app: MakeApp) -> None:
    """What the exception view wrote is saved apart, and dropped there just the same."""

    def fail(request: Any) -> None:
        assert request.session["x"] == "1"
        revoke_all(app)
        raise Handled

    def write(error: Any, request: Any) -> None:
        request.session["y"] = 2

    app = make_app(views={"/": fail}, exception_views={Handled: write})
    app.get("/write?x=1")
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.rows() == []


def test_invalidating_a_session_that_was_revoked_meanwhile_is_no_error(make_app: MakeApp) -> None:
    """Gone is gone; the cookie is deleted."""
    app = revoked_app(make_app, leave)
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.rows() == []


@pytest.mark.parametrize("act", [CHANGES["write"], leave], ids=["write", "leave"])
def test_the_row_of_another_visitor_under_the_same_public_id_is_left_alone(
    make_app: MakeApp, act: Callable[[Any], Any]
) -> None:
    """A database may give an id out again; neither a save nor a logout may hit the wrong row."""

    def replace(app: App) -> None:
        app.execute(
            "UPDATE sessions SET digest = :digest, created = created + 1, data = :data",
            digest=bytes(32),
            data='{"another": "visitor"}',
        )

    app = revoked_app(make_app, act, replace)
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert [row.data for row in app.rows()] == [{"another": "visitor"}]


@only_on_sqlite
@pytest.mark.parametrize("limit", ["expiration", "absolute_expiration"])
def test_a_session_whose_life_ended_while_a_request_ran_is_not_saved(
    make_app: MakeApp, clock: Clock, limit: str
) -> None:
    """Others may have been told that it is over; both limits hold for slow requests too."""

    def slow(request: Any) -> None:
        request.session["y"] = 2
        clock.advance(100)

    app = known_app(make_app, slow, settings={f"sqlsession.{limit}": "100"})
    clock.advance(50)
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.get("/read").json == {}
    assert [row.data for row in app.rows()] == [{"x": "1"}]
