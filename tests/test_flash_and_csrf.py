"""Flash messages and tokens against cross-site request forgery."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.csrf import (
    CookieCSRFStoragePolicy,
    LegacySessionCSRFStoragePolicy,
    SessionCSRFStoragePolicy,
    get_csrf_token,
    new_csrf_token,
)
from pyramid.httpexceptions import HTTPForbidden, HTTPFound, HTTPNotFound
from pyramid.interfaces import ISession

from tests.harness import App, MakeApp, over_both_managers

VETOES = pytest.mark.parametrize("veto", [None, "pyramid_tm.default_commit_veto"])
POLICIES = pytest.mark.parametrize(
    "policy", [LegacySessionCSRFStoragePolicy, SessionCSRFStoragePolicy, CookieCSRFStoragePolicy]
)


def flash_app(make_app: MakeApp, *calls: dict[str, Any]) -> App:
    """An application whose `/` flashes once with the arguments of each of `calls`."""

    def flash(request: Any) -> None:
        for call in calls:
            request.session.flash(**call)

    app = make_app(views={"/": flash, "/pop": pop, "/peek": peek})
    app.get("/")
    return app


def pop(request: Any) -> list[Any]:
    messages: list[Any] = request.session.pop_flash(request.params.get("queue", ""))
    return messages


def peek(request: Any) -> list[Any]:
    messages: list[Any] = request.session.peek_flash(request.params.get("queue", ""))
    return messages


def test_a_queue_keeps_its_order(make_app: MakeApp) -> None:
    """First flashed, first shown, over requests too."""
    app = flash_app(make_app, {"msg": "b"}, {"msg": "a"})
    app.get("/")
    assert app.get("/pop").json == ["b", "a", "b", "a"]


def test_queues_are_independent(make_app: MakeApp) -> None:
    """Popping one leaves the other."""
    app = flash_app(make_app, {"msg": "a"}, {"msg": "b", "queue": "errors"})
    assert app.get("/pop?queue=errors").json == ["b"]
    assert app.get("/pop?queue=errors").json == []
    assert app.get("/pop").json == ["a"]


def test_duplicates_are_kept_unless_they_are_not_wanted(make_app: MakeApp) -> None:
    """`allow_duplicate=False` looks at the queue it flashes into only."""
    once: dict[str, Any] = {"msg": "a", "allow_duplicate": False}
    app = flash_app(
        make_app, {"msg": "a"}, {"msg": "a"}, once, {**once, "queue": "other"}, {"msg": "a"}
    )
    assert app.get("/pop").json == ["a", "a", "a"]
    assert app.get("/pop?queue=other").json == ["a"]


def test_peeking_keeps_the_messages_and_popping_removes_them(make_app: MakeApp) -> None:
    """Removed means removed from the row."""
    app = flash_app(make_app, {"msg": {"level": 1}})
    assert app.get("/peek").json == [{"level": 1}]
    assert app.get("/peek").json == [{"level": 1}]
    assert app.get("/pop").json == [{"level": 1}]
    assert app.get("/peek").json == []
    assert [row.data for row in app.rows()] == [{}]


@over_both_managers
@VETOES
def test_a_flash_before_a_redirect_is_on_the_next_page(
    make_app: MakeApp, veto: str | None
) -> None:
    """It is committed before the browser can ask for the page it was sent to."""

    def redirect(request: Any) -> Any:
        request.session.flash(request.params["msg"])
        return HTTPFound("/pop")

    app = make_app(views={"/": redirect, "/pop": pop}, settings={"tm.commit_veto": veto})
    for message in ("first", "second"):
        assert app.get("/", {"msg": message}).follow().json == [message]
    assert app.get("/pop").json == []


def csrf_app(make_app: MakeApp, policy: Any = None) -> App:
    """An application that asks every POST for the token; None for Pyramid's default policy."""

    def configure(config: Any) -> None:
        if policy is not None:
            config.set_csrf_storage_policy(policy())
        config.set_default_csrf_options(require_csrf=True)

    return make_app(
        views={"/token": get_csrf_token, "/new": new_csrf_token, "/form": lambda r: "done"},
        includes=[configure],
    )


@POLICIES
def test_a_token_is_stable_across_requests_and_accepted(make_app: MakeApp, policy: Any) -> None:
    """Under each storage policy of Pyramid."""
    app = csrf_app(make_app, policy)
    token = app.get("/token").json
    assert app.get("/token").json == token
    assert app.post("/form", {"csrf_token": token}).json == "done"
    assert app.post("/form", {"csrf_token": token}).json == "done"


@POLICIES
def test_a_wrong_or_missing_token_is_refused(make_app: MakeApp, policy: Any) -> None:
    """Also that of another visitor."""
    app = csrf_app(make_app, policy)
    app.get("/token")
    other = app.another_browser().get("/token").json
    app.post("/form", {"csrf_token": other}, status=400)
    app.post("/form", status=400)


@POLICIES
def test_a_new_token_replaces_the_old_one(make_app: MakeApp, policy: Any) -> None:
    """As after a login."""
    app = csrf_app(make_app, policy)
    old = app.get("/token").json
    new = app.get("/new").json
    assert new != old
    assert app.get("/token").json == new
    app.post("/form", {"csrf_token": old}, status=400)
    assert app.post("/form", {"csrf_token": new}).json == "done"


def test_the_default_policy_keeps_the_token_under_the_usual_key(make_app: MakeApp) -> None:
    """So that the session's own methods and both policies agree on it."""
    app = csrf_app(make_app)
    token = app.get("/token").json
    assert [row.data for row in app.rows()] == [{"_csrft_": token}]


def test_the_cookie_policy_needs_no_session(make_app: MakeApp) -> None:
    """Its token costs neither a row nor a cookie of ours."""
    app = csrf_app(make_app, CookieCSRFStoragePolicy)
    response = app.get("/token")
    assert app.rows() == []
    assert app.set_cookies(response) == []
    assert "Vary" not in response.headers


def test_the_session_makes_tokens_that_differ(make_app: MakeApp) -> None:
    """Each call of `new_csrf_token` gives another one."""

    def tokens(request: Any) -> list[str]:
        session: ISession = request.session
        return [session.get_csrf_token(), session.new_csrf_token(), session.get_csrf_token()]

    first, second, third = make_app(views={"/": tokens}).get("/").json
    assert first != second
    assert second == third


def login_form(request: Any) -> str:
    """Show a form where something else was asked for."""
    request.response.status_int = request.exception.status_int
    token: str = get_csrf_token(request)
    return token


@over_both_managers
@VETOES
@pytest.mark.parametrize("path", ["/forbidden", "/no-such-page"])
def test_a_token_made_by_an_error_page_is_accepted_by_the_post_that_follows(
    make_app: MakeApp, veto: str | None, path: str
) -> None:
    """The login form on a forbidden page must work, though the request's transaction aborts."""

    def forbidden(request: Any) -> Any:
        request.session["of the failed view"] = 1
        raise HTTPForbidden

    def configure(config: Any) -> None:
        config.set_default_csrf_options(require_csrf=True)

    app = make_app(
        views={"/forbidden": forbidden, "/login": lambda request: "in"},
        exception_views={HTTPForbidden: login_form, HTTPNotFound: login_form},
        settings={"tm.commit_veto": veto},
        includes=[configure],
    )
    response = app.get(path, status="4*")
    assert len(app.set_cookies(response)) == 1
    assert app.post("/login", {"csrf_token": response.json}).json == "in"
    assert [row.data for row in app.rows()] == [{"_csrft_": response.json}]


@over_both_managers
@VETOES
def test_a_token_made_by_an_error_page_joins_the_session_that_was_there(
    make_app: MakeApp, veto: str | None
) -> None:
    """The visitor keeps the data and the cookie."""
    app = make_app(exception_views={HTTPNotFound: login_form}, settings={"tm.commit_veto": veto})
    app.get("/write?x=1")
    response = app.get("/no-such-page", status=404)
    assert app.set_cookies(response) == []
    assert [row.data for row in app.rows()] == [{"x": "1", "_csrft_": response.json}]
