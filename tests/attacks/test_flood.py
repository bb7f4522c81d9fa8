"""A flood: somebody comes again and again without a cookie, to a page that has a form.

The token against forged forms has to be remembered somewhere, by default in the session. So each
first visit makes a row, as small as a row is. The page can give these sessions a short life, or
the application can keep the token in a cookie of its own.
"""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.csrf import CookieCSRFStoragePolicy, SessionCSRFStoragePolicy, get_csrf_token

from pyramid_sqlsession import prune_sessions
from tests.attacks.scenes import attacked_app, who
from tests.harness import App, Clock, MakeApp

VISITS = 20
MINUTE, HOUR = 60, 60 * 60


def form(request: Any) -> str:
    token: str = get_csrf_token(request)
    return token


def form_with_a_short_life(request: Any) -> str:
    """A session that begins here lives a quarter of an hour, until something is done in it."""
    if request.session.new:
        request.session.set_expiration(15 * MINUTE)
    return form(request)


def log_in(request: Any) -> None:
    request.session["auth.userid"] = request.params["user"]
    request.session.set_expiration(None)


VIEWS = {"/form": form, "/short-form": form_with_a_short_life, "/log-in": log_in}


def flooded(make_app: MakeApp, path: str, policy: Any = None) -> App:
    """An application whose form was asked for very often."""

    def configure(config: Any) -> None:
        if policy is not None:
            config.set_csrf_storage_policy(policy())

    app = attacked_app(make_app, views=VIEWS, configure=configure)
    for _ in range(VISITS):
        app.another_browser().get(path)
    return app


@pytest.mark.parametrize("policy", [None, SessionCSRFStoragePolicy])
def test_each_first_visit_to_a_form_makes_one_small_row(make_app: MakeApp, policy: Any) -> None:
    """One INSERT each, with nothing but the token; who keeps the cookie makes no other."""
    app = flooded(make_app, "/form", policy)
    assert len(app.rows()) == VISITS
    assert {tuple(row.data) for row in app.rows()} == {("_csrft_",)}
    assert max(len(row.raw) for row in app.rows()) < 100
    with app.statements() as seen:
        app.get("/form")
    assert seen.of_session == {"INSERT": 1}
    with app.statements() as seen:
        app.get("/form")
    assert seen.of_session == {"SELECT": 1}


@pytest.mark.parametrize("look", ["/who-am-i", "/read", "/untouched", "/log-out"])
def test_a_flood_of_visits_without_a_form_makes_no_row(make_app: MakeApp, look: str) -> None:
    """Looking at a session, and ending it, is no reason for one."""
    app = flooded(make_app, look)
    assert app.rows() == []


def test_a_token_in_a_cookie_makes_no_row(make_app: MakeApp) -> None:
    """With Pyramid's `CookieCSRFStoragePolicy` nothing of ours is asked or written."""
    app = flooded(make_app, "/form", CookieCSRFStoragePolicy)
    with app.statements() as seen:
        app.get("/form")
    assert seen.texts == []
    assert app.rows() == []


@pytest.mark.parametrize(("path", "life"), [("/form", 24 * HOUR), ("/short-form", 15 * MINUTE)])
def test_what_a_flood_has_left_is_pruned_when_it_is_over(
    make_app: MakeApp, clock: Clock, path: str, life: int
) -> None:
    """After the usual life, or after the short one that the page has given."""
    app = flooded(make_app, path)
    clock.advance(life - MINUTE)
    assert prune_sessions(app.registry).deleted == 0
    clock.advance(MINUTE + life // 4)  # when a row may be pruned is rounded up
    assert prune_sessions(app.registry).deleted == VISITS
    assert app.rows() == []


def test_who_goes_on_from_a_form_has_the_usual_life(make_app: MakeApp, clock: Clock) -> None:
    """The short one was for those who never do."""
    app = flooded(make_app, "/short-form")
    app.get("/short-form")
    app.get("/log-in?user=alice")
    clock.advance(20 * HOUR)
    assert prune_sessions(app.registry).deleted == VISITS
    assert who(app.browser) == "alice"
