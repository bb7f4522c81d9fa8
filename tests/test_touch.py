"""A use that changes nothing is noted now and then, and never does harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.harness import App, Clock, MakeApp, over_both_managers
from tests.harness.endings import Handled, after, and_raise_a_handled_error, answer
from tests.test_foreign_transactions import owned

DAY = 86_400
HOUR = 3_600
INTERVAL = 600


@pytest.fixture
def app(make_app: MakeApp, clock: Clock) -> App:
    """A visitor with a session that was just saved."""
    app = make_app()
    app.get("/write?x=1")
    return app


def skipping(request: Any) -> dict[str, Any]:
    request.session.skip_touch()
    return dict(request.session)


@contextmanager
def just_before(start: str, act: Callable[[], None]) -> Iterator[None]:
    """Let somebody else act when the application is about to send such a statement."""

    due = [act]

    def interfere(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if due and statement.startswith(start):
            due.pop()()

    event.listen(Engine, "before_cursor_execute", interfere)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", interfere)


@over_both_managers
def test_a_read_within_the_interval_writes_nothing(app: App, clock: Clock) -> None:
    """Up to its last second."""
    (before,) = app.rows()
    clock.advance(INTERVAL - 1)
    with app.statements() as seen:
        app.get("/read")
    assert seen.of_session == {"SELECT": 1}
    assert app.rows() == [before]


@pytest.mark.parametrize("path", ["/read?", "/write?x="])
def test_an_index_is_left_alone_until_its_value_changes(app: App, clock: Clock, path: str) -> None:
    """When a row may be pruned is rounded up; to write that anew costs SQLite a page."""
    (before,) = app.rows()
    seen = set()
    for number in range(DAY // HOUR):
        clock.advance(HOUR)
        with app.statements() as statements:
            app.get(f"{path}{number}")
        (update,) = [text for text in statements.session_texts if text.startswith("UPDATE")]
        (after,) = app.rows()
        seen.add(("expires=" in update, after.columns["expires"] > before.columns["expires"]))
        before = after
    assert seen == {(False, False), (True, True)}


@over_both_managers
def test_the_first_read_after_the_interval_writes_once(app: App, clock: Clock) -> None:
    """One UPDATE of small columns, not of the data; the next read writes nothing again."""
    (before,) = app.rows()
    clock.advance(INTERVAL)
    with app.statements() as seen:
        response = app.get("/read")
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
    (update,) = [text for text in seen.session_texts if text.startswith("UPDATE")]
    assert "data" not in update
    assert "version=" not in update.split("WHERE")[0]
    assert app.set_cookies(response) == []
    (after,) = app.rows()
    assert after.columns["accessed"] == clock.now
    assert after.columns["version"] == before.columns["version"]
    with app.statements() as seen:
        app.get("/read")
    assert seen.of_session == {"SELECT": 1}


def test_a_session_in_use_lives_on(app: App, clock: Clock) -> None:
    """Reading alone keeps it, day after day."""
    for _ in range(5):
        clock.advance(DAY - INTERVAL)
        assert app.get("/read").json == {"x": "1"}
    clock.advance(DAY)
    assert app.get("/read").json == {}


@pytest.mark.parametrize(("later", "alive"), [(-1, True), (0, False), (1, False)])
def test_the_idle_limit_counts_from_the_last_noted_use(
    app: App, clock: Clock, later: int, alive: bool
) -> None:
    """To the second."""
    clock.advance(INTERVAL)
    app.get("/read")
    clock.advance(DAY + later)
    assert app.get("/read").json == ({"x": "1"} if alive else {})


@pytest.mark.parametrize(("later", "alive"), [(-1, True), (0, False), (1, False)])
def test_the_absolute_limit_ends_a_session_in_constant_use(
    make_app: MakeApp, clock: Clock, later: int, alive: bool
) -> None:
    """To the second, however often it is read and written."""
    app = make_app(settings={"sqlsession.absolute_expiration": "3h"})
    app.get("/write?x=1")
    for _ in range(17):
        clock.advance(INTERVAL)
        app.get("/read")
        app.get("/write?y=1")
    clock.advance(INTERVAL + later)
    assert app.get("/read").json == ({"x": "1", "y": "1"} if alive else {})


def test_without_an_idle_limit_a_session_waits_for_ever(make_app: MakeApp, clock: Clock) -> None:
    """And a use is still noted."""
    app = make_app(settings={"sqlsession.expiration": "none"})
    app.get("/write?x=1")
    clock.advance(1000 * DAY)
    assert app.get("/read").json == {"x": "1"}
    assert app.rows()[0].columns["accessed"] == clock.now


def test_with_no_interval_reading_never_prolongs(make_app: MakeApp, clock: Clock) -> None:
    """Saving does."""
    app = make_app(settings={"sqlsession.touch_interval": "none"})
    app.get("/write?x=1")
    clock.advance(DAY - 1)
    with app.statements() as seen:
        app.get("/read")
    assert seen.of_session == {"SELECT": 1}
    app.get("/write?y=1")
    clock.advance(DAY - 1)
    app.get("/read")
    clock.advance(1)
    assert app.get("/read").json == {}


def test_an_interval_of_zero_notes_a_use_a_second(make_app: MakeApp, clock: Clock) -> None:
    """At least a second must have passed."""
    app = make_app(settings={"sqlsession.touch_interval": "0"})
    app.get("/write?x=1")
    for moved, updates in [(0, 0), (1, 1), (0, 0), (1, 1)]:
        clock.advance(moved)
        with app.statements() as seen:
            app.get("/read")
        assert seen.of_session.get("UPDATE", 0) == updates


def test_a_shorter_expiration_ends_old_sessions_at_once(
    app: App, make_app: MakeApp, clock: Clock
) -> None:
    """The facts are judged by the settings of today."""
    clock.advance(HOUR)
    today = make_app(settings={"sqlsession.expiration": "30m"})
    assert app.browser.cookie is not None
    today.browser.plant(app.browser.cookie)
    assert today.get("/read").json == {}


def test_a_short_life_of_its_own_is_touched_at_half_of_it(make_app: MakeApp, clock: Clock) -> None:
    """It would starve under an interval of ten minutes."""

    def remember(request: Any) -> None:
        request.session["x"] = "1"
        request.session.set_expiration(60)

    app = make_app(views={"/remember": remember})
    app.get("/remember")
    for _ in range(10):
        clock.advance(29)
        with app.statements() as seen:
            app.get("/read")
        assert "UPDATE" not in seen.of_session
        clock.advance(1)
        assert app.get("/read").json == {"x": "1"}
    clock.advance(60)
    assert app.get("/read").json == {}


def test_a_due_touch_sends_a_cookie_with_max_age_again(make_app: MakeApp, clock: Clock) -> None:
    """The browser must keep it as long as the session lives."""
    app = make_app(settings={"sqlsession.cookie_max_age": "1h"})
    app.get("/write?x=1")
    held = app.browser.cookie
    clock.advance(INTERVAL - 1)
    assert app.set_cookies(app.get("/read")) == []
    clock.advance(1)
    (cookie,) = app.set_cookies(app.get("/read"))
    assert (cookie.value, cookie.attributes["max-age"]) == (held, "3600")


@over_both_managers
def test_a_request_that_is_no_activity_is_not_noted(make_app: MakeApp, clock: Clock) -> None:
    """A page that polls by itself does not keep its visitor signed in."""
    app = make_app(views={"/poll": skipping})
    app.get("/write?x=1")
    clock.advance(INTERVAL)
    with app.statements() as seen:
        app.get("/poll")
    assert seen.of_session == {"SELECT": 1}
    clock.advance(DAY - INTERVAL)
    assert app.get("/poll").json == {}


def test_a_save_is_a_use_though_the_touch_was_skipped(make_app: MakeApp, clock: Clock) -> None:
    """Whoever changes something is there."""

    def save(request: Any) -> None:
        request.session.skip_touch()
        request.session["y"] = "2"

    app = make_app(views={"/save": save})
    app.get("/write?x=1")
    clock.advance(HOUR)
    app.get("/save")
    assert app.rows()[0].columns["accessed"] == clock.now


def test_an_untouched_session_is_not_prolonged(app: App, clock: Clock) -> None:
    """A request that does not look at it says nothing of it."""
    clock.advance(INTERVAL)
    with app.statements() as seen:
        app.get("/untouched")
    assert seen.texts == []


@over_both_managers
def test_a_touch_leaves_the_requests_transaction_a_reading_one(
    make_app: MakeApp, clock: Clock
) -> None:
    """It is sent when that is over, and committed by itself."""
    app = make_app()
    app.get("/write?x=1")
    clock.advance(INTERVAL)
    with app.statements() as seen:
        app.get("/read")
    kinds = [text.split()[0] for text in seen.log]
    assert kinds == ["SELECT", "ROLLBACK", "UPDATE", "COMMIT"]


@over_both_managers
def test_time_is_never_moved_back_by_a_touch(app: App, clock: Clock) -> None:
    """Another process with a faster clock has noted a later use meanwhile."""
    clock.advance(INTERVAL)
    future = clock.now + 50
    with just_before("UPDATE", lambda: app.execute(f"UPDATE sessions SET accessed = {future}")):
        app.get("/read")
    assert app.rows()[0].columns["accessed"] == future


def test_time_is_never_moved_back_by_a_save(app: App, clock: Clock) -> None:
    """Nor by a clock that was set back."""
    future = clock.now + 50
    app.execute(f"UPDATE sessions SET accessed = {future}")
    app.get("/write?y=1")
    assert app.rows()[0].columns["accessed"] == future


@over_both_managers
def test_a_touch_revives_nothing_and_deletes_the_cookie(app: App, clock: Clock) -> None:
    """The row was deleted between the load and the touch."""
    clock.advance(INTERVAL)
    with just_before("UPDATE", lambda: app.execute("DELETE FROM sessions")):
        response = app.get("/read")
    assert response.json == {"x": "1"}
    (cookie,) = app.set_cookies(response)
    assert cookie.deletes
    assert app.rows() == []


def test_a_touch_under_a_superseded_id_leaves_the_cookie_alone(app: App, clock: Clock) -> None:
    """Somebody signed in meanwhile; the browser holds the new id by now."""
    clock.advance(INTERVAL)
    swap = "UPDATE sessions SET previous = digest, version = version + 1, digest = :digest"
    with just_before("UPDATE", lambda: app.execute(swap, digest=b"n" * 32)):
        response = app.get("/read")
    assert app.set_cookies(response) == []
    assert app.rows()[0].columns["accessed"] == clock.now - INTERVAL


def test_a_session_that_ended_during_the_request_is_not_touched(
    make_app: MakeApp, clock: Clock
) -> None:
    """A slow view outlives the limit; the session stays ended."""

    def slow(request: Any) -> dict[str, Any]:
        data = dict(request.session)
        clock.advance(DAY)
        return data

    app = make_app(views={"/slow": slow})
    app.get("/write?x=1")
    with app.statements() as seen:
        app.get("/slow")
    assert seen.of_session == {"SELECT": 1}
    assert app.get("/read").json == {}


def test_a_touch_that_fails_is_logged_and_the_response_delivered(
    app: App, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A later request makes up for it."""
    clock.advance(INTERVAL)
    with just_before("UPDATE", lambda: app.execute("ALTER TABLE sessions RENAME TO elsewhere")):
        response = app.get("/read")
    assert response.json == {"x": "1"}
    (record,) = [entry for entry in caplog.records if entry.name.startswith("pyramid_sqlsession")]
    assert record.getMessage().startswith("the use of session 1 could not be noted")


def test_in_somebody_elses_transaction_a_touch_is_part_of_it(
    make_app: MakeApp, clock: Clock
) -> None:
    """The row may be known to it alone, as in the tests of an application."""
    app = make_app()
    app.get("/write?x=1")
    clock.advance(INTERVAL)
    with owned(app) as owner, app.statements() as seen:
        owner.get("/read")
        assert (seen.of_session, seen.commits) == ({"SELECT": 1, "UPDATE": 1}, 0)
        owner.manager.commit()
    assert app.rows()[0].columns["accessed"] == clock.now


def test_an_error_page_that_sends_no_cookie_does_not_prolong_one(
    make_app: MakeApp, clock: Clock
) -> None:
    """Though the use is noted, and the cookie would be due."""
    app = make_app(
        views={"/": after(lambda request: request.session.get("x"), and_raise_a_handled_error)},
        exception_views={Handled: answer},
        settings={"sqlsession.cookie_max_age": "1d", "sqlsession.set_on_exception": "false"},
    )
    app.get("/write?x=1")
    clock.advance(HOUR)
    with app.statements() as seen:
        assert app.set_cookies(app.get("/")) == []
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
