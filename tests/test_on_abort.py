"""What survives when the request's transaction is rolled back: the table of `on_abort`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyramid.authorization import Authenticated, Everyone
from pyramid.httpexceptions import HTTPForbidden, HTTPFound, HTTPNotFound
from pyramid.response import Response
from pyramid.tweens import EXCVIEW
from sqlalchemy.exc import IntegrityError

from tests.harness import App, MakeApp, Note, only_on_sqlite, over_both_managers
from tests.harness.endings import (
    KNOWN,
    Handled,
    after,
    and_doom,
    and_raise_a_handled_error,
    and_raise_a_redirect,
    visit,
)
from tests.harness.failures import RefusedCommit, RefusingData
from tests.harness.marks import VETO, on_every_on_abort, with_and_without_veto

View = Callable[..., Any]


def assert_session(app: App, response: Any, known: bool, **data: Any) -> None:
    """The visitor's session holds what it held before and `data`; a new one was announced."""
    expected = {**(KNOWN if known else {}), **data}
    assert [row.data for row in app.rows()] == ([expected] if expected else [])
    assert len(app.set_cookies(response)) == (1 if data and not known else 0)
    assert app.get("/read").json == expected


# What the view did


def write(request: Any) -> None:
    request.dbsession.add(Note(text="note"))
    request.session["y"] = 2


def raise_forbidden(request: Any) -> None:
    raise HTTPForbidden


def return_not_found(request: Any) -> HTTPNotFound:
    return HTTPNotFound()


def return_abort(request: Any) -> Response:
    return Response(headers={"X-Tm": "abort"})


def collide(request: Any) -> None:
    """Have the database refuse the application's own data; the transaction is broken then."""
    request.dbsession.add_all([Note(text="same"), Note(text="same")])
    request.dbsession.flush()


def refuse_the_commit(request: Any) -> None:
    request.tm.get().join(RefusingData())


def raise_under_a_refused_commit(request: Any) -> None:
    """Pass the veto with a raised redirect, and have the commit refused."""
    refuse_the_commit(request)
    raise HTTPFound("/read")


def write_and(end: View) -> View:
    """A view that writes a note and into the session, and then ends like this."""
    return after(write, end)


ROLLED_BACK: dict[str, tuple[View, dict[str, str]]] = {
    "doom": (and_doom, {}),
    "a raised redirect": (and_raise_a_redirect, {}),
    "a raised 403": (raise_forbidden, {}),
    "a raised 403, veto": (raise_forbidden, VETO),
    "a returned 404, veto": (return_not_found, VETO),
    "X-Tm, veto": (return_abort, VETO),
    "handled": (and_raise_a_handled_error, {}),
    "refused by the database": (collide, {}),
    "a refused commit": (refuse_the_commit, {}),
    "a refused commit, veto": (raise_under_a_refused_commit, VETO),
}
FAILURES = (Handled, RefusedCommit, IntegrityError)


def look(error: Any, request: Any) -> Any:
    """An exception view that shows the session."""
    return dict(request.session)


@over_both_managers
@on_every_on_abort
@pytest.mark.parametrize(("end", "veto"), ROLLED_BACK.values(), ids=ROLLED_BACK.keys())
def test_only_keep_keeps_what_the_view_did(
    make_app: MakeApp, known: bool, on_abort: str, end: View, veto: dict[str, str]
) -> None:
    """However the transaction came to be rolled back, and the application's data always is."""
    app = make_app(
        views={"/": write_and(end)},
        exception_views=dict.fromkeys(FAILURES, look),
        settings={"sqlsession.on_abort": on_abort, **veto},
    )
    response = visit(app, known)
    assert app.notes() == []
    assert_session(app, response, known, **({"y": 2} if on_abort == "keep" else {}))


@on_every_on_abort
def test_only_keep_keeps_what_the_view_asked_for(make_app: MakeApp, on_abort: str) -> None:
    """A new id, a life of its own, and a login go the way of the data."""

    def log_in(request: Any) -> None:
        request.session.regenerate_id()
        request.session.set_expiration(60)
        raise Handled

    app = make_app(
        views={"/": log_in},
        exception_views={Handled: look},
        settings={"sqlsession.on_abort": on_abort},
    )
    app.get("/write?x=1")
    (before,) = app.rows()
    cookies = app.set_cookies(app.get("/"))
    (after,) = app.rows()
    kept = on_abort == "keep"
    assert [cookie.attributes["max-age"] for cookie in cookies] == (["60"] if kept else [])
    assert (after.digest != before.digest) == kept
    assert after.columns["lifetime"] == (60 if kept else None)
    assert app.get("/read").json == KNOWN


# What the exception view sees and does


@over_both_managers
@on_every_on_abort
@pytest.mark.parametrize("end", [and_raise_a_handled_error, collide, refuse_the_commit])
def test_an_exception_view_sees_the_session_as_it_was_loaded(
    make_app: MakeApp, known: bool, on_abort: str, end: View
) -> None:
    """Not half of what the failed view did; with `keep` it sees what is kept."""
    app = make_app(
        views={"/": write_and(end)},
        exception_views=dict.fromkeys(FAILURES, look),
        settings={"sqlsession.on_abort": on_abort},
    )
    before = KNOWN if known else {}
    assert visit(app, known).json == (before if on_abort != "keep" else {**before, "y": 2})


def answering(status: int) -> View:
    """An exception view of this status that writes into the session."""

    def view(error: Any, request: Any) -> Response:
        request.session["z"] = 3
        return Response(status=status, headers={"Location": "/read"} if status == 302 else {})

    return view


def end_untouched(end: View) -> View:
    """A view that leaves the session alone, and ends like this."""
    return end


@over_both_managers
@on_every_on_abort
@pytest.mark.parametrize("view", [write_and, end_untouched], ids=["touched", "untouched"])
@pytest.mark.parametrize(
    ("end", "status"),
    [(and_raise_a_handled_error, 302), (collide, 200), (refuse_the_commit, 500)],
)
def test_only_discard_rolls_back_what_the_exception_view_did(
    make_app: MakeApp,
    known: bool,
    on_abort: str,
    view: Callable[[View], View],
    end: View,
    status: int,
) -> None:
    """Also when it is the first to touch the session, beside a broken transaction or none."""
    app = make_app(
        views={"/": view(end)},
        exception_views=dict.fromkeys(FAILURES, answering(status)),
        settings={"sqlsession.on_abort": on_abort},
    )
    response = visit(app, known)
    kept = {
        **({"y": 2} if on_abort == "keep" and view is write_and else {}),
        **({"z": 3} if on_abort != "discard" else {}),
    }
    assert response.status_int == status
    assert app.notes() == []
    assert_session(app, response, known, **kept)


@over_both_managers
@on_every_on_abort
def test_a_vetoed_answer_of_an_exception_view_is_rolled_back_like_any_other(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """A 500 aborts under a veto too, and the table holds."""
    app = make_app(
        views={"/": write_and(and_raise_a_handled_error)},
        exception_views={Handled: answering(500)},
        settings={"sqlsession.on_abort": on_abort, **VETO},
    )
    response = visit(app, known)
    kept: dict[str, Any] = {"exception-view": {"z": 3}, "discard": {}, "keep": {"y": 2, "z": 3}}
    assert app.notes() == []
    assert_session(app, response, known, **kept[on_abort])


@over_both_managers
@on_every_on_abort
def test_an_exception_view_may_write_the_keys_that_the_failed_view_wrote(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """Its own value is kept, and with `keep` it is the later one."""

    def fail(request: Any) -> None:
        request.session.update(x="by the view", y="by the view")
        raise Handled

    def handle(error: Any, request: Any) -> None:
        request.session["y"] = "by the exception view"

    app = make_app(
        views={"/": fail},
        exception_views={Handled: handle},
        settings={"sqlsession.on_abort": on_abort},
    )
    response = visit(app, known)
    kept = {
        "exception-view": {"y": "by the exception view"},
        "discard": {},
        "keep": {"x": "by the view", "y": "by the exception view"},
    }
    assert_session(app, response, known, **kept[on_abort])


@over_both_managers
def test_a_flash_on_the_error_page_outlives_the_failure(make_app: MakeApp, known: bool) -> None:
    """What the failed view flashed does not: it announced what did not happen."""

    def fail(request: Any) -> None:
        request.session.flash("ordered")
        raise Handled

    def handle(error: Any, request: Any) -> HTTPFound:
        request.session.flash("failed")
        return HTTPFound("/read")

    app = make_app(views={"/": fail}, exception_views={Handled: handle})
    assert_session(app, visit(app, known), known, _f_=["failed"])


@over_both_managers
@on_every_on_abort
def test_an_exception_view_may_end_the_session_and_begin_another(
    make_app: MakeApp, on_abort: str
) -> None:
    """The old one is gone in any case; the new one is a change of the exception view."""

    def begin_anew(error: Any, request: Any) -> None:
        request.session.invalidate()
        request.session["z"] = 3

    app = make_app(
        views={"/": write_and(and_raise_a_handled_error)},
        exception_views={Handled: begin_anew},
        settings={"sqlsession.on_abort": on_abort},
    )
    (cookie,) = app.set_cookies(visit(app, known=True))
    assert cookie.deletes == (on_abort == "discard")
    assert [row.data for row in app.rows()] == ([] if on_abort == "discard" else [{"z": 3}])


@over_both_managers
@on_every_on_abort
@pytest.mark.parametrize("end", [and_raise_a_handled_error, collide])
def test_an_exception_view_may_commit_a_transaction_of_its_own(
    make_app: MakeApp, known: bool, on_abort: str, end: View
) -> None:
    """It ends the failed one first; what it then commits is committed, whatever is discarded."""

    def write_down(error: Any, request: Any) -> None:
        request.tm.abort()
        request.tm.begin()
        request.dbsession.add(Note(text="it failed"))
        request.session["z"] = 3
        request.tm.commit()
        request.tm.begin()

    app = make_app(
        views={"/": write_and(end)},
        exception_views=dict.fromkeys(FAILURES, write_down),
        settings={"sqlsession.on_abort": on_abort},
    )
    response = visit(app, known)
    assert app.notes() == ["it failed"]
    assert_session(app, response, known, **({"y": 2} if on_abort == "keep" else {}), z=3)


@over_both_managers
@on_every_on_abort
def test_what_was_changed_before_the_transaction_began_is_not_the_failed_views(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """A tween above pyramid_tm is no part of what is rolled back."""

    def configure(config: Any) -> None:
        config.add_tween(
            "tests.test_on_abort.writing_tween_factory", over="pyramid_tm.tm_tween_factory"
        )

    app = make_app(
        views={"/": write_and(and_raise_a_handled_error)},
        exception_views={Handled: answering(200)},
        settings={"sqlsession.on_abort": on_abort},
        configure=configure,
    )
    if known:
        app.get("/untouched")
    response = app.get("/")
    kept = {
        "exception-view": {"early": 1, "z": 3},
        "discard": {"early": 1},
        "keep": {"early": 1, "y": 2, "z": 3},
    }
    assert [row.data for row in app.rows()] == [kept[on_abort]]
    assert len(app.set_cookies(response)) == (0 if known else 1)


def writing_tween_factory(handler: View, registry: Any) -> View:
    """Write into the session before everything below."""

    def writing_tween(request: Any) -> Any:
        request.session["early"] = 1
        return handler(request)

    return writing_tween


# Forbidden and not found


class NobodyMay:
    """A security policy that permits nothing to anybody."""

    def identity(self, request: Any) -> None:
        return None

    authenticated_userid = identity

    def permits(self, request: Any, context: Any, permission: str) -> bool:
        return permission in (Everyone, Authenticated)


def app_with_error_pages(
    make_app: MakeApp, status: int, on_abort: str, veto: dict[str, str]
) -> App:
    """An application whose forbidden and not-found views write into the session."""

    def page(error: Any, request: Any) -> Response:
        request.session["z"] = 3
        return Response(status=status)

    def configure(config: Any) -> None:
        config.set_security_policy(NobodyMay())
        config.add_route("secret", "/secret")
        config.add_view(write, route_name="secret", permission="see", renderer="json")
        config.add_forbidden_view(page)
        config.add_notfound_view(page)

    return make_app(configure=configure, settings={"sqlsession.on_abort": on_abort, **veto})


@on_every_on_abort
@with_and_without_veto
@pytest.mark.parametrize("path", ["/secret", "/nowhere"])
@pytest.mark.parametrize("status", [200, 403])
def test_a_login_form_in_place_of_a_page_is_an_exception_view(
    make_app: MakeApp, known: bool, on_abort: str, veto: dict[str, str], path: str, status: int
) -> None:
    """What it remembers, such as a token against forgery, is kept unless it is discarded.

    With a veto and a 200 the transaction is committed, so that nothing is there to be discarded.
    """
    app = app_with_error_pages(make_app, status, on_abort, veto)
    response = visit(app, known, path)
    is_committed = veto is VETO and status == 200
    kept = {"z": 3} if is_committed or on_abort != "discard" else {}
    assert response.status_int == status
    assert_session(app, response, known, **kept)


# Without pyramid_tm, and without a cookie on exceptions


@on_every_on_abort
def test_without_pyramid_tm_an_exception_counts_as_a_rollback(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """The same table, though there is no transaction."""

    def fail(request: Any) -> None:
        request.session["y"] = 2
        raise Handled

    app = make_app(
        views={"/": fail},
        exception_views={Handled: answering(200)},
        settings={"sqlsession.on_abort": on_abort},
        tm=False,
    )
    kept: dict[str, Any] = {"exception-view": {"z": 3}, "discard": {}, "keep": {"y": 2, "z": 3}}
    assert_session(app, visit(app, known), known, **kept[on_abort])


@on_every_on_abort
def test_without_pyramid_tm_the_first_touch_in_an_exception_view_counts_as_well(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """`request.exception` decides."""
    app = make_app(
        views={"/": and_raise_a_handled_error},
        exception_views={Handled: answering(200)},
        settings={"sqlsession.on_abort": on_abort},
        tm=False,
    )
    kept = {} if on_abort == "discard" else {"z": 3}
    assert_session(app, visit(app, known), known, **kept)


@on_every_on_abort
def test_without_pyramid_tm_what_was_changed_before_the_view_is_not_the_failed_views(
    make_app: MakeApp, on_abort: str
) -> None:
    """A failure goes back to the moment at which the view began."""

    def fail(request: Any) -> None:
        request.session["y"] = 2
        raise Handled

    app = make_app(
        views={"/": fail},
        exception_views={Handled: answering(200)},
        settings={"sqlsession.on_abort": on_abort},
        configure=lambda config: config.add_tween(
            "tests.test_on_abort.writing_tween_factory", over=EXCVIEW
        ),
        tm=False,
    )
    kept = {
        "exception-view": {"early": 1, "z": 3},
        "discard": {"early": 1},
        "keep": {"early": 1, "y": 2, "z": 3},
    }
    assert len(app.set_cookies(app.get("/"))) == 1
    assert [row.data for row in app.rows()] == [kept[on_abort]]


def touch_again(error: Any, request: Any) -> None:
    request.session["z"] = 3
    request.session.regenerate_id()


@over_both_managers
@pytest.mark.parametrize("view", [write_and(and_raise_a_handled_error), and_raise_a_handled_error])
def test_an_exception_view_that_may_send_no_cookie_makes_no_row(
    make_app: MakeApp, view: View
) -> None:
    """`set_on_exception = false`: a row that nobody can open would only lie about."""
    app = make_app(
        views={"/": view},
        exception_views={Handled: touch_again},
        settings={"sqlsession.set_on_exception": "false"},
    )
    assert app.set_cookies(visit(app, known=False)) == []
    assert app.rows() == []


@over_both_managers
def test_an_exception_view_that_may_send_no_cookie_still_writes_into_a_known_session(
    make_app: MakeApp,
) -> None:
    """The browser holds the right cookie already."""
    app = make_app(
        views={"/": write_and(and_raise_a_handled_error)},
        exception_views={Handled: answering(200)},
        settings={"sqlsession.set_on_exception": "false"},
    )
    assert app.set_cookies(visit(app, known=True)) == []
    assert [row.data for row in app.rows()] == [{"x": "1", "z": 3}]


@over_both_managers
def test_an_exception_view_that_may_send_no_cookie_does_not_lock_the_visitor_out(
    make_app: MakeApp,
) -> None:
    """A new id that the browser is not told of must not replace the old one."""
    app = make_app(
        views={"/": and_raise_a_handled_error},
        exception_views={Handled: touch_again},
        settings={"sqlsession.set_on_exception": "false"},
    )
    assert app.set_cookies(visit(app, known=True)) == []
    assert app.get("/read").json["x"] == "1"


# What cannot be stored


@only_on_sqlite
@pytest.mark.parametrize("on_abort", ["exception-view", "discard"])
def test_what_cannot_be_stored_is_no_matter_once_it_is_rolled_back(
    make_app: MakeApp, known: bool, on_abort: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The failed view's rubbish is forgotten without a word."""

    def fail(request: Any) -> None:
        request.session["y"] = object()
        raise Handled

    app = make_app(
        views={"/": fail},
        exception_views={Handled: look},
        settings={"sqlsession.on_abort": on_abort},
    )
    response = visit(app, known)
    assert response.json == (KNOWN if known else {})
    assert_session(app, response, known)
    assert [record for record in caplog.records if record.name.startswith("pyramid_sql")] == []
