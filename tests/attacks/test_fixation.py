"""Fixation: the attacker knows the session of a browser before its owner logs in."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.csrf import get_csrf_token, new_csrf_token

from pyramid_sqlsession.session_id import new_session_id, to_cookie
from tests.attacks.scenes import (
    SECRET,
    attacked_app,
    helper,
    holder_of,
    log_in,
    log_out,
    who,
    with_and_without_secret,
)
from tests.harness import MakeApp, only_on_sqlite
from tests.harness.views import read
from tests.leaks.marks import shows_ids
from tests.leaks.search import Place


def log_in_afresh(request: Any) -> None:
    log_out(request)
    log_in(request)


@with_and_without_secret
def test_an_id_that_an_attacker_made_up_never_becomes_a_login(
    make_app: MakeApp, secret: str | None
) -> None:
    """Not even one that is signed, as by who has stolen the secret."""
    app = attacked_app(make_app, secret=secret)
    planted = to_cookie(new_session_id(), [secret] if secret else [])
    victim = holder_of(app, planted)
    victim.get("/log-in?user=alice")
    assert who(victim) == "alice"
    assert victim.cookie != planted
    assert who(holder_of(app, planted)) is None


@with_and_without_secret
def test_a_session_that_an_attacker_began_is_not_his_after_the_login(
    make_app: MakeApp, secret: str | None
) -> None:
    """Neither while the superseded id is excused nor for what he writes into it."""
    app = attacked_app(make_app, secret=secret)
    attacker = app.another_browser()
    attacker.get("/write?cart=empty")
    victim = holder_of(app, attacker.cookie)
    victim.get("/log-in?user=alice")
    assert who(attacker) is None
    attacker.get("/write?cart=4711")
    assert victim.get("/read").json == {"cart": "empty", **victim.get("/read").json}
    assert who(victim) == "alice"


def carried_by(where: str, session_id: str) -> dict[str, Any]:
    """What of a request holds a session id elsewhere than in its cookie."""
    carriers: dict[str, dict[str, Any]] = {
        "url": {"url": f"/read?session={session_id}"},
        "path": {"url": f"/read;session={session_id}"},
        "header": {"url": "/read", "headers": {"Session": session_id}},
        "set-cookie": {"url": "/read", "headers": {"Set-Cookie": f"session={session_id}"}},
        "authorization": {"url": "/read", "headers": {"Authorization": f"Bearer {session_id}"}},
    }
    return carriers[where]


IN_THE_ADDRESS = "a request shows its address, and a planted id is known to whoever plants it"


@only_on_sqlite
@pytest.mark.parametrize(
    "where",
    [
        pytest.param("url", marks=shows_ids(Place.OBJECT, reason=IN_THE_ADDRESS)),
        pytest.param("path", marks=shows_ids(Place.OBJECT, reason=IN_THE_ADDRESS)),
        *("header", "set-cookie", "authorization"),
    ],
)
@pytest.mark.parametrize("cookie", [None, "lang=en"])
def test_a_session_id_is_taken_from_the_cookie_alone(
    make_app: MakeApp, where: str, cookie: str | None
) -> None:
    """A link in a mail plants nothing, whether the browser has other cookies or none."""
    app = attacked_app(make_app, views={"/read{path:.*}": read})
    attacker, victim = app.another_browser(), app.another_browser()
    attacker.get("/write?cart=empty")
    if cookie:
        victim.set_cookie(*cookie.split("="))
    with app.statements() as seen:
        assert victim.get(**carried_by(where, str(attacker.cookie))).json == {}
    assert seen.of_session == {}


def test_a_session_id_is_not_taken_from_a_form(make_app: MakeApp) -> None:
    """Nor is it from one that another site has the browser send."""
    app = attacked_app(make_app)
    attacker, victim = app.another_browser(), app.another_browser()
    attacker.get("/write?cart=empty")
    assert victim.post("/read", {"session": attacker.cookie}).json == {}


@pytest.mark.parametrize("first", ["alice", "mallory"])
def test_who_logs_in_at_the_same_time_is_nobody_else(make_app: MakeApp, first: str) -> None:
    """In one planted session two logins race: one is made, the other dropped, none mixed up."""
    second = {"alice": "mallory", "mallory": "alice"}[first]

    def log_in_slowly(request: Any) -> None:
        helper.remember(request, second)
        request.session[f"secret of {second}"] = 1
        browsers[first].get(f"/log-in?user={first}")

    app = attacked_app(make_app, views={"/log-in-slowly": log_in_slowly})
    planted = app.another_browser()
    planted.get("/write?cart=empty")
    browsers = {name: holder_of(app, planted.cookie) for name in (first, second)}
    browsers[second].get("/log-in-slowly")
    assert {name: who(browser) for name, browser in browsers.items()} == {
        first: first,
        second: None,
    }
    [row] = app.rows()
    assert row.data == {**row.data, "auth.userid": first}
    assert f"secret of {second}" not in row.data


def test_a_request_on_its_way_with_a_planted_id_does_not_see_the_login(make_app: MakeApp) -> None:
    """It goes on with what it has read, saves nothing, and gets no cookie."""
    seen: list[dict[str, Any]] = []

    def linger(request: Any) -> None:
        request.session["next"] = "https://attacker.example"
        victim.get("/log-in?user=alice")
        seen.append(dict(request.session))

    app = attacked_app(make_app, views={"/linger": linger})
    attacker = app.another_browser()
    attacker.get("/write?cart=empty")
    victim = holder_of(app, attacker.cookie)
    response = attacker.get("/linger")
    assert app.set_cookies(response) == []
    assert [set(data) for data in seen] == [{"cart", "next"}]
    assert victim.get("/read").json.get("next") is None
    assert who(victim) == "alice"


@pytest.mark.parametrize("login", [log_in, log_in_afresh], ids=["log in", "invalidate first"])
def test_only_a_session_that_is_begun_anew_forgets_what_was_planted_in_it(
    make_app: MakeApp, login: Any
) -> None:
    """The id changes by itself; whether the content goes is for the application to say."""
    app = attacked_app(make_app, views={"/log-in": login}, secret=SECRET)
    attacker = app.another_browser()
    attacker.get("/write?next=https://attacker.example")
    victim = holder_of(app, attacker.cookie)
    victim.get("/log-in?user=alice")
    assert ("next" in victim.get("/read").json) is (login is log_in)
    assert who(attacker) is None


def log_in_with_a_new_token(request: Any) -> None:
    log_in(request)
    new_csrf_token(request)


@pytest.mark.parametrize(
    "login",
    [log_in, log_in_with_a_new_token, log_in_afresh],
    ids=["log in", "new token", "invalidate first"],
)
def test_the_token_of_a_planted_session_is_known_until_there_is_another(
    make_app: MakeApp, login: Any
) -> None:
    """Who planted the session has seen it, and could forge forms of the victim's by it."""
    app = attacked_app(make_app, views={"/log-in": login, "/token": get_csrf_token})
    attacker = app.another_browser()
    known = attacker.get("/token").json
    victim = holder_of(app, attacker.cookie)
    victim.get("/log-in?user=alice")
    assert (victim.get("/token").json == known) is (login is log_in)
    assert attacker.get("/token").json != victim.get("/token").json
