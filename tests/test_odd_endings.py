"""Transactions that end in ways that nobody plans, and requests that go on after the end."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyramid.response import Response
from pyramid.tweens import EXCVIEW
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.harness import (
    App,
    MakeApp,
    Note,
    over_both_managers,
)
from tests.harness.endings import KNOWN, Handled, visit
from tests.harness.failures import RefusedCommit, refuse
from tests.harness.marks import VETO, only_on_postgresql, with_and_without_veto

View = Callable[..., Any]


handled_or_not = pytest.mark.parametrize("handled", [True, False], ids=["handled", "unhandled"])


def sorry(error: Any, request: Any) -> str:
    return "sorry"


def flash_sorry(error: Any, request: Any) -> str:
    request.session.flash("sorry")
    return "sorry"


def assert_session(app: App, known: bool, **data: Any) -> None:
    """The visitor's session holds what it held before and `data`."""
    expected = {**(KNOWN if known else {}), **data}
    assert [row.data for row in app.rows()] == ([expected] if expected else [])
    assert app.get("/read").json == expected


# A dbsession that the view ends itself


@over_both_managers
@pytest.mark.parametrize("end", ["rollback", "close"])
def test_a_view_may_end_the_dbsession_and_still_flash(
    make_app: MakeApp, known: bool, end: str
) -> None:
    """It begins anew behind the back of the transaction, so ours is saved when that is over."""

    def view(request: Any) -> str:
        request.session.flash("nothing was ordered")
        getattr(request.dbsession, end)()
        return "fine"

    app = make_app(views={"/": view})
    response = visit(app, known)
    assert response.json == "fine"
    assert len(app.set_cookies(response)) == (0 if known else 1)
    assert_session(app, known, _f_=["nothing was ordered"])


@over_both_managers
@with_and_without_veto
def test_a_view_may_swallow_a_failed_flush_and_still_flash(
    make_app: MakeApp, known: bool, veto: dict[str, str]
) -> None:
    """Nothing is committed on the broken dbsession, but the answer is no error."""

    def view(request: Any) -> str:
        request.dbsession.add_all([Note(text="same"), Note(text="same")])
        with pytest.raises(IntegrityError):
            request.dbsession.flush()
        request.session.flash("there is one already")
        return "fine"

    app = make_app(views={"/": view}, settings=veto)
    response = visit(app, known)
    assert response.json == "fine"
    assert app.notes() == []
    assert len(app.set_cookies(response)) == (0 if known else 1)
    assert_session(app, known, _f_=["there is one already"])


def break_the_transaction(request: Any) -> None:
    """Have PostgreSQL refuse all further statements, unseen by the dbsession."""
    request.session["failed"] = 1
    request.dbsession.execute(text("SELECT 1 / 0"))


@over_both_managers
@only_on_postgresql
@with_and_without_veto
def test_an_exception_view_may_flash_after_a_statement_of_the_applications_failed(
    make_app: MakeApp, known: bool, veto: dict[str, str]
) -> None:
    """A veto that lets its answer pass commits nothing of such a transaction."""
    app = make_app(
        views={"/": break_the_transaction}, exception_views={Exception: flash_sorry}, settings=veto
    )
    assert visit(app, known).json == "sorry"
    assert_session(app, known, _f_=["sorry"])


@over_both_managers
@only_on_postgresql
def test_a_connection_that_is_lost_fails_the_commit_of_an_answered_failure(
    make_app: MakeApp, known: bool
) -> None:
    """What cannot be asked whether it still works does not work."""

    def cut(error: Any, request: Any) -> str:
        own = request.dbsession.execute(text("SELECT pg_backend_pid()")).scalar_one()
        app.execute("SELECT pg_terminate_backend(:own)", own=own)
        return "sorry"

    def fail(request: Any) -> None:
        request.session["failed"] = 1
        raise Handled

    app = make_app(views={"/": fail}, exception_views={Handled: cut}, settings=VETO)
    with pytest.raises(Exception, match="terminat"):
        visit(app, known)
    assert_session(app, known)


# Failures between the view and the exception views


def failing_tween_factory(handler: View, registry: Any) -> View:
    """Fail after the view of `/`."""

    def failing_tween(request: Any) -> Any:
        response = handler(request)
        if request.path == "/":
            raise Handled
        return response

    return failing_tween


@over_both_managers
@pytest.mark.parametrize("exception_view", [sorry, flash_sorry])
def test_a_tween_that_fails_after_the_view_takes_the_views_changes_with_it(
    make_app: MakeApp, known: bool, exception_view: View
) -> None:
    """Also one that was added after our include: we stand next to the exception views."""

    def view(request: Any) -> None:
        request.dbsession.add(Note(text="note"))
        request.session["failed"] = 1

    app = make_app(
        views={"/": view},
        exception_views={Handled: exception_view},
        configure=lambda config: config.add_tween(
            "tests.test_odd_endings.failing_tween_factory", under=EXCVIEW
        ),
    )
    assert visit(app, known).json == "sorry"
    assert app.notes() == []
    assert_session(app, known, **({"_f_": ["sorry"]} if exception_view is flash_sorry else {}))


# Hooks of the application that fail


def veto_with_a_failing_abort(request: Any) -> str:
    request.tm.get().addAfterAbortHook(refuse)
    request.response.status_int = 400
    return "vetoed"


def app_with_failing_abort(make_app: MakeApp, act: View, handled: bool) -> App:
    def view(request: Any) -> str:
        act(request)
        return veto_with_a_failing_abort(request)

    return make_app(
        views={"/": view},
        exception_views={RefusedCommit: sorry} if handled else {},
        settings=VETO,
    )


@over_both_managers
@handled_or_not
def test_after_a_failing_abort_hook_nothing_counts_as_saved(
    make_app: MakeApp, known: bool, handled: bool
) -> None:
    """The transaction was rolled back before the hook failed: no row, and no cookie for one."""

    def write(request: Any) -> None:
        request.session["y"] = 2

    app = app_with_failing_abort(make_app, write, handled)
    if handled:
        assert app.set_cookies(visit(app, known)) == []
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011 - pyramid_tm may stumble over it, too
            visit(app, known)
    assert_session(app, known)


@over_both_managers
@handled_or_not
def test_a_logout_sticks_though_an_abort_hook_fails(make_app: MakeApp, handled: bool) -> None:
    """Nobody gets in again, whatever else fails."""
    app = app_with_failing_abort(make_app, lambda request: request.session.invalidate(), handled)
    if handled:
        (cookie,) = app.set_cookies(visit(app, known=True))
        assert cookie.deletes
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011 - pyramid_tm may stumble over it, too
            visit(app, known=True)
    assert app.rows() == []


@over_both_managers
@pytest.mark.parametrize("hook_first", [False, True], ids=["our hook first", "theirs first"])
def test_an_exception_view_may_flash_after_a_hook_refused_the_commit(
    make_app: MakeApp, known: bool, hook_first: bool
) -> None:
    """pyramid_tm leaves that transaction open; a cookie must not be sent for a row within it."""

    def write(request: Any) -> None:
        request.session["failed"] = 1

    def view(request: Any) -> None:
        hook: View = lambda request: request.tm.get().addBeforeCommitHook(refuse)  # noqa: E731
        for act in (hook, write) if hook_first else (write, hook):
            act(request)

    app = make_app(views={"/": view}, exception_views={RefusedCommit: flash_sorry})
    response = visit(app, known)
    assert len(app.set_cookies(response)) == (0 if known else 1)
    assert_session(app, known, _f_=["sorry"])


@over_both_managers
def test_the_life_that_an_exception_view_gives_replaces_the_refused_one(
    make_app: MakeApp,
) -> None:
    """A rollback takes back what was refused, not what was wished for since."""

    def view(request: Any) -> None:
        request.session.set_expiration(60)
        request.tm.get().addBeforeCommitHook(refuse)

    def answer(error: Any, request: Any) -> None:
        request.session.set_expiration(120)

    app = make_app(views={"/": view}, exception_views={RefusedCommit: answer})
    (cookie,) = app.set_cookies(visit(app, known=True))
    assert cookie.attributes["max-age"] == "120"
    assert [row.columns["lifetime"] for row in app.rows()] == [120]


@over_both_managers
def test_the_life_that_an_exception_view_gives_wins_over_the_failed_views(
    make_app: MakeApp,
) -> None:
    """In a transaction that is committed in spite of the failure."""

    def fail(request: Any) -> None:
        request.session["y"] = 2
        request.session.set_expiration(60)
        raise Handled

    def answer(error: Any, request: Any) -> None:
        request.session.set_expiration(120)

    app = make_app(views={"/": fail}, exception_views={Handled: answer}, settings=VETO)
    visit(app, known=True)
    assert [row.columns["lifetime"] for row in app.rows()] == [120]
    assert_session(app, known=True, y=2)


# Exceptions that are none


class Timeout(BaseException):
    """Not an Exception, as those of gevent and of SystemExit."""


@over_both_managers
def test_a_logout_sticks_though_the_process_is_about_to_end(make_app: MakeApp) -> None:
    """pyramid_tm leaves the transaction to nobody then; it must not keep the row locked."""

    def leave(request: Any) -> None:
        request.session.invalidate()
        raise Timeout

    app = make_app(views={"/": leave})
    with pytest.raises(Timeout):
        visit(app, known=True)
    assert app.rows() == []


@over_both_managers
def test_what_is_raised_past_everybody_saves_nothing_else(make_app: MakeApp, known: bool) -> None:
    """Neither the note nor the session, nor a lock, nor anything for the thread's next visitor."""

    def fail(request: Any) -> None:
        request.dbsession.add(Note(text="note"))
        request.dbsession.flush()
        request.session["y"] = 2
        raise Timeout

    app = make_app(views={"/": fail})
    with pytest.raises(Timeout):
        visit(app, known)
    app.another_browser().get("/write?other=1")
    assert app.notes() == []
    assert app.get("/read").json == (KNOWN if known else {})


# Whoever clears up


@over_both_managers
def test_somebody_may_clear_all_synchronizers(make_app: MakeApp) -> None:
    """Test suites do so; there is nothing left to unregister then."""

    def view(request: Any) -> None:
        request.session["y"] = 2
        request.add_response_callback(lambda request, response: request.tm.clearSynchs())

    app = make_app(views={"/": view})
    visit(app, known=True)
    assert_session(app, known=True, y=2)


# Before the transaction, and after the response


def spoiling_tween_factory(handler: View, registry: Any) -> View:
    """Put into the session of `/` what cannot be stored, before everything below."""

    def spoiling_tween(request: Any) -> Any:
        if request.path == "/":
            request.session["y"] = object()
        return handler(request)

    return spoiling_tween


@over_both_managers
def test_what_cannot_be_stored_may_be_replaced_before_it_is_saved(
    make_app: MakeApp, known: bool
) -> None:
    """When the transaction begins, the state to go back to is merely not taken."""

    def repair(request: Any) -> None:
        request.session["y"] = 2

    app = make_app(
        views={"/": repair},
        configure=lambda config: config.add_tween(
            "tests.test_odd_endings.spoiling_tween_factory", over="pyramid_tm.tm_tween_factory"
        ),
    )
    visit(app, known)
    assert_session(app, known, y=2)


@over_both_managers
@pytest.mark.parametrize("late", [1, object()], ids=["storable", "unstorable"])
@pytest.mark.parametrize("kept", [True, False], ids=["request kept", "request forgotten"])
def test_what_a_streaming_body_writes_does_not_reach_the_next_visitor(
    make_app: MakeApp, known: bool, late: Any, kept: bool
) -> None:
    """Its request is over: nobody saves it, above all not the thread's next transaction."""
    requests = []

    def stream(request: Any) -> Response:
        if kept:
            requests.append(request)  # as a debug toolbar does

        def body() -> Iterator[bytes]:
            request.session["late"] = late
            yield b"streamed"

        return Response(app_iter=body())

    def note(request: Any) -> None:
        request.dbsession.add(Note(text="note"))

    app = make_app(views={"/": stream, "/note": note})
    assert visit(app, known).text == "streamed"
    app.another_browser().get("/note")
    gc.collect()
    assert app.notes() == ["note"]
    assert_session(app, known)


@over_both_managers
def test_a_logout_in_a_streaming_body_comes_too_late_and_is_warned_of(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """The cookie is sent, and nobody would delete the row; whoever wrote the view must know."""

    def stream(request: Any) -> Response:
        session = request.session

        def body() -> Iterator[bytes]:
            session.invalidate()
            yield b"streamed"

        return Response(app_iter=body())

    app = make_app(views={"/": stream})
    assert visit(app, True).text == "streamed"
    ours = [r for r in caplog.records if r.name.startswith("pyramid_sqlsession")]
    assert ["has not ended" in record.getMessage() for record in ours] == [True]
    assert_session(app, True)
