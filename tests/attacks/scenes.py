"""The application that is attacked: visitors log in, and see who they are taken for."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, NamedTuple

import pytest
from pyramid.authentication import SessionAuthenticationHelper

from tests.harness import App, Browser, MakeApp, SessionRow

SECRET = "a secret of the application"
KEY = "k" * 42 + "A"
helper = SessionAuthenticationHelper()

with_and_without_secret = pytest.mark.parametrize(
    "secret", [None, SECRET], ids=["unsigned", "signed"]
)


class Protection(NamedTuple):
    """What an application has set against those who have its table."""

    secret: str | None = None
    keys: str | None = None


PROTECTIONS = [Protection(), Protection(SECRET), Protection(None, KEY), Protection(SECRET, KEY)]
under_every_protection = pytest.mark.parametrize(
    "by", PROTECTIONS, ids=["nothing", "secret", "keys", "both"]
)


def log_in(request: Any) -> None:
    helper.remember(request, request.params["user"])


def log_out(request: Any) -> None:
    request.session.invalidate()


def who_am_i(request: Any) -> Any:
    """Tell whom the visitor is taken for, None for nobody."""
    return request.session.get("auth.userid")


VIEWS = {"/log-in": log_in, "/log-out": log_out, "/who-am-i": who_am_i}


def attacked_app(make_app: MakeApp, *, secret: str | None = None, **options: Any) -> App:
    """An application with logins."""
    settings = {"sqlsession.secret": secret, **options.pop("settings", {})}
    return make_app(views={**VIEWS, **options.pop("views", {})}, settings=settings, **options)


def protected_app(make_app: MakeApp, by: Protection, **options: Any) -> App:
    settings = {"sqlsession.encryption_keys": by.keys} if by.keys else {}
    settings |= options.pop("settings", {})
    return attacked_app(make_app, secret=by.secret, settings=settings, **options)


def logged_in(app: App, user: str) -> Browser:
    """Another browser, of somebody who has logged in."""
    browser = app.another_browser()
    browser.get(f"/log-in?user={user}")
    assert who(browser) == user
    return browser


def holder_of(app: App, cookie: str | None) -> Browser:
    """Another browser, which holds this cookie."""
    assert cookie
    browser = app.another_browser()
    browser.plant(cookie)
    return browser


def who(browser: Browser) -> Any:
    """Whom the application takes the browser for."""
    return browser.get("/who-am-i").json


def send(app: App, path: str, header: str) -> Any:
    """Ask for `path` with this Cookie header, as it stands here."""
    return app.another_browser().get(path, headers={"Cookie": header})


def sent(app: App, *values: str | None) -> str:
    """The Cookie header with these values under our name, in this order."""
    return "; ".join(f"{app.cookie_name}={value}" for value in values)


def row_of(app: App, browser: Browser) -> SessionRow:
    """The row of the session that the browser has the cookie of."""
    digest = sha256(str(browser.cookie).partition(".")[0].encode()).digest()
    [row] = [row for row in app.rows() if row.digest == digest]
    return row
