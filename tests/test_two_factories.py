"""Two sessions in one request, as pyramid_session_multi gives them: they fail together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyramid_session_multi import register_session_factory

from pyramid_sqlsession import UnstorableValueError, session_factory_from_settings
from tests.harness import App, MakeApp, Note, over_both_managers

View = Callable[..., Any]

SECOND = "second"


def include_second(config: Any) -> None:
    """Give every request a second session, with a cookie of its own, in the same table."""
    config.include("pyramid_session_multi")
    factory = session_factory_from_settings(
        {"sqlsession.cookie_name": SECOND, "sqlsession.table": "sessions"}
    )
    register_session_factory(config, SECOND, factory)


def second(request: Any) -> Any:
    return request.session_multi[SECOND]


def spoil(request: Any) -> None:
    """Make the second session one that cannot be saved."""
    second(request)["bad"] = object()


def sorry(error: Any, request: Any) -> str:
    return "sorry"


def app_with_two(make_app: MakeApp, view: View, exception_view: View = sorry) -> App:
    return make_app(
        views={"/": view, "/second": lambda request: dict(second(request))},
        exception_views={UnstorableValueError: exception_view},
        configure=include_second,
    )


@over_both_managers
def test_two_sessions_in_one_request_are_saved_by_one_commit(make_app: MakeApp) -> None:
    """Each has its row and its cookie."""

    def write(request: Any) -> None:
        request.session["x"] = 1
        second(request)["y"] = 2

    app = app_with_two(make_app, write)
    with app.statements() as seen:
        app.get("/")
    assert seen.commits == 1
    assert app.get("/read").json == {"x": 1}
    assert app.get("/second").json == {"y": 2}


def good_first(request: Any) -> None:
    request.session["x"] = "rolled back"
    spoil(request)


def bad_first(request: Any) -> None:
    spoil(request)
    request.session["x"] = "rolled back"


@over_both_managers
@pytest.mark.parametrize("write", [good_first, bad_first])
def test_when_one_session_cannot_be_saved_the_other_is_not_saved_either(
    make_app: MakeApp, write: View
) -> None:
    """Whichever was touched first, and though the request is answered by an exception view."""

    def view(request: Any) -> None:
        request.dbsession.add(Note(text="note"))
        write(request)

    app = app_with_two(make_app, view)
    response = app.get("/")
    assert response.json == "sorry"
    assert "Set-Cookie" not in response.headers
    assert app.notes() == []
    assert app.rows() == []


def set_expiration(session: Any) -> None:
    session.set_expiration(60)


def regenerate_id(session: Any) -> None:
    session.regenerate_id()


def changed(session: Any) -> None:
    session.changed()


def log_in(session: Any) -> None:
    session["auth.userid"] = "alice"


@over_both_managers
@pytest.mark.parametrize("wish", [set_expiration, regenerate_id, changed, log_in])
def test_when_one_session_cannot_be_saved_the_wishes_of_the_other_are_undone(
    make_app: MakeApp, wish: Callable[[Any], None]
) -> None:
    """The row stays as it was, and so does the cookie."""

    def view(request: Any) -> None:
        wish(request.session)
        spoil(request)

    app = app_with_two(make_app, view)
    app.get("/write?x=1")
    before = app.rows()
    assert app.set_cookies(app.get("/")) == []
    assert app.rows() == before
    assert app.get("/read").json == {"x": "1"}


@over_both_managers
def test_an_exception_view_may_first_touch_the_session_that_did_not_fail(
    make_app: MakeApp,
) -> None:
    """It is saved, and not taken for one that the failed view had changed."""

    def flash(error: Any, request: Any) -> str:
        request.session.flash("sorry")
        return "sorry"

    app = app_with_two(make_app, spoil, flash)
    assert app.get("/").json == "sorry"
    assert app.get("/read").json == {"_f_": ["sorry"]}
