"""Replay: the attacker has a copy of a cookie, and uses it when the session is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pyramid_sqlsession import prune_sessions
from tests.attacks.scenes import (
    attacked_app,
    helper,
    holder_of,
    logged_in,
    who,
    with_and_without_secret,
)
from tests.harness import App, Browser, Clock, MakeApp
from tests.harness.endings import and_raise

HOUR = 60 * 60
LIMITS = {"sqlsession.expiration": "1h", "sqlsession.absolute_expiration": "3h"}

End = Callable[[App, Browser, Clock], Any]


def forget(request: Any) -> None:
    helper.forget(request)


def log_out_and_fail(request: Any) -> None:
    request.session.invalidate()
    and_raise(request)


def revoke(request: Any) -> None:
    request.session_store.revoke(int(request.params["id"]))


def revoke_all(request: Any) -> None:
    request.session_store.revoke_all()


def regenerate(request: Any) -> None:
    request.session.regenerate_id()


VIEWS = {
    "/forget": forget,
    "/log-out-and-fail": log_out_and_fail,
    "/revoke": revoke,
    "/revoke-all": revoke_all,
    "/regenerate": regenerate,
}


def fails(browser: Browser, path: str) -> None:
    with pytest.raises(ZeroDivisionError):
        browser.get(path)


def is_revoked(app: App, owner: Browser, clock: Clock) -> None:
    [row] = app.rows()
    app.another_browser().get(f"/revoke?id={row.id}")


def is_busy_for_too_long(app: App, owner: Browser, clock: Clock) -> None:
    for _ in range(4):
        clock.advance(HOUR * 3 // 4)
        owner.get("/who-am-i")


def is_idle_and_pruned(app: App, owner: Browser, clock: Clock) -> None:
    clock.advance(2 * HOUR)
    assert prune_sessions(app.registry).deleted == 1


def logs_in_again(app: App, owner: Browser, clock: Clock) -> None:
    owner.get("/log-in?user=bob")
    clock.advance(HOUR // 2)


ENDINGS: dict[str, End] = {
    "logout": lambda app, owner, clock: owner.get("/log-out"),
    "logout that only forgets": lambda app, owner, clock: owner.get("/forget"),
    "logout that fails afterwards": lambda app, owner, clock: fails(owner, "/log-out-and-fail"),
    "revocation": is_revoked,
    "revocation of all": lambda app, owner, clock: app.another_browser().get("/revoke-all"),
    "idle for too long": lambda app, owner, clock: clock.advance(HOUR),
    "busy for too long": is_busy_for_too_long,
    "idle and pruned": is_idle_and_pruned,
    "new id": lambda app, owner, clock: owner.get("/regenerate"),
    "login of somebody else": logs_in_again,
}


@with_and_without_secret
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
def test_a_copied_cookie_opens_nothing_when_its_session_is_over(
    make_app: MakeApp, clock: Clock, end: End, secret: str | None
) -> None:
    """It neither reads nor changes what there was, at once, a minute later, or after a day."""
    app = attacked_app(make_app, secret=secret, views=VIEWS, settings=LIMITS)
    owner = logged_in(app, "alice")
    stolen = owner.cookie
    end(app, owner, clock)
    before = {row.id: row.columns for row in app.rows()}
    for wait in (0, 2 * 60, 24 * HOUR):
        clock.advance(wait)
        thief = holder_of(app, stolen)
        assert thief.get("/read").json == {}
        thief.get("/write?x=stolen")
        assert who(thief) is None
        for row in app.rows():
            assert row.columns == before.get(row.id, row.columns)
            assert row.data == {"x": "stolen"} or row.id in before


def test_a_thief_who_came_first_is_out_with_the_owner(make_app: MakeApp, clock: Clock) -> None:
    """His own requests before the logout have made nothing that outlives it."""
    app = attacked_app(make_app, views=VIEWS, settings=LIMITS)
    owner = logged_in(app, "alice")
    thief = holder_of(app, owner.cookie)
    thief.get("/write?x=1")
    clock.advance(HOUR // 2)
    assert who(thief) == "alice"
    owner.get("/log-out")
    assert who(thief) is None
    assert app.rows() == []


def test_a_thief_who_changes_the_id_is_ended_by_revocation(make_app: MakeApp) -> None:
    """Rotation moves the session to him, which its owner sees; the public id stays, to end it."""
    app = attacked_app(make_app, views=VIEWS)
    owner = logged_in(app, "alice")
    thief = holder_of(app, owner.cookie)
    thief.get("/regenerate")
    assert (who(owner), who(thief)) == (None, "alice")
    [row] = app.rows()
    app.another_browser().get(f"/revoke?id={row.id}")
    assert who(thief) is None
