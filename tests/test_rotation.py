"""The session gets a new secret id: when asked to, and by itself when somebody logs in or out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from pyramid.authentication import SessionAuthenticationHelper
from sqlalchemy import text

from tests.harness import App, Browser, Clock, MakeApp, only_on_sqlite, over_both_managers
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

MINUTE = 60
helper = SessionAuthenticationHelper()


def regenerate(request: Any) -> int | None:
    request.session.regenerate_id()
    public_id: int | None = request.session.id
    return public_id


def log_in(request: Any) -> None:
    helper.remember(request, request.params.get("user", "alice"))


def log_out(request: Any) -> None:
    helper.forget(request)


VIEWS = {"/regenerate": regenerate, "/log-in": log_in, "/log-out": log_out}


def known_app(make_app: MakeApp, **options: Any) -> App:
    """An application whose first browser has a session with x = 1."""
    app = make_app(views={**VIEWS, **options.pop("views", {})}, **options)
    app.get("/write?x=1")
    return app


def holder_of(app: App, cookie: str | None) -> Browser:
    """Another browser that holds this cookie."""
    browser = app.another_browser()
    assert cookie is not None
    browser.plant(cookie)
    return browser


# On request


def test_a_regenerated_session_keeps_everything_but_its_secret(
    make_app: MakeApp, clock: Clock
) -> None:
    """Data, public id and the time of creation stay; the row notes the id before and the time."""
    app = known_app(make_app)
    (before,) = app.rows()
    clock.advance(100)
    app.get("/regenerate")
    (after,) = app.rows()
    for column in ("id", "created", "data", "lifetime"):
        assert after.columns[column] == before.columns[column]
    assert after.digest != before.digest
    assert bytes(after.columns["previous"]) == before.digest
    assert after.columns["rotated"] == clock()


@over_both_managers
def test_after_regenerating_the_new_cookie_opens_the_session_and_the_old_one_nothing(
    make_app: MakeApp,
) -> None:
    """Exactly one Set-Cookie tells the browser."""
    app = known_app(make_app)
    old = app.browser.cookie
    (cookie,) = app.set_cookies(app.get("/regenerate"))
    assert cookie.value not in (old, "")
    assert app.get("/read").json == {"x": "1"}
    assert holder_of(app, old).get("/read").json == {}


def test_the_public_id_stays_readable_while_the_secret_changes(make_app: MakeApp) -> None:
    """Logs and foreign keys may use it before and after."""
    app = known_app(make_app)
    (row,) = app.rows()
    assert app.get("/regenerate").json == row.id


def test_foreign_keys_to_the_session_survive_a_new_id(make_app: MakeApp) -> None:
    """The row is updated, not replaced."""
    app = known_app(make_app)
    app.execute(
        "CREATE TABLE carts (session_id BIGINT NOT NULL, "
        "FOREIGN KEY (session_id) REFERENCES sessions (id) ON DELETE CASCADE)"
    )
    app.execute("INSERT INTO carts SELECT id FROM sessions")
    app.get("/regenerate")
    with app.session_probe.connect() as connection:
        joined = "SELECT count(*) FROM carts JOIN sessions ON sessions.id = carts.session_id"
        assert connection.execute(text(joined)).scalar_one() == 1


def regenerate_twice_and_write(request: Any) -> None:
    request.session.regenerate_id()
    request.session["y"] = 2
    request.session.regenerate_id()


def test_regenerating_twice_in_a_request_is_done_once(make_app: MakeApp) -> None:
    """One statement for everything, one cookie."""
    app = known_app(make_app, views={"/": regenerate_twice_and_write})
    with app.statements() as seen:
        response = app.get("/")
    assert len(app.set_cookies(response)) == 1
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
    assert app.get("/read").json == {"x": "1", "y": 2}


def test_an_empty_new_session_that_is_regenerated_makes_no_row(make_app: MakeApp) -> None:
    """There is no id yet to be changed."""
    app = make_app(views=VIEWS)
    assert app.set_cookies(app.get("/regenerate")) == []
    assert app.rows() == []


# By itself


def test_a_cookie_planted_before_the_login_is_worthless_after_it(
    make_app: MakeApp, clock: Clock
) -> None:
    """Session fixation fails, at once and for good, though the application did nothing for it."""
    app = known_app(make_app)
    attacker = app.browser
    victim = holder_of(app, attacker.cookie)
    assert len(app.set_cookies(victim.get("/log-in"))) == 1
    assert attacker.get("/read").json == {}
    clock.advance(2 * MINUTE)
    assert attacker.get("/read").json == {}
    assert victim.get("/read").json == {"x": "1", "auth.userid": "alice"}


IDENTITIES: list[tuple[dict[str, str], list[str], bool]] = [
    ({}, ["/log-in"], True),
    ({}, ["/log-in", "/log-in?user=bob"], True),
    ({}, ["/log-in", "/log-out"], True),
    ({}, ["/log-in", "/log-in"], False),
    ({}, ["/log-in", "/write?y=2"], False),
    ({}, ["/log-out"], False),
    ({}, ["/write?role=admin"], False),
    ({"sqlsession.rotate_on_change_of": "none"}, ["/log-in"], False),
    ({"sqlsession.rotate_on_change_of": "role"}, ["/log-in"], False),
    ({"sqlsession.rotate_on_change_of": "role"}, ["/write?role=admin"], True),
    ({"sqlsession.rotate_on_change_of": "auth.userid role"}, ["/log-in"], True),
    ({"sqlsession.rotate_on_change_of": "auth.userid role"}, ["/write?role=admin"], True),
]


@pytest.mark.parametrize(("settings", "paths", "changes"), IDENTITIES)
def test_the_id_changes_with_the_identity_and_with_nothing_else(
    make_app: MakeApp, settings: dict[str, str], paths: list[str], changes: bool
) -> None:
    """What counts is the last of the requests."""
    app = known_app(make_app, settings=settings)
    for path in paths[:-1]:
        app.get(path)
    before = app.browser.cookie
    response = app.get(paths[-1])
    assert (app.browser.cookie != before) is changes
    assert len(app.set_cookies(response)) == changes


def test_a_first_visit_that_logs_in_is_one_insert(make_app: MakeApp) -> None:
    """A new id need not be changed."""
    app = make_app(views=VIEWS)
    with app.statements() as seen:
        response = app.get("/log-in")
    assert seen.of_session == {"INSERT": 1}
    assert len(app.set_cookies(response)) == 1


# When the transaction is rolled back


def and_fail_to_commit(request: Any) -> None:
    request.tm.get().addBeforeCommitHook(and_raise, args=(request,))


def and_answer_a_failed_commit(request: Any) -> None:
    request.tm.get().addBeforeCommitHook(and_raise_a_handled_error, args=(request,))


ABORTS = pytest.mark.parametrize(
    "abort",
    [
        and_raise_a_redirect,
        and_raise_a_handled_error,
        and_raise,
        and_doom,
        and_abort,
        and_fail_to_commit,
        and_answer_a_failed_commit,
    ],
)
ACTS = pytest.mark.parametrize("act", [regenerate, log_in])


def aborting_app(
    make_app: MakeApp, act: Callable[[Any], Any], abort: Callable[[Any], Any], **settings: str
) -> App:
    """An application whose view `/` acts and has its transaction rolled back."""
    views = {"/": after(act, abort)}
    return make_app(views=views, exception_views={Handled: answer}, settings=settings)


@over_both_managers
@ABORTS
@ACTS
def test_an_aborted_login_leaves_neither_the_new_id_nor_the_login_nor_a_cookie(
    make_app: MakeApp, act: Callable[[Any], Any], abort: Callable[[Any], Any]
) -> None:
    """The browser keeps the session that it had, unchanged to the last column."""
    app = aborting_app(make_app, act, abort)
    app.get("/write?x=1")
    before = app.rows()
    with suppress(ZeroDivisionError):
        assert app.set_cookies(app.get("/")) == []
    assert app.rows() == before
    assert app.get("/read").json == {"x": "1"}


@ABORTS
def test_an_aborted_first_login_leaves_nothing(
    make_app: MakeApp, abort: Callable[[Any], Any]
) -> None:
    """No row and no cookie, above all none for a row that was never committed."""
    app = aborting_app(make_app, log_in, abort)
    with suppress(ZeroDivisionError):
        assert app.set_cookies(app.get("/")) == []
    assert app.rows() == []
    assert app.browser.cookie is None


@ACTS
def test_a_login_that_is_to_be_kept_changes_the_id_in_spite_of_the_error(
    make_app: MakeApp, act: Callable[[Any], Any]
) -> None:
    """With `on_abort = keep`, what survives the rollback survives with all its precautions."""
    app = aborting_app(make_app, act, and_raise_a_handled_error, **{"sqlsession.on_abort": "keep"})
    app.get("/write?x=1")
    old = app.browser.cookie
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.value not in (old, "")
    assert holder_of(app, old).get("/read").json == {}
    assert app.get("/read").json["x"] == "1"


# The superseded id


def shows_new(request: Any) -> list[Any]:
    return [dict(request.session), request.session.new, request.session.id]


ATTEMPTS: dict[str, Callable[[Any], Any]] = {
    "write": lambda request: request.session.update(evil=1),
    "flash": lambda request: request.session.flash("evil"),
    "changed": lambda request: request.session.changed(),
    "set_expiration": lambda request: request.session.set_expiration(60),
    "regenerate": regenerate,
    "log in": log_in,
    "invalidate": lambda request: request.session.invalidate(),
}


@pytest.mark.parametrize("age", [0, MINUTE - 1])
@pytest.mark.parametrize("rotate", ["/log-in", "/regenerate"])
def test_a_superseded_id_opens_an_empty_session_for_a_minute(
    make_app: MakeApp, clock: Clock, age: int, rotate: str
) -> None:
    """A request that was on its way with the old cookie does not get in."""
    app = known_app(make_app, views={"/": shows_new})
    late = holder_of(app, app.browser.cookie)
    app.get(rotate)
    clock.advance(age)
    response = late.get("/")
    assert response.json == [{}, True, None]
    assert app.set_cookies(response) == []


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS.keys())
def test_with_a_superseded_id_nothing_is_saved_and_no_cookie_sent(
    make_app: MakeApp, attempt: Callable[[Any], Any]
) -> None:
    """The late response must neither write nor throw away the browser's new cookie."""
    app = known_app(make_app, views={"/": attempt})
    late = holder_of(app, app.browser.cookie)
    app.get("/log-in")
    before = app.rows()
    assert app.set_cookies(late.get("/")) == []
    assert app.rows() == before
    assert app.get("/read").json == {"x": "1", "auth.userid": "alice"}


def test_a_superseded_id_in_a_failing_request_saves_nothing_either(make_app: MakeApp) -> None:
    """Not even what the exception view writes."""

    def write(error: Any, request: Any) -> None:
        request.session["evil"] = 1

    app = make_app(
        views={**VIEWS, "/": and_raise_a_handled_error}, exception_views={Handled: write}
    )
    app.get("/write?x=1")
    late = holder_of(app, app.browser.cookie)
    app.get("/log-in")
    before = app.rows()
    assert app.set_cookies(late.get("/")) == []
    assert app.rows() == before


def test_after_a_minute_a_superseded_id_is_unknown(make_app: MakeApp, clock: Clock) -> None:
    """Whoever still holds it gets a session of his own, apart from the one that moved on."""
    app = known_app(make_app)
    late = holder_of(app, app.browser.cookie)
    app.get("/log-in")
    clock.advance(MINUTE)
    assert late.get("/read").json == {}
    assert len(app.set_cookies(late.get("/write?mine=1"))) == 1
    assert late.get("/read").json == {"mine": "1"}
    assert app.get("/read").json == {"x": "1", "auth.userid": "alice"}
    assert len(app.rows()) == 2


def test_the_id_before_the_last_is_unknown(make_app: MakeApp) -> None:
    """Only the last one is excused."""
    app = known_app(make_app)
    late = holder_of(app, app.browser.cookie)
    app.get("/log-in")
    app.get("/log-out")
    assert len(app.set_cookies(late.get("/write?mine=1"))) == 1


def regenerate_and_commit(request: Any) -> None:
    request.session.regenerate_id()
    request.tm.commit()
    request.tm.begin()
    log_in(request)


def log_in_and_regenerate_late(request: Any) -> None:
    log_in(request)
    request.add_response_callback(lambda request, response: request.session.regenerate_id())


@over_both_managers
@pytest.mark.parametrize("rotate_twice", [regenerate_and_commit, log_in_and_regenerate_late])
def test_of_two_new_ids_in_one_request_the_browsers_old_one_is_excused(
    make_app: MakeApp, clock: Clock, rotate_twice: Callable[[Any], None]
) -> None:
    """No browser ever held the one in between."""
    app = known_app(make_app, views={"/": rotate_twice})
    late = holder_of(app, app.browser.cookie)
    (cookie,) = app.set_cookies(app.get("/"))
    clock.advance(MINUTE - 1)
    assert app.set_cookies(late.get("/write?mine=1")) == []
    assert len(app.rows()) == 1
    clock.advance(1)
    assert len(app.set_cookies(late.get("/write?mine=1"))) == 1
    assert holder_of(app, cookie.value).get("/read").json == {"x": "1", "auth.userid": "alice"}


@only_on_sqlite
def test_the_superseded_id_of_an_ended_session_is_unknown(make_app: MakeApp, clock: Clock) -> None:
    """There is no new cookie that has to be spared any more."""
    app = known_app(make_app, settings={"sqlsession.expiration": "30"})
    late = holder_of(app, app.browser.cookie)
    app.get("/log-in")
    clock.advance(MINUTE // 2)
    assert len(app.set_cookies(late.get("/write?mine=1"))) == 1


def test_beside_the_new_cookie_the_superseded_one_is_overlooked(make_app: MakeApp) -> None:
    """A browser may hold both, under two paths."""
    app = known_app(make_app)
    old = app.browser.cookie
    app.get("/regenerate")
    header = f"{app.cookie_name}={old}; {app.cookie_name}={app.browser.cookie}"
    response = app.another_browser().get("/write?y=2", headers={"Cookie": header})
    assert response.json == {"x": "1", "y": "2"}
    assert [row.data for row in app.rows()] == [{"x": "1", "y": "2"}]
