"""The application that is attacked: visitors log in, and see who they are taken for."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.authentication import SessionAuthenticationHelper

from tests.harness import App, Browser, MakeApp

SECRET = "a secret of the application"
helper = SessionAuthenticationHelper()

with_and_without_secret = pytest.mark.parametrize(
    "secret", [None, SECRET], ids=["unsigned", "signed"]
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
