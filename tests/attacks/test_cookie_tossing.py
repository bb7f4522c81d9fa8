"""Tossed cookies: a sibling domain, or a page that writes cookies, adds some to the browser's own.

A browser sends those of longer paths first, and does not say where any of them comes from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from pyramid_sqlsession.events import SessionEnded
from pyramid_sqlsession.session_id import new_session_id
from tests.attacks.scenes import attacked_app, logged_in, send, sent
from tests.harness import MakeApp, only_on_sqlite

HOST = {
    "sqlsession.cookie_name": "__Host-session",
    "sqlsession.cookie_secure": "true",
}


@pytest.mark.parametrize("order", [1, -1], ids=["tossed last", "tossed first"])
def test_a_tossed_session_is_not_worked_in(make_app: MakeApp, order: int) -> None:
    """With the victim's own beside it, neither is used: what she writes is not the attacker's."""
    app = attacked_app(make_app)
    mallory, alice = logged_in(app, "mallory"), logged_in(app, "alice")
    before = app.rows()
    header = sent(app, *[alice.cookie, mallory.cookie][::order])
    assert send(app, "/who-am-i", header).json is None
    send(app, "/write?card=4711", header)
    assert app.rows()[:2] == before
    assert [row.data for row in app.rows()[2:]] == [{"card": "4711"}]


@pytest.mark.parametrize("order", [1, -1], ids=["tossed last", "tossed first"])
def test_a_tossed_session_does_not_keep_the_victim_from_logging_out(
    make_app: MakeApp, order: int
) -> None:
    """Both sessions end, as nobody can tell which is hers, and the cookie is deleted."""
    ended: list[Any] = []
    app = attacked_app(
        make_app, configure=lambda config: config.add_subscriber(ended.append, SessionEnded)
    )
    mallory, alice = logged_in(app, "mallory"), logged_in(app, "alice")
    header = sent(app, *[alice.cookie, mallory.cookie][::order])
    [cookie] = app.set_cookies(send(app, "/log-out", header))
    assert cookie.deletes
    assert app.rows() == []
    assert sorted(event.id for event in ended) == [1, 2]
    assert {event.reason for event in ended} == {"invalidated"}
    assert send(app, "/who-am-i", sent(app, alice.cookie)).json is None


def commit_and_log_out(request: Any) -> None:
    request.session["x"] = 1
    request.tm.commit()
    request.tm.begin()
    request.session.invalidate()


def log_out_late(request: Any) -> None:
    request.session["x"] = 1
    request.add_response_callback(lambda request, response: request.session.invalidate())


@pytest.mark.parametrize("log_out", [commit_and_log_out, log_out_late])
def test_a_logout_ends_them_though_the_request_has_begun_a_third(
    make_app: MakeApp, log_out: Callable[[Any], None]
) -> None:
    """What was saved on the way is one more session to end."""
    app = attacked_app(make_app, views={"/": log_out})
    mallory, alice = logged_in(app, "mallory"), logged_in(app, "alice")
    [cookie] = app.set_cookies(send(app, "/", sent(app, alice.cookie, mallory.cookie)))
    assert cookie.deletes
    assert app.rows() == []


@pytest.mark.parametrize("order", [1, -1], ids=["tossed last", "tossed first"])
def test_a_tossed_session_that_is_over_does_no_harm(make_app: MakeApp, order: int) -> None:
    """The victim stays in hers."""
    app = attacked_app(make_app)
    mallory, alice = logged_in(app, "mallory"), logged_in(app, "alice")
    over = mallory.cookie
    mallory.get("/log-out")
    header = sent(app, *[alice.cookie, over][::order])
    assert send(app, "/who-am-i", header).json == "alice"


@pytest.mark.parametrize("before", [3, 50])
def test_many_cookies_do_not_push_the_browsers_own_out_of_sight(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, before: int
) -> None:
    """Beyond the four that are looked up there may be another that lives: none is used then."""
    app = attacked_app(make_app)
    mallory, alice = logged_in(app, "mallory"), logged_in(app, "alice")
    tossed = [mallory.cookie, *(new_session_id() for _ in range(before))]
    with app.statements() as seen:
        assert send(app, "/who-am-i", sent(app, *tossed, alice.cookie)).json is None
    assert seen.texts == []
    ours = [r for r in caplog.records if r.name.startswith("pyramid_sqlsession")]
    assert [record.levelno for record in ours] == [logging.WARNING]


SMUGGLING = {
    "after a space": "lang=x {}",
    "after a comma": "lang=x,{}",
    "behind a letter that no name has": "lang\xe9{}",
    "behind a bracket": "[{}",
    "in quotes": 'lang="{}"',
    "behind a semicolon in quotes": 'lang="x"{}',
    "as the value of a cookie without a name": "={}",
    "behind a no-break space": "\xa0{}",
    "behind an en quad, as the octets that a server sees": "\xe2\x80\x80{}",
    "behind a next line": "\x85{}",
}


@only_on_sqlite
@pytest.mark.parametrize("tossed", SMUGGLING.values(), ids=SMUGGLING.keys())
@pytest.mark.parametrize("settings", [{}, HOST], ids=["session", "__Host-session"])
def test_a_session_is_not_smuggled_in_under_another_cookies_name(
    make_app: MakeApp, tossed: str, settings: dict[str, str]
) -> None:
    """A sibling may set cookies of other names, whatever is in them; a browser splits at ';'."""
    app = attacked_app(make_app, settings=settings)
    mallory = app.another_browser()
    [cookie] = app.set_cookies(mallory.get("/log-in?user=mallory"))
    own = f"{app.cookie_name}={cookie.value}"
    assert send(app, "/who-am-i", own).json == "mallory"
    assert send(app, "/who-am-i", tossed.format(own)).json is None


def test_an_open_quote_does_not_swallow_the_browsers_own_cookie(make_app: MakeApp) -> None:
    """Of two cookies alive none is used, though quotes be around the victim's."""
    app = attacked_app(make_app)
    mallory, alice = logged_in(app, "mallory"), logged_in(app, "alice")
    tossed, own = sent(app, mallory.cookie), sent(app, alice.cookie)
    assert send(app, "/who-am-i", f'a="; {own}; b="').json == "alice"
    assert send(app, "/who-am-i", f'{tossed}; a="; {own}; b="').json is None


@only_on_sqlite
def test_a_cookie_in_quotes_is_the_same_cookie(make_app: MakeApp) -> None:
    """As a proxy or another client may send it."""
    app = attacked_app(make_app)
    alice = logged_in(app, "alice")
    assert send(app, "/who-am-i", f'a=b; {app.cookie_name}="{alice.cookie}" ').json == "alice"
