"""What subscribers learn of sessions, when, and what they never learn."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from typing import Any, NamedTuple

import pytest
from pyramid.events import NewResponse
from transaction.interfaces import TransientError

from pyramid_sqlsession.events import (
    SessionCreated,
    SessionEnded,
    SessionIdChanged,
    SessionMerged,
    SessionsPruned,
    SupersededSessionId,
    UnknownSessionId,
)
from tests.harness import App, Browser, Clock, MakeApp
from tests.harness.endings import Handled, answer

EVENTS = (
    SessionCreated,
    SessionEnded,
    SessionIdChanged,
    SessionMerged,
    SupersededSessionId,
    UnknownSessionId,
)
UNKNOWN = "A" * 43
MINUTE = 60


def leave(request: Any) -> None:
    request.session.invalidate()


def leave_and_write(request: Any) -> None:
    request.session.invalidate()
    request.session["y"] = 2


def write_payload(request: Any) -> None:
    request.session["x"] = "payload"


def regenerate(request: Any) -> None:
    request.session.regenerate_id()


def log_in(request: Any) -> None:
    request.session["auth.userid"] = "alice"


def write_and_leave(request: Any) -> None:
    request.session["x"] = 1
    request.session.invalidate()


def write_and_doom(request: Any) -> None:
    request.session["x"] = 2
    request.session.regenerate_id()
    request.tm.doom()


def write_and_fail(request: Any) -> None:
    request.session["x"] = 2
    raise Handled


def leave_and_raise(request: Any) -> None:
    request.session.invalidate()
    raise ZeroDivisionError


VIEWS: dict[str, Callable[[Any], Any]] = {
    "/write-payload": write_payload,
    "/leave": leave,
    "/leave-and-write": leave_and_write,
    "/regenerate": regenerate,
    "/log-in": log_in,
    "/write-and-leave": write_and_leave,
    "/write-and-doom": write_and_doom,
    "/write-and-fail": write_and_fail,
    "/leave-and-raise": leave_and_raise,
}


class Scene(NamedTuple):
    """An application, and the events that its subscribers got."""

    app: App
    heard: list[Any]

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.heard]


@pytest.fixture
def scene(make_app: MakeApp) -> Scene:
    """An application with a subscriber to everything, whose first browser has no session yet."""
    heard: list[Any] = []

    def subscribe(config: Any) -> None:
        for event in EVENTS:
            config.add_subscriber(heard.append, event)

    def write_while_it_is_revoked(request: Any) -> None:
        request.session["y"] = 2
        app.execute("DELETE FROM sessions")

    def write_while_another_does(request: Any) -> None:
        request.session["y"] = 2
        same_cookie(app).get("/write?z=3")

    views = {
        **VIEWS,
        "/revoked": write_while_it_is_revoked,
        "/parallel": write_while_another_does,
    }
    app = make_app(views=views, exception_views={Handled: answer}, configure=subscribe)
    return Scene(app, heard)


def same_cookie(app: App) -> Browser:
    """Another browser with the first one's cookie."""
    browser = app.another_browser()
    browser.plant(str(app.browser.cookie))
    return browser


def stranger(app: App) -> Browser:
    """Another browser, with a cookie that nobody knows."""
    browser = app.another_browser()
    browser.plant(UNKNOWN)
    return browser


NEW_VISITOR: list[tuple[str, list[str]]] = [
    ("/untouched", []),
    ("/read", []),
    ("/write?x=1", ["SessionCreated"]),
    ("/log-in", ["SessionCreated"]),
    ("/write-and-leave", []),
    ("/write-and-doom", []),
    ("/write-and-fail", []),
]

KNOWN_VISITOR: list[tuple[str, list[str]]] = [
    ("/untouched", []),
    ("/read", []),
    ("/write?x=2", []),
    ("/log-in", ["SessionIdChanged"]),
    ("/regenerate", ["SessionIdChanged"]),
    ("/leave", ["SessionEnded"]),
    ("/leave-and-write", ["SessionEnded", "SessionCreated"]),
    ("/leave-and-raise", ["SessionEnded"]),
    ("/write-and-leave", ["SessionEnded"]),
    ("/write-and-doom", []),
    ("/write-and-fail", []),
    ("/revoked", ["SessionEnded"]),
    ("/parallel", ["SessionMerged"]),
]


@pytest.mark.parametrize(("path", "expected"), NEW_VISITOR)
def test_of_a_new_visitor_subscribers_hear_what_was_committed(
    scene: Scene, path: str, expected: list[str]
) -> None:
    """A row that never was is no event."""
    scene.app.get(path)
    assert scene.names() == expected


@pytest.mark.parametrize(("path", "expected"), KNOWN_VISITOR)
def test_of_a_known_visitor_subscribers_hear_what_was_committed(
    scene: Scene, path: str, expected: list[str]
) -> None:
    """Reading and saving are no events; each other thing is one, once."""
    scene.app.get("/write?x=1")
    scene.heard.clear()
    with suppress(ZeroDivisionError):
        scene.app.get(path)
    assert scene.names() == expected


@pytest.mark.parametrize(
    ("cookie", "expected"), [(UNKNOWN, ["UnknownSessionId"]), ("junk", []), ("", [])]
)
def test_an_unknown_id_is_an_event_if_it_is_one_at_all(
    scene: Scene, cookie: str, expected: list[str]
) -> None:
    """What is malformed is no session id."""
    scene.app.browser.plant(cookie)
    scene.app.get("/read")
    assert scene.names() == expected


def test_the_id_of_an_expired_session_is_unknown(scene: Scene, clock: Clock) -> None:
    """Absent, forged or expired: one answer."""
    scene.app.get("/write?x=1")
    scene.heard.clear()
    clock.advance(24 * 60 * MINUTE)
    scene.app.get("/read")
    assert scene.names() == ["UnknownSessionId"]


@pytest.mark.parametrize(
    ("age", "expected"),
    [(0, []), (MINUTE - 1, []), (MINUTE, ["SupersededSessionId"])],
)
def test_a_superseded_id_is_an_event_when_it_is_no_longer_excused(
    scene: Scene, clock: Clock, age: int, expected: list[str]
) -> None:
    """Somebody may have stolen it; within the minute it is a request that was on its way."""
    scene.app.get("/write?x=1")
    late = same_cookie(scene.app)
    scene.app.get("/log-in")
    scene.heard.clear()
    clock.advance(age)
    late.get("/read")
    assert scene.names() == expected


# What they hold


@pytest.mark.parametrize(("path", "reason"), [("/leave", "invalidated"), ("/revoked", "revoked")])
def test_the_end_of_a_session_tells_its_public_id_and_the_reason(
    scene: Scene, path: str, reason: str
) -> None:
    """Known though the row is gone."""
    scene.app.get("/write?x=1")
    (row,) = scene.app.rows()
    scene.heard.clear()
    scene.app.get(path)
    (event,) = scene.heard
    assert (event.id, event.reason) == (row.id, reason)


@pytest.mark.parametrize("path", ["/write?x=1", "/log-in", "/regenerate", "/parallel"])
def test_an_event_about_a_living_session_holds_it(scene: Scene, path: str) -> None:
    """With its public id, and as its row holds it."""
    if path != "/write?x=1":
        scene.app.get("/write?x=1")
        scene.heard.clear()
    scene.app.get(path)
    (row,) = scene.app.rows()
    (event,) = scene.heard
    assert event.session.id == row.id
    assert event.session == row.data


def test_a_superseded_id_tells_the_public_id(scene: Scene, clock: Clock) -> None:
    """Of the session that it opened once, to be found in the database."""
    scene.app.get("/write?x=1")
    late = same_cookie(scene.app)
    scene.app.get("/log-in")
    (row,) = scene.app.rows()
    clock.advance(MINUTE)
    late.get("/read")
    assert scene.heard[-1].id == row.id


def every_event(scene: Scene, clock: Clock) -> list[str]:
    """Cause all events and return the cookies that were used."""
    app, cookies = scene.app, [UNKNOWN]
    for path in ("/write-payload", "/parallel", "/log-in", "/leave"):
        app.get(path)
        cookies.append(str(app.browser.cookie))
    app.get("/write-payload")
    late = same_cookie(app)
    app.get("/log-in")
    cookies += [str(late.cookie), str(app.browser.cookie)]
    clock.advance(MINUTE)
    late.get("/read")
    stranger(app).get("/read")
    assert set(scene.names()) == {event.__name__ for event in EVENTS}
    return [cookie for cookie in cookies if cookie != "None"]


def test_every_event_holds_its_request(scene: Scene, clock: Clock) -> None:
    """Subscribers reach everything else from it."""
    every_event(scene, clock)
    assert all(event.request.registry is scene.app.registry for event in scene.heard)


def test_no_event_shows_a_cookie_in_its_repr(scene: Scene, clock: Clock) -> None:
    """Subscribers log events."""
    cookies = every_event(scene, clock)
    for shown in map(repr, scene.heard):
        assert not [cookie for cookie in cookies if cookie in shown]


def test_no_event_shows_what_a_session_holds_in_its_repr(scene: Scene, clock: Clock) -> None:
    """The public id is enough to find out more."""
    every_event(scene, clock)
    assert not [shown for shown in map(repr, scene.heard) if "payload'" in shown]


@pytest.mark.parametrize("event", [*EVENTS, SessionsPruned], ids=lambda event: event.__name__)
def test_the_docstring_of_an_event_tells_what_it_holds_and_when_it_is_sent(event: Any) -> None:
    """Each attribute by its name."""
    told = inspect.getdoc(event) or ""
    assert [field.name for field in fields(event) if f"`{field.name}`" not in told] == []
    assert "; sent " in told.splitlines()[0]


# When they are sent


@pytest.mark.parametrize("path", ["/write?x=1", "/write-and-fail"])
def test_an_event_is_sent_when_the_facts_are_settled(make_app: MakeApp, path: str) -> None:
    """A subscriber with another connection finds what it was told of."""
    found: list[Any] = []

    def write(error: Any, request: Any) -> None:
        request.session["exception view"] = 1

    app = make_app(
        views=VIEWS,
        exception_views={Handled: write},
        configure=lambda config: config.add_subscriber(
            lambda event: found.append([row.id for row in app.rows()] == [event.session.id]),
            SessionCreated,
        ),
    )
    app.get(path)
    assert found == [True]


def test_a_repeated_request_sends_its_events_once(make_app: MakeApp) -> None:
    """The attempt that is thrown away made nothing."""
    heard: list[Any] = []

    def write(request: Any) -> None:
        request.session["x"] = 1
        if request.environ["retry.attempt"] == 0:
            raise TransientError

    app = make_app(
        views={"/": write},
        includes=["pyramid_retry"],
        configure=lambda config: config.add_subscriber(heard.append, SessionCreated),
    )
    app.get("/")
    assert len(heard) == 1


def test_no_event_is_built_when_nobody_subscribes(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other subscribers make no difference: each event is built for its own."""
    built: list[str] = []

    def note(self: Any, *facts: Any) -> None:
        built.append(type(self).__name__)

    for event in EVENTS:
        monkeypatch.setattr(event, "__init__", note)
    app = make_app(
        views=VIEWS,
        configure=lambda config: config.add_subscriber(lambda event: None, NewResponse),
    )
    for path in ("/write?x=1", "/log-in", "/leave"):
        app.get(path)
    stranger(app).get("/read")
    assert built == []


FAILING: list[tuple[type[Any], list[str]]] = [
    (SessionCreated, ["/write?x=1"]),
    (SessionIdChanged, ["/write?x=1", "/log-in"]),
    (SessionEnded, ["/write?x=1", "/leave"]),
]


@pytest.mark.parametrize(("event", "paths"), FAILING)
def test_a_failing_subscriber_breaks_nothing(
    make_app: MakeApp,
    caplog: pytest.LogCaptureFixture,
    event: type[Any],
    paths: list[str],
) -> None:
    """Its error is logged; the response is delivered, the row and the cookie are as without it."""

    def refuse(event: Any) -> None:
        raise ZeroDivisionError

    app = make_app(views=VIEWS, configure=lambda config: config.add_subscriber(refuse, event))
    with caplog.at_level(logging.ERROR, "pyramid_sqlsession"):
        responses = [app.get(path) for path in paths]
    assert event.__name__ in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert len(app.set_cookies(responses[-1])) == 1
    assert len(app.rows()) == (paths[-1] != "/leave")


def test_a_subscriber_that_fails_while_the_session_is_loaded_breaks_nothing(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown id is told of in the middle of the view."""

    def refuse(event: Any) -> None:
        raise ZeroDivisionError

    app = make_app(configure=lambda config: config.add_subscriber(refuse, UnknownSessionId))
    app.browser.plant(UNKNOWN)
    with caplog.at_level(logging.ERROR, "pyramid_sqlsession"):
        assert app.get("/write?x=1").json == {"x": "1"}
    assert "UnknownSessionId" in caplog.text
    assert [row.data for row in app.rows()] == [{"x": "1"}]
