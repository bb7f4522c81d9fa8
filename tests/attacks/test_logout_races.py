"""Races with a logout: a request of the same session is on its way while the session ends.

Whoever is faster, the session does not come back: not in its row, and not by a cookie.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.attacks.scenes import attacked_app, helper, holder_of, log_out, logged_in, who
from tests.harness import App, Browser, Clock, MakeApp
from tests.harness.endings import Handled

HOUR = 60 * 60
RETRY = {"sqlsession.on_conflict": "retry", "retry.attempts": "5"}

Act = Callable[[Any], Any]


def look(request: Any) -> None:
    request.session.get("x")


def change(request: Any) -> None:
    request.session["x"] = "late"


def regenerate(request: Any) -> None:
    request.session.regenerate_id()


def live_longer(request: Any) -> None:
    request.session.set_expiration(30 * 24 * HOUR)


def fail(request: Any) -> None:
    request.session["x"] = "late"
    raise Handled


def write_the_error_down(error: Any, request: Any) -> str:
    request.session["error"] = "late"
    return "handled"


def forget(request: Any) -> None:
    helper.forget(request)


def revoke_all(request: Any) -> None:
    request.session_store.revoke_all()


# What is on its way; whether somebody saves in between, so that it meets a conflict; settings.
RACERS: dict[str, tuple[Act, bool, dict[str, str]]] = {
    "touch": (look, False, {}),
    "save": (change, False, {}),
    "merge": (change, True, {}),
    "retry": (change, True, RETRY),
    "new id": (regenerate, False, {}),
    "longer life": (live_longer, False, {}),
    "exception view": (fail, False, {}),
}
ENDS = {"logout": log_out, "logout that forgets": forget, "revocation": revoke_all}


class Race:
    """A visitor with two windows; in the view `/late` of one, `interfere` is called."""

    def __init__(
        self, make_app: MakeApp, racer: str, end: Act, interfere: Callable[[], Any]
    ) -> None:
        self.act, self.is_conflict, settings = RACERS[racer]
        self.interfere = interfere
        self.attempts = 0
        self.disturbed_attempt = 1
        self.app = attacked_app(
            make_app,
            views={"/late": self.late, "/end": end},
            exception_views={Handled: write_the_error_down},
            includes=["pyramid_retry"] if settings else [],
            settings=settings,
        )
        self.owner = logged_in(self.app, "alice")
        self.copy = str(self.owner.cookie)

    def late(self, request: Any) -> str:
        """Have read the session, and change it when somebody else was there."""
        look(request)
        self.attempts += 1
        if self.is_conflict and self.attempts == 1:
            self.other_window().get("/write?y=1")
        if self.attempts == self.disturbed_attempt:
            self.interfere()
        self.act(request)
        return "delivered"

    def other_window(self) -> Browser:
        return holder_of(self.app, self.copy)

    def run(self, clock: Clock) -> Any:
        """Let it be late, long enough for a touch to be due."""
        clock.advance(HOUR)
        return self.owner.get("/late")

    def assert_is_over(self, response: Any) -> None:
        """Nobody is logged in any more, with whatever cookie."""
        assert response.json in ("delivered", "handled")
        for cookie in {self.copy, *(c.value for c in self.app.set_cookies(response))} - {""}:
            assert who(holder_of(self.app, cookie)) is None
        assert [row.data for row in self.app.rows() if "auth.userid" in row.data] == []


@pytest.mark.parametrize("racer", RACERS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
def test_a_session_that_ended_on_another_connection_is_not_brought_back(
    make_app: MakeApp, clock: Clock, racer: str, end: Act
) -> None:
    """The logout is committed while the late request has read, and has not yet written."""
    race = Race(make_app, racer, end, lambda: race.other_window().get("/end"))
    race.assert_is_over(race.run(clock))


class SlowLogout:
    """A logout in a thread of its own, which begins when the late request has sent an update.

    That is not committed until the logout is about to delete the row, so that it has to wait for
    the lock where there are such locks, and for the whole database on SQLite.
    """

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._main = threading.get_ident()
        self._is_deleting = threading.Event()
        self.ready: Race | None = None
        self.result: Future[Any] | None = None

    def before(self, connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if threading.get_ident() != self._main and "DELETE FROM sessions" in statement:
            self._is_deleting.set()

    def after(self, connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        is_ours = threading.get_ident() == self._main and "UPDATE sessions" in statement
        if is_ours and self.ready is not None:
            race, self.ready = self.ready, None
            self.result = self._pool.submit(race.other_window().get, "/end")
            assert self._is_deleting.wait(30)


@contextmanager
def slow_logout() -> Iterator[SlowLogout]:
    with ThreadPoolExecutor(1) as pool:
        logout = SlowLogout(pool)
        event.listen(Engine, "before_cursor_execute", logout.before)
        event.listen(Engine, "after_cursor_execute", logout.after)
        try:
            yield logout
        finally:
            event.remove(Engine, "before_cursor_execute", logout.before)
            event.remove(Engine, "after_cursor_execute", logout.after)


@pytest.mark.parametrize("racer", ["touch", "save", "merge", "retry", "exception view"])
def test_a_logout_that_waits_for_the_lock_of_a_late_request_ends_the_session(
    make_app: MakeApp, clock: Clock, racer: str
) -> None:
    """Two connections write at once; the one that logs out has the last word."""
    with slow_logout() as logout:

        def prepare() -> None:
            logout.ready = race

        race = Race(make_app, racer, log_out, prepare)
        if racer == "retry":
            race.disturbed_attempt = 2  # which holds the lock from the beginning
        response = race.run(clock)
        assert logout.result is not None
        [deletion] = race.app.set_cookies(logout.result.result(30))
    assert deletion.deletes
    race.assert_is_over(response)
    assert race.app.rows() == []


def test_a_logout_between_two_attempts_leaves_the_second_an_empty_session(
    make_app: MakeApp, clock: Clock
) -> None:
    """It does not work with what the first has read; what it writes is a newcomer's."""
    read: list[dict[str, Any]] = []

    def late(request: Any) -> str:
        read.append(dict(request.session))
        if len(read) == 1:
            other = holder_of(app, owner.cookie)
            other.get("/write?y=1")
            request.add_finished_callback(lambda request: other.get("/log-out"))
        request.session["x"] = "late"
        return "delivered"

    app: App = attacked_app(
        make_app, views={"/late": late}, includes=["pyramid_retry"], settings=RETRY
    )
    owner = logged_in(app, "alice")
    owner.get("/late")
    assert read == [{"auth.userid": "alice", **read[0]}, {}]
    assert [row.data for row in app.rows()] == [{"x": "late"}]
    assert who(owner) is None
