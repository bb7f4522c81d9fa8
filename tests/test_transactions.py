"""The session and the application's data are committed together, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyramid.httpexceptions import HTTPFound, HTTPNotFound, HTTPServerError
from pyramid.response import Response
from pyramid.tweens import EXCVIEW
from sqlalchemy.exc import IntegrityError

from pyramid_sqlsession.events import SessionCreated, SessionEnded
from tests.harness import App, MakeApp, Note, over_both_managers
from tests.harness.endings import (
    KNOWN,
    Handled,
    after,
    and_abort,
    and_doom,
    and_raise_a_handled_error,
    and_raise_a_redirect,
    visit,
)
from tests.harness.failures import RefusedCommit, RefusingData, refuse
from tests.harness.marks import (
    VETO,
    on_every_on_abort,
    only_on_postgresql,
    only_on_servers,
    only_thread_local,
    with_and_without_veto,
)

View = Callable[..., Any]

TM = "pyramid_tm.tm_tween_factory"


def already(known: bool) -> dict[str, Any]:
    """What the visitor's session held before."""
    return dict(KNOWN) if known else {}


def data_of_rows(app: App) -> list[Any]:
    return [row.data for row in app.rows()]


def assert_both_committed(app: App, response: Any, known: bool, **data: Any) -> None:
    """The note and the session are there, and only a new visitor is given a cookie."""
    assert app.notes() == ["note"]
    assert data_of_rows(app) == [{**already(known), **data}]
    assert len(app.set_cookies(response)) == (0 if known else 1)
    assert app.get("/read").json == {**already(known), **data}


def assert_neither_committed(app: App, response: Any, known: bool) -> None:
    """Everything is as before, and the browser is told nothing."""
    assert app.notes() == []
    assert data_of_rows(app) == ([KNOWN] if known else [])
    assert app.set_cookies(response) == []
    assert app.get("/read").json == already(known)


# Where the session is first touched


def reading_tween_factory(handler: View, registry: Any) -> View:
    """Look at the session before everything below."""

    def reading_tween(request: Any) -> Any:
        request.session.get("x")
        return handler(request)

    return reading_tween


TOUCHES: dict[str, dict[str, str] | None] = {
    "in the view": None,
    "over pyramid_tm": {"over": TM},
    "under pyramid_tm": {"under": TM, "over": EXCVIEW},
    "under the exception views": {"under": EXCVIEW},
}


@pytest.fixture(params=TOUCHES.values(), ids=list(TOUCHES))
def first_touch(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    """Make the session be first touched where the test's variant says."""

    def configure(config: Any) -> None:
        if request.param is not None:
            config.add_tween("tests.test_transactions.reading_tween_factory", **request.param)

    return configure


# Views


def write(request: Any) -> None:
    request.dbsession.add(Note(text="note"))
    request.session["y"] = 2


def write_and(end: View) -> View:
    """A view that writes a note and into the session, and then ends like this."""
    return after(write, end)


def raise_(make_error: Callable[[], Any]) -> View:
    """An end that raises; a response that is raised may serve one request only."""

    def end(request: Any) -> Any:
        raise make_error()

    return end


def redirect() -> HTTPFound:
    return HTTPFound("/read")


def ask_for_a_veto(request: Any) -> Response:
    return Response(headers={"X-Tm": "abort"})


def refuse_the_veto(request: Any) -> Response:
    return Response(status=500, headers={"X-Tm": "commit"})


def answer(status: int) -> View:
    """An exception view of this status that looks at the session."""

    def view(error: Any, request: Any) -> Response:
        location = {"Location": "/read"} if status == 302 else {}
        return Response(repr(dict(request.session)), status=status, headers=location)

    return view


# Committed


RETURNED: dict[str, View] = {
    "JSON": lambda request: "saved",
    "a redirect": lambda request: HTTPFound("/read"),
    "not found": lambda request: HTTPNotFound(),
    "a server error": lambda request: HTTPServerError(),
}


@over_both_managers
@pytest.mark.parametrize("end", RETURNED.values(), ids=RETURNED.keys())
def test_a_returned_response_commits_the_session_with_the_data(
    make_app: MakeApp, known: bool, first_touch: Callable[[Any], None], end: View
) -> None:
    """Whatever its status: without a veto only exceptions roll back."""
    app = make_app(views={"/": write_and(end)}, configure=first_touch)
    assert_both_committed(app, visit(app, known), known, y=2)


@over_both_managers
@pytest.mark.parametrize(
    "end", [RETURNED["JSON"], RETURNED["a redirect"], refuse_the_veto], ids=["200", "302", "X-Tm"]
)
def test_what_the_veto_lets_pass_commits_the_session_with_the_data(
    make_app: MakeApp, known: bool, end: View
) -> None:
    """Success, redirects, and errors that ask for the commit."""
    app = make_app(views={"/": write_and(end)}, settings=VETO)
    assert_both_committed(app, visit(app, known), known, y=2)


@over_both_managers
def test_both_are_committed_by_one_commit(make_app: MakeApp, known: bool) -> None:
    """There is no moment at which one is in the database and the other is not."""
    app = make_app(views={"/": write})
    if known:
        app.get("/write?x=1")
    with app.statements() as seen:
        app.get("/")
    assert seen.commits == 1
    assert "ROLLBACK" not in seen.log


COMMITTED_IN_SPITE: dict[str, tuple[Any, View | None]] = {
    "a raised redirect": (redirect, None),
    "an exception view's 200": (Handled, answer(200)),
    "an exception view's 302": (Handled, answer(302)),
}
in_spite_of_an_exception = pytest.mark.parametrize(
    ("make_error", "exception_view"), COMMITTED_IN_SPITE.values(), ids=COMMITTED_IN_SPITE.keys()
)


@over_both_managers
@on_every_on_abort
@in_spite_of_an_exception
def test_what_raised_but_passes_the_veto_is_committed_with_the_session(
    make_app: MakeApp, known: bool, on_abort: str, make_error: Any, exception_view: View | None
) -> None:
    """A veto decides by the response alone; nothing is aborted, so `on_abort` has no say."""
    app = make_app(
        views={"/": write_and(raise_(make_error))},
        exception_views={Handled: exception_view} if exception_view else {},
        settings={**VETO, "sqlsession.on_abort": on_abort},
    )
    assert_both_committed(app, visit(app, known), known, y=2)


@over_both_managers
@on_every_on_abort
def test_a_transaction_committed_in_spite_of_an_exception_holds_the_changes_of_both_views(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """The failed view's are brought back beneath the exception view's, nested ones included."""

    def fail(request: Any) -> None:
        write(request)
        request.session["both"] = "failed view"
        request.session.pop("x", None)
        request.session.flash("from the view")
        raise Handled

    def handle(error: Any, request: Any) -> str:
        request.session["both"] = "exception view"
        request.session["z"] = 3
        request.session.flash("from the exception view")
        return "handled"

    app = make_app(
        views={"/": fail},
        exception_views={Handled: handle},
        settings={**VETO, "sqlsession.on_abort": on_abort},
    )
    response = visit(app, known)
    assert app.notes() == ["note"]
    assert data_of_rows(app) == [
        {
            "y": 2,
            "z": 3,
            "both": "exception view",
            "_f_": ["from the view", "from the exception view"],
        }
    ]
    assert len(app.set_cookies(response)) == (0 if known else 1)


@over_both_managers
def test_a_new_id_asked_for_before_a_raised_redirect_is_given_when_that_is_committed(
    make_app: MakeApp,
) -> None:
    """The wishes of the failed view are brought back with its data."""

    def log_in(request: Any) -> None:
        request.session.regenerate_id()
        request.session.set_expiration(60)
        raise HTTPFound("/read")

    app = make_app(views={"/": log_in}, settings=VETO)
    app.get("/write?x=1")
    (before,) = app.rows()
    (cookie,) = app.set_cookies(app.get("/"))
    (after,) = app.rows()
    assert after.digest != before.digest
    assert after.columns["lifetime"] == 60
    assert cookie.attributes["max-age"] == "60"
    assert app.get("/read").json == KNOWN


@in_spite_of_an_exception
def test_no_row_is_made_that_the_browser_is_not_told_of(
    make_app: MakeApp, make_error: Any, exception_view: View | None
) -> None:
    """With `set_on_exception = false` an exception view sends no cookie, so a row were lost."""
    app = make_app(
        views={"/": write_and(raise_(make_error))},
        exception_views={Handled: exception_view} if exception_view else {},
        settings={**VETO, "sqlsession.set_on_exception": "false"},
    )
    response = visit(app, known=False)
    assert app.set_cookies(response) == []
    assert app.rows() == []
    assert app.notes() == ["note"]


@in_spite_of_an_exception
def test_no_id_is_changed_that_the_browser_is_not_told_of(
    make_app: MakeApp, make_error: Any, exception_view: View | None
) -> None:
    """With `set_on_exception = false` the visitor is not locked out by a login that raises."""

    def log_in(request: Any) -> None:
        request.session["auth.userid"] = "alice"
        raise make_error()

    app = make_app(
        views={"/": log_in},
        exception_views={Handled: exception_view} if exception_view else {},
        settings={**VETO, "sqlsession.set_on_exception": "false"},
    )
    assert app.set_cookies(visit(app, known=True)) == []
    assert app.get("/read").json["x"] == "1"


# Rolled back


ROLLED_BACK: dict[str, tuple[View, View | None, dict[str, str]]] = {
    "doom": (and_doom, None, {}),
    "doom, veto": (and_doom, None, VETO),
    "a raised redirect": (and_raise_a_redirect, None, {}),
    "a raised 404": (raise_(HTTPNotFound), None, {}),
    "a raised 404, veto": (raise_(HTTPNotFound), None, VETO),
    "a returned 404, veto": (RETURNED["not found"], None, VETO),
    "a returned 500, veto": (RETURNED["a server error"], None, VETO),
    "X-Tm, veto": (ask_for_a_veto, None, VETO),
    "handled by 200": (and_raise_a_handled_error, answer(200), {}),
    "handled by 302": (and_raise_a_handled_error, answer(302), {}),
    "handled by 500": (and_raise_a_handled_error, answer(500), {}),
    "handled by 500, veto": (and_raise_a_handled_error, answer(500), VETO),
}


@over_both_managers
@pytest.mark.parametrize(
    ("end", "exception_view", "veto"), ROLLED_BACK.values(), ids=ROLLED_BACK.keys()
)
def test_what_is_rolled_back_takes_the_session_with_it(
    make_app: MakeApp,
    known: bool,
    end: View,
    exception_view: View | None,
    veto: dict[str, str],
) -> None:
    """No row and no cookie for a new visitor; a known one's are left as they were."""
    app = make_app(
        views={"/": write_and(end)},
        exception_views={Handled: exception_view} if exception_view else {},
        settings=veto,
    )
    assert_neither_committed(app, visit(app, known), known)


@over_both_managers
@pytest.mark.parametrize("end", [and_doom, and_raise_a_redirect], ids=["doom", "raise"])
def test_it_is_rolled_back_wherever_the_session_was_first_touched(
    make_app: MakeApp, known: bool, first_touch: Callable[[Any], None], end: View
) -> None:
    """A session loaded before the transaction began goes back with it all the same."""
    app = make_app(views={"/": write_and(end)}, configure=first_touch)
    assert_neither_committed(app, visit(app, known), known)


@over_both_managers
def test_a_rolled_back_request_may_wish_for_nothing(make_app: MakeApp) -> None:
    """Neither a new id nor a life of its own survives, and the cookie is good as it is."""

    def wish(request: Any) -> None:
        request.session.regenerate_id()
        request.session.set_expiration(60)
        request.session["auth.userid"] = "alice"
        request.session.changed()
        request.tm.doom()

    app = make_app(views={"/": wish})
    response = visit(app, known=True)
    (row,) = app.rows()
    assert app.set_cookies(response) == []
    assert (row.version, row.columns["lifetime"], row.data) == (1, None, KNOWN)
    assert app.get("/read").json == KNOWN


@over_both_managers
def test_a_rolled_back_request_leaves_the_object_with_what_the_database_holds(
    make_app: MakeApp, known: bool
) -> None:
    """A response callback that looks at the session sees no phantom."""
    seen: list[Any] = []

    def look(request: Any, response: Any) -> None:
        seen.append((dict(request.session), request.session.id))

    def view(request: Any) -> None:
        write(request)
        request.add_response_callback(look)
        request.tm.doom()

    app = make_app(views={"/": view})
    visit(app, known)
    assert seen == [(already(known), app.rows()[0].id if known else None)]


# Exceptions that nobody handles


@over_both_managers
@on_every_on_abort
def test_an_uncaught_exception_writes_nothing_and_propagates_unchanged(
    make_app: MakeApp, known: bool, first_touch: Callable[[Any], None], on_abort: str
) -> None:
    """The very object that the view raised, with no error of ours in its place."""
    error = ZeroDivisionError("the view's own")
    app = make_app(
        views={"/": write_and(raise_(lambda: error))},
        settings={"sqlsession.on_abort": on_abort},
        configure=first_touch,
    )
    with pytest.raises(ZeroDivisionError) as caught:
        visit(app, known)
    assert caught.value is error
    assert caught.value.__cause__ is None
    assert app.notes() == []
    assert data_of_rows(app) == ([KNOWN] if known else [])


@over_both_managers
@on_every_on_abort
def test_an_uncaught_exception_is_not_replaced_by_what_cannot_be_stored(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """Nobody asks for what the failed view left in the session."""

    def fail(request: Any) -> None:
        request.session["y"] = object()
        raise ZeroDivisionError

    app = make_app(views={"/": fail}, settings={"sqlsession.on_abort": on_abort})
    with pytest.raises(ZeroDivisionError):
        visit(app, known)
    assert data_of_rows(app) == ([KNOWN] if known else [])


@over_both_managers
@on_every_on_abort
def test_an_exception_view_that_raises_leaves_nothing_behind(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """Its own error propagates, and its changes are those of nobody."""
    error = LookupError("the exception view's own")

    def fail_again(context: Any, request: Any) -> None:
        request.session["z"] = 3
        raise error

    app = make_app(
        views={"/": write_and(and_raise_a_handled_error)},
        exception_views={Handled: fail_again},
        settings={"sqlsession.on_abort": on_abort},
    )
    with pytest.raises(LookupError) as caught:
        visit(app, known)
    assert caught.value is error
    assert app.notes() == []
    assert data_of_rows(app) == ([KNOWN] if known else [])


@over_both_managers
@on_every_on_abort
def test_an_uncaught_exception_does_not_keep_an_invalidated_row(
    make_app: MakeApp, on_abort: str
) -> None:
    """A logout sticks; what was written after it does not."""

    def fail(request: Any) -> None:
        request.session.invalidate()
        write(request)
        raise ZeroDivisionError

    app = make_app(views={"/": fail}, settings={"sqlsession.on_abort": on_abort})
    with pytest.raises(ZeroDivisionError):
        visit(app, known=True)
    assert app.rows() == []
    assert app.notes() == []


# A database or a commit that refuses


def collide(request: Any) -> None:
    """Have the database refuse the application's own data; the transaction is broken then."""
    request.dbsession.add_all([Note(text="same"), Note(text="same")])
    request.dbsession.flush()


at_every_moment = pytest.mark.parametrize("moment", ["tpc_begin", "tpc_vote"])


def commit_that_fails(moment: str) -> View:
    """An end that has the commit refused."""

    def end(request: Any) -> None:
        request.tm.get().join(RefusingData(moment))

    return end


def remember_error(error: Any, request: Any) -> Any:
    """An exception view that reads the session, and writes into it."""
    before = dict(request.session)
    request.session["z"] = 3
    return before


def read_only(error: Any, request: Any) -> Any:
    return dict(request.session)


only_read_it_or_write = pytest.mark.parametrize(
    ("exception_view", "written"),
    [(read_only, {}), (remember_error, {"z": 3})],
    ids=["reads", "writes"],
)


def untouched_and(end: View) -> View:
    """A view that leaves the session alone."""

    def view(request: Any) -> Any:
        request.dbsession.add(Note(text="note"))
        return end(request)

    return view


touching_it_before_or_not = pytest.mark.parametrize(
    "view", [write_and, untouched_and], ids=["touched before", "first touched there"]
)


def assert_only_the_exception_view_counts(
    app: App, response: Any, known: bool, written: dict[str, Any]
) -> None:
    """It saw the session as it was loaded, and what it wrote is saved."""
    assert response.json == already(known)
    assert app.notes() == []
    data = {**already(known), **written}
    assert data_of_rows(app) == ([data] if data else [])
    assert len(app.set_cookies(response)) == (1 if written and not known else 0)
    assert app.get("/read").json == data


@over_both_managers
@with_and_without_veto
@touching_it_before_or_not
@only_read_it_or_write
def test_an_exception_view_may_use_the_session_after_the_database_refused_a_flush(
    make_app: MakeApp,
    known: bool,
    veto: dict[str, str],
    view: Callable[[View], View],
    exception_view: View,
    written: dict[str, Any],
) -> None:
    """The transaction is broken, so the session is read and saved beside it.

    Under a veto the answer, 200, has the broken transaction committed, which commits nothing of
    the failed view's data; so its half of the session may not be committed either.
    """
    app = make_app(
        views={"/": view(collide)}, exception_views={IntegrityError: exception_view}, settings=veto
    )
    response = visit(app, known)
    assert_only_the_exception_view_counts(app, response, known, written)


@over_both_managers
@at_every_moment
@touching_it_before_or_not
@only_read_it_or_write
def test_an_exception_view_may_use_the_session_after_a_failed_commit(
    make_app: MakeApp,
    known: bool,
    moment: str,
    view: Callable[[View], View],
    exception_view: View,
    written: dict[str, Any],
) -> None:
    """The transaction is dead: what the view did is gone, and the session is as it was loaded."""
    app = make_app(
        views={"/": view(commit_that_fails(moment))},
        exception_views={RefusedCommit: exception_view},
    )
    assert_only_the_exception_view_counts(app, visit(app, known), known, written)


@over_both_managers
@only_on_postgresql
@touching_it_before_or_not
@only_read_it_or_write
def test_an_exception_view_may_use_the_session_after_a_deferred_constraint_failed(
    make_app: MakeApp,
    known: bool,
    view: Callable[[View], View],
    exception_view: View,
    written: dict[str, Any],
) -> None:
    """The database itself refuses the commit, when our row is written but not committed."""

    def collide_late(request: Any) -> None:
        request.dbsession.add(Note(text="a second note"))
        request.dbsession.flush()
        request.dbsession.add(Note(text="note", id=17))

    app = make_app(
        views={"/": view(collide_late)}, exception_views={IntegrityError: exception_view}
    )
    app.execute(
        "ALTER TABLE notes DROP CONSTRAINT notes_text_key, "
        "ADD UNIQUE (text) DEFERRABLE INITIALLY DEFERRED"
    )
    assert_only_the_exception_view_counts(app, visit(app, known), known, written)


@over_both_managers
@at_every_moment
@on_every_on_abort
def test_a_failed_commit_that_nobody_handles_leaves_nothing_behind(
    make_app: MakeApp, known: bool, moment: str, on_abort: str
) -> None:
    """The error of the commit propagates, and the row that was written is rolled back."""
    app = make_app(
        views={"/": write_and(commit_that_fails(moment))},
        settings={"sqlsession.on_abort": on_abort},
    )
    with pytest.raises(RefusedCommit):
        visit(app, known)
    assert app.notes() == []
    assert data_of_rows(app) == ([KNOWN] if known else [])


def hook_that_fails(request: Any) -> None:
    """Have a hook of the application refuse the commit."""
    request.tm.get().addBeforeCommitHook(refuse)


@over_both_managers
@pytest.mark.parametrize("hook_first", [False, True], ids=["our hook first", "theirs first"])
def test_a_hook_of_the_application_that_refuses_the_commit_leaves_nothing_behind(
    make_app: MakeApp, known: bool, hook_first: bool
) -> None:
    """Whether it runs before our hook or after it."""

    def view(request: Any) -> None:
        for act in (hook_that_fails, write) if hook_first else (write, hook_that_fails):
            act(request)

    app = make_app(views={"/": view})
    with pytest.raises(RefusedCommit):
        visit(app, known)
    assert app.notes() == []
    assert data_of_rows(app) == ([KNOWN] if known else [])


def abort_it(error: Any, request: Any) -> str:
    """An exception view that ends the transaction itself."""
    request.tm.abort()
    return "handled"


@over_both_managers
@pytest.mark.parametrize("exception_view", [answer(200), abort_it], ids=["answers", "aborts"])
@pytest.mark.parametrize("hook_first", [False, True], ids=["our hook first", "theirs first"])
def test_a_refusing_hook_that_is_handled_leaves_nothing_behind(
    make_app: MakeApp, known: bool, exception_view: View, hook_first: bool
) -> None:
    """pyramid_tm leaves such a transaction open, but nobody will commit it: no cookie is sent."""

    def view(request: Any) -> None:
        for act in (hook_that_fails, write) if hook_first else (write, hook_that_fails):
            act(request)

    app = make_app(views={"/": view}, exception_views={RefusedCommit: exception_view})
    assert_neither_committed(app, visit(app, known), known)


# Savepoints, and an identity map that is emptied


@over_both_managers
@only_on_servers
def test_a_rolled_back_savepoint_leaves_the_session_alone(make_app: MakeApp, known: bool) -> None:
    """The session is no part of the database until the request ends: all changes are saved."""

    def view(request: Any) -> None:
        write(request)
        savepoint = request.tm.savepoint()
        request.dbsession.add(Note(text="rolled back"))
        request.dbsession.flush()
        request.session["inside"] = 1
        savepoint.rollback()
        request.session["after"] = 1

    app = make_app(views={"/": view})
    assert_both_committed(app, visit(app, known), known, y=2, inside=1, after=1)


@over_both_managers
@only_on_servers
def test_a_session_first_touched_within_a_savepoint_is_saved_after_its_rollback(
    make_app: MakeApp, known: bool
) -> None:
    """The rollback throws the dbsession out of the transaction that our read joined it to."""

    def view(request: Any) -> None:
        savepoint = request.tm.savepoint()
        request.session["inside"] = 1
        savepoint.rollback()
        write(request)

    app = make_app(views={"/": view})
    assert_both_committed(app, visit(app, known), known, y=2, inside=1)


@over_both_managers
@only_on_servers
def test_an_error_contained_by_a_savepoint_does_not_keep_the_session_from_being_saved(
    make_app: MakeApp, known: bool
) -> None:
    """The transaction is as healthy as before."""

    def view(request: Any) -> None:
        write(request)
        request.dbsession.flush()
        with pytest.raises(IntegrityError), request.dbsession.begin_nested():
            collide(request)

    app = make_app(views={"/": view})
    assert_both_committed(app, visit(app, known), known, y=2)


@over_both_managers
@pytest.mark.parametrize("forget", ["expunge_all", "expire_all"])
def test_a_dbsession_that_forgets_its_objects_keeps_the_session(
    make_app: MakeApp, known: bool, forget: str
) -> None:
    """Nothing of the session is kept in the identity map."""

    def view(request: Any) -> None:
        write(request)
        request.dbsession.flush()
        getattr(request.dbsession, forget)()

    app = make_app(views={"/": view})
    assert_both_committed(app, visit(app, known), known, y=2)


# Commits and aborts in the view


def commit(request: Any) -> None:
    request.tm.commit()
    request.tm.begin()


def in_two_parts(between: View, end: View = lambda request: None) -> View:
    """A view that writes before and after something, and then ends like this."""

    def view(request: Any) -> None:
        request.dbsession.add(Note(text="before"))
        request.session["before"] = 1
        between(request)
        request.dbsession.add(Note(text="after"))
        request.session["after"] = 2
        end(request)

    return view


@over_both_managers
def test_what_was_changed_before_and_after_a_commit_in_the_view_is_saved(
    make_app: MakeApp, known: bool, first_touch: Callable[[Any], None]
) -> None:
    """One row and one cookie, though it is written twice."""
    app = make_app(views={"/": in_two_parts(commit)}, configure=first_touch)
    response = visit(app, known)
    assert app.notes() == ["after", "before"]
    assert data_of_rows(app) == [{**already(known), "before": 1, "after": 2}]
    assert len(app.set_cookies(response)) == (0 if known else 1)


ENDS: dict[str, tuple[View, dict[str, str]]] = {
    "doom": (and_doom, {}),
    "a raised redirect": (and_raise_a_redirect, {}),
    "handled": (and_raise_a_handled_error, {}),
    "X-Tm, veto": (
        lambda request: request.response.headers.update({"X-Tm": "abort"}),
        VETO,
    ),
}
in_every_end = pytest.mark.parametrize(("end", "veto"), ENDS.values(), ids=ENDS.keys())


@over_both_managers
@in_every_end
def test_a_rollback_goes_back_to_the_last_commit_in_the_view(
    make_app: MakeApp, known: bool, end: View, veto: dict[str, str]
) -> None:
    """What was committed stays, with its cookie; what came after it goes."""
    app = make_app(
        views={"/": in_two_parts(commit, end)},
        exception_views={Handled: answer(200)},
        settings=veto,
    )
    response = visit(app, known)
    assert app.notes() == ["before"]
    assert data_of_rows(app) == [{**already(known), "before": 1}]
    assert len(app.set_cookies(response)) == (0 if known else 1)
    assert app.get("/read").json == {**already(known), "before": 1}


@over_both_managers
def test_what_was_committed_before_an_uncaught_exception_stays_committed(
    make_app: MakeApp, known: bool
) -> None:
    """There is no response to send a cookie with, but the data are the application's will."""
    app = make_app(views={"/": in_two_parts(commit, raise_(ZeroDivisionError))})
    with pytest.raises(ZeroDivisionError):
        visit(app, known)
    assert app.notes() == ["before"]
    assert data_of_rows(app) == [{**already(known), "before": 1}]


@over_both_managers
@on_every_on_abort
def test_an_abort_in_the_view_rolls_back_what_was_changed_before_it(
    make_app: MakeApp, known: bool, first_touch: Callable[[Any], None], on_abort: str
) -> None:
    """Unless `keep` says otherwise; what comes after it is saved."""
    app = make_app(
        views={"/": in_two_parts(and_abort)},
        settings={"sqlsession.on_abort": on_abort},
        configure=first_touch,
    )
    response = visit(app, known)
    kept = {"before": 1} if on_abort == "keep" else {}
    assert app.notes() == ["after"]
    assert data_of_rows(app) == [{**already(known), **kept, "after": 2}]
    assert len(app.set_cookies(response)) == (0 if known else 1)


@over_both_managers
@in_every_end
def test_an_abort_in_the_view_and_one_after_it_leave_nothing(
    make_app: MakeApp, known: bool, end: View, veto: dict[str, str]
) -> None:
    """Each rollback takes its own part."""
    app = make_app(
        views={"/": in_two_parts(and_abort, end)},
        exception_views={Handled: answer(200)},
        settings=veto,
    )
    assert_neither_committed(app, visit(app, known), known)


@over_both_managers
def test_what_a_view_sees_after_its_abort_is_what_the_database_holds(
    make_app: MakeApp, known: bool
) -> None:
    """The change is gone at once, not only at the end of the request."""

    def view(request: Any) -> Any:
        request.session["y"] = 2
        and_abort(request)
        return dict(request.session)

    app = make_app(views={"/": view})
    assert visit(app, known).json == already(known)
    assert data_of_rows(app) == ([KNOWN] if known else [])


@over_both_managers
@at_every_moment
def test_a_view_may_survive_a_commit_of_its_own_that_fails(
    make_app: MakeApp, known: bool, moment: str
) -> None:
    """What was written before it is rolled back, and written again it is an ordinary change."""

    def try_to_commit(request: Any) -> None:
        commit_that_fails(moment)(request)
        with pytest.raises(RefusedCommit):
            request.tm.commit()
        and_abort(request)

    app = make_app(views={"/": in_two_parts(try_to_commit)})
    response = visit(app, known)
    assert app.notes() == ["after"]
    assert data_of_rows(app) == [{**already(known), "after": 2}]
    assert len(app.set_cookies(response)) == (0 if known else 1)


@over_both_managers
def test_the_public_id_stays_over_commits_in_the_view(make_app: MakeApp, known: bool) -> None:
    """It is there after the first commit, fit for a foreign key."""

    def view(request: Any) -> list[int]:
        ids = []
        for number in range(3):
            request.session["number"] = number
            commit(request)
            ids.append(request.session.id)
        return ids

    app = make_app(views={"/": view})
    response = visit(app, known)
    (row,) = app.rows()
    assert response.json == [row.id] * 3
    assert row.data == {**already(known), "number": 2}


without_begin = pytest.mark.parametrize("complete", ["commit", "abort"])


@only_thread_local
@without_begin
def test_a_thread_local_manager_needs_no_begin_in_the_view(
    make_app: MakeApp, known: bool, complete: str
) -> None:
    """It begins the next transaction by itself, and tells nobody."""
    app = make_app(views={"/": in_two_parts(lambda request: getattr(request.tm, complete)())})
    response = visit(app, known)
    kept = {"before": 1} if complete == "commit" else {}
    assert app.notes() == ["after", *kept]
    assert data_of_rows(app) == [{**already(known), **kept, "after": 2}]
    assert len(app.set_cookies(response)) == (0 if known else 1)


@only_thread_local
@without_begin
@in_every_end
def test_a_transaction_that_a_thread_local_manager_began_by_itself_rolls_back_too(
    make_app: MakeApp, known: bool, complete: str, end: View, veto: dict[str, str]
) -> None:
    """What was changed in it goes with it."""
    app = make_app(
        views={"/": in_two_parts(lambda request: getattr(request.tm, complete)(), end)},
        exception_views={Handled: answer(200)},
        settings=veto,
    )
    visit(app, known)
    kept = {"before": 1} if complete == "commit" else {}
    data = {**already(known), **kept}
    assert app.notes() == list(kept)
    assert data_of_rows(app) == ([data] if data else [])


@only_thread_local
def test_a_transaction_that_a_thread_local_manager_began_by_itself_is_saved_by_its_commit(
    make_app: MakeApp, known: bool
) -> None:
    """The view's own second commit holds the session too, whatever the view does then."""

    def commit_and_fail(request: Any) -> None:
        request.tm.commit()
        raise Handled

    app = make_app(
        views={"/": in_two_parts(lambda request: request.tm.commit(), commit_and_fail)},
        exception_views={Handled: answer(200)},
    )
    response = visit(app, known)
    assert app.notes() == ["after", "before"]
    assert data_of_rows(app) == [{**already(known), "before": 1, "after": 2}]
    assert len(app.set_cookies(response)) == (0 if known else 1)


# Events


@over_both_managers
@pytest.mark.parametrize(
    ("end", "told"),
    [(lambda request: None, 1), (and_doom, 0), (and_raise_a_redirect, 0)],
    ids=["committed", "doomed", "raised"],
)
def test_only_a_committed_new_session_is_announced(
    make_app: MakeApp, end: View, told: int
) -> None:
    """Once, with the public id of its row."""
    seen: list[Any] = []
    app = make_app(
        views={"/": write_and(end)},
        configure=lambda config: config.add_subscriber(
            lambda event: seen.append(event.session.id), SessionCreated
        ),
    )
    visit(app, known=False)
    assert seen == [row.id for row in app.rows()]
    assert len(seen) == told


@over_both_managers
def test_a_logout_that_outlives_its_transaction_is_announced_once(make_app: MakeApp) -> None:
    """With the public id of the row that is gone."""
    seen: list[Any] = []

    def leave(request: Any) -> None:
        request.session.invalidate()
        raise HTTPFound("/read")

    app = make_app(
        views={"/": leave},
        configure=lambda config: config.add_subscriber(
            lambda event: seen.append((event.id, event.reason)), SessionEnded
        ),
    )
    app.get("/write?x=1")
    (row,) = app.rows()
    app.get("/")
    assert seen == [(row.id, "invalidated")]
