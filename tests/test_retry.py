"""Requests that pyramid_retry repeats: of all attempts only the last one counts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from pyramid.response import Response
from pyramid_retry import IBeforeRetry
from sqlalchemy import text
from transaction.interfaces import TransientError

from pyramid_sqlsession import SessionConflict
from pyramid_sqlsession.events import SessionCreated, SessionEnded
from tests.engines import connecting_engines
from tests.harness import (
    App,
    Database,
    MakeApp,
    Note,
    available_databases,
    only_on_sqlite,
    over_both_managers,
)
from tests.harness.endings import KNOWN, visit
from tests.harness.failures import RefusingData
from tests.harness.marks import VETO, on_every_on_abort, only_on_postgresql, with_and_without_veto

View = Callable[..., Any]


class Passing(TransientError):  # type: ignore[misc]  # an untyped package has it
    """Would not be raised by another attempt."""


def catch_all(error: Any, request: Any) -> Response:
    """An exception view for everything, which writes into the session."""
    request.session["caught"] = type(error).__name__
    return Response("caught", status=500)


@pytest.fixture(params=[False, True], ids=["no exception view", "catch-all"])
def exception_views(request: pytest.FixtureRequest) -> dict[type[Exception], View]:
    """None, or one that takes every exception."""
    return {Exception: catch_all} if request.param else {}


def retrying_app(make_app: MakeApp, view: View, attempts: int = 2, **options: Any) -> App:
    """An application that repeats a request, with `view` at `/`."""
    settings = {"retry.attempts": str(attempts), **options.pop("settings", {})}
    return make_app(views={"/": view}, settings=settings, includes=["pyramid_retry"], **options)


def attempt_of(request: Any) -> int:
    return int(request.environ["retry.attempt"])


def is_first(request: Any) -> bool:
    return attempt_of(request) == 0


def data_of_rows(app: App) -> list[Any]:
    return [row.data for row in app.rows()]


def assert_only_the_last_attempt_counts(app: App, response: Any, known: bool) -> None:
    """One note, one row, one cookie for a new visitor, and nothing of the first attempt."""
    assert response.status_int == 200
    assert app.notes() == ["attempt 1"]
    assert data_of_rows(app) == [{**(KNOWN if known else {}), "attempt": 1}]
    assert len(app.set_cookies(response)) == (0 if known else 1)
    assert app.get("/read").json["attempt"] == 1


# The application's own reasons for another attempt


def raise_passing(request: Any) -> None:
    raise Passing


def refuse_the_commit(request: Any) -> None:
    request.tm.get().join(RefusingData(error=Passing))


def writing_and(end: View) -> View:
    """A view that writes which attempt it is, and fails like this in the first one."""

    def view(request: Any) -> None:
        attempt = attempt_of(request)
        request.dbsession.add(Note(text=f"attempt {attempt}"))
        request.session["attempt"] = attempt
        if attempt == 0:
            request.session["only in the first"] = 1
            request.session.regenerate_id()
            end(request)

    return view


@over_both_managers
@on_every_on_abort
@pytest.mark.parametrize("end", [raise_passing, refuse_the_commit])
def test_two_attempts_leave_one_row_one_cookie_and_the_last_attempts_data(
    make_app: MakeApp,
    known: bool,
    on_abort: str,
    exception_views: dict[type[Exception], View],
    end: View,
) -> None:
    """A discarded attempt writes nothing, its exception view neither, whatever `on_abort` says."""
    app = retrying_app(
        make_app,
        writing_and(end),
        exception_views=exception_views,
        settings={"sqlsession.on_abort": on_abort},
    )
    assert_only_the_last_attempt_counts(app, visit(app, known), known)


@over_both_managers
def test_an_attempt_is_discarded_under_a_veto_too(
    make_app: MakeApp, known: bool, exception_views: dict[type[Exception], View]
) -> None:
    """The exception view's 500 is vetoed, and thrown away with all it wrote."""
    app = retrying_app(
        make_app, writing_and(raise_passing), exception_views=exception_views, settings=VETO
    )
    assert_only_the_last_attempt_counts(app, visit(app, known), known)


@over_both_managers
def test_a_discarded_response_writes_nothing_though_only_its_exception_view_used_the_session(
    make_app: MakeApp, known: bool
) -> None:
    """The first touch in a response that nobody gets."""

    def view(request: Any) -> str:
        if is_first(request):
            raise Passing
        return "at last"

    app = retrying_app(make_app, view, exception_views={Exception: catch_all})
    with app.statements() as seen:
        response = visit(app, known)
    assert response.json == "at last"
    assert app.set_cookies(response) == []
    assert data_of_rows(app) == ([KNOWN] if known else [])
    assert "UPDATE" not in seen.of_session


def test_the_response_that_is_discarded_carries_no_cookie(make_app: MakeApp) -> None:
    """Nor Vary: it is left as the exception view made it."""
    discarded: list[Any] = []

    def configure(config: Any) -> None:
        config.add_subscriber(lambda event: discarded.append(event.response), IBeforeRetry)

    app = retrying_app(
        make_app,
        writing_and(raise_passing),
        exception_views={Exception: catch_all},
        configure=configure,
    )
    app.get("/")
    (response,) = discarded
    assert "Set-Cookie" not in response.headers


@over_both_managers
def test_each_attempt_begins_with_what_the_database_holds(
    make_app: MakeApp, known: bool, exception_views: dict[type[Exception], View]
) -> None:
    """Nothing is carried over, in the environ or elsewhere."""
    seen: list[Any] = []

    def view(request: Any) -> None:
        seen.append((dict(request.session), request.session.new, request.session.id))
        request.session["attempt"] = attempt_of(request)
        if is_first(request):
            raise Passing

    app = retrying_app(make_app, view, exception_views=exception_views)
    visit(app, known)
    assert len(seen) == 2
    assert seen[0] == seen[1]


@over_both_managers
def test_the_session_object_of_a_discarded_attempt_writes_nothing_later(
    make_app: MakeApp,
) -> None:
    """Whoever still holds it, such as a thread or a history, holds a dict and no more."""
    held: list[Any] = []

    def view(request: Any) -> None:
        held.append(request.session)
        request.session["attempt"] = attempt_of(request)
        if is_first(request):
            raise Passing
        held[0]["late"] = 1
        held[0].invalidate()

    app = retrying_app(make_app, view)
    assert len(app.set_cookies(app.get("/"))) == 1
    assert data_of_rows(app) == [{"attempt": 1}]


@over_both_managers
def test_a_logout_of_a_discarded_attempt_is_none(
    make_app: MakeApp, exception_views: dict[type[Exception], View]
) -> None:
    """The attempt that counts decided otherwise: the visitor stays."""

    def view(request: Any) -> None:
        if is_first(request):
            request.session.invalidate()
            raise Passing

    app = retrying_app(make_app, view, exception_views=exception_views)
    assert app.set_cookies(visit(app, known=True)) == []
    assert app.get("/read").json == KNOWN


@over_both_managers
def test_a_logout_of_every_attempt_sticks_though_the_last_one_fails(
    make_app: MakeApp, exception_views: dict[type[Exception], View]
) -> None:
    """The last attempt is a request like any other."""

    def view(request: Any) -> None:
        request.session.invalidate()
        raise Passing

    app = retrying_app(make_app, view, exception_views=exception_views, attempts=3)
    app.get("/write?x=1")
    old = app.browser.cookie
    if exception_views:
        app.get("/", status=500)
    else:
        with pytest.raises(Passing):
            app.get("/")
    with_the_old_cookie = app.another_browser()
    with_the_old_cookie.plant(str(old))
    assert with_the_old_cookie.get("/read").json == {}
    assert data_of_rows(app) == ([{"caught": "Passing"}] if exception_views else [])


def run_out(request: Any) -> None:
    """A view that fails in every attempt."""
    request.dbsession.add(Note(text="never"))
    request.session["attempt"] = attempt_of(request)
    raise Passing


@over_both_managers
@with_and_without_veto
def test_the_exception_view_of_the_last_attempt_counts(
    make_app: MakeApp, known: bool, veto: dict[str, str]
) -> None:
    """Its response is delivered, so what it wrote is kept, and what the view wrote is not."""
    app = retrying_app(make_app, run_out, exception_views={Exception: catch_all}, settings=veto)
    response = visit(app, known)
    assert response.text == "caught"
    assert app.notes() == []
    assert data_of_rows(app) == [{**(KNOWN if known else {}), "caught": "Passing"}]
    assert len(app.set_cookies(response)) == (0 if known else 1)


@over_both_managers
@on_every_on_abort
def test_attempts_that_all_fail_write_nothing(
    make_app: MakeApp, known: bool, on_abort: str
) -> None:
    """The last error propagates."""
    app = retrying_app(make_app, run_out, settings={"sqlsession.on_abort": on_abort})
    with pytest.raises(Passing):
        visit(app, known)
    assert app.notes() == []
    assert data_of_rows(app) == ([KNOWN] if known else [])


@over_both_managers
def test_subscribers_are_told_of_the_last_attempt_only(
    make_app: MakeApp, exception_views: dict[type[Exception], View]
) -> None:
    """One visitor came, and nobody left."""
    told: list[Any] = []

    def configure(config: Any) -> None:
        config.add_subscriber(lambda event: told.append("created"), SessionCreated)
        config.add_subscriber(lambda event: told.append("ended"), SessionEnded)

    def view(request: Any) -> None:
        request.session["attempt"] = attempt_of(request)
        if is_first(request):
            request.session.invalidate()
            request.session["another"] = 1
            raise Passing

    app = retrying_app(make_app, view, exception_views=exception_views, configure=configure)
    app.get("/")
    assert told == ["created"]
    app.get("/")
    assert told == ["created"]


# Our own reasons


def racing(race: Callable[[App], None]) -> tuple[list[App], View]:
    """A view whose first attempt is overtaken after it has read the session."""
    apps: list[App] = []

    def view(request: Any) -> None:
        request.dbsession.add(Note(text=f"attempt {attempt_of(request)}"))
        assert request.session["x"] == "1"
        if is_first(request):
            race(apps[0])
        request.session["attempt"] = attempt_of(request)

    return apps, view


def save_in_parallel(app: App) -> None:
    """Another request of the same visitor saves first."""
    another = app.another_browser()
    another.plant(str(app.browser.cookie))
    # In a thread of its own, because a thread-local manager has one transaction at a time.
    with ThreadPoolExecutor() as pool:
        pool.submit(another.get, "/write?parallel=1").result()


def racing_app(make_app: MakeApp, race: Callable[[App], None], **options: Any) -> App:
    """An application whose visitor is known, and whose view `/` is overtaken in attempt 0."""
    apps, view = racing(race)
    app = retrying_app(make_app, view, **options)
    apps.append(app)
    app.get("/write?x=1")
    return app


def assert_repeated_once(app: App, response: Any) -> None:
    """The second attempt has seen what the parallel request saved, and added its own."""
    assert response.status_int == 200
    assert app.notes() == ["attempt 1"]
    assert data_of_rows(app) == [{"x": "1", "parallel": "1", "attempt": 1}]
    assert app.set_cookies(response) == []


@over_both_managers
@with_and_without_veto
def test_a_stale_row_is_retried(
    make_app: MakeApp, exception_views: dict[type[Exception], View], veto: dict[str, str]
) -> None:
    """Also where an exception view takes everything: it is not asked about what will pass."""
    asked: list[Any] = []

    def ask(error: Any, request: Any) -> Response:
        asked.append(error)
        return catch_all(error, request)

    app = racing_app(
        make_app,
        save_in_parallel,
        exception_views=dict.fromkeys(exception_views, ask),
        settings={"sqlsession.on_conflict": "retry", **veto},
    )
    assert_repeated_once(app, app.get("/"))
    assert asked == []


@over_both_managers
@with_and_without_veto
@only_on_postgresql
@pytest.mark.parametrize("isolation_level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("on_conflict", ["merge", "retry"])
def test_a_serialisation_failure_is_retried(
    make_app: MakeApp,
    exception_views: dict[type[Exception], View],
    veto: dict[str, str],
    isolation_level: str,
    on_conflict: str,
) -> None:
    """The database says no to our own UPDATE; nothing can be merged in that transaction."""
    app = racing_app(
        make_app,
        save_in_parallel,
        exception_views=exception_views,
        settings={"sqlsession.on_conflict": on_conflict, **veto},
        engine_options={"isolation_level": isolation_level},
    )
    assert_repeated_once(app, app.get("/"))


WITHOUT_WAITING: dict[str, dict[str, Any]] = {
    "sqlite": {"timeout": 0},
    "postgresql": {"options": "-c lock_timeout=1ms"},
    "mariadb": {"init_command": "SET SESSION innodb_lock_wait_timeout = 0"},
}


@over_both_managers
@with_and_without_veto
def test_a_row_that_another_transaction_has_locked_is_retried(
    make_app: MakeApp,
    database: Database,
    exception_views: dict[type[Exception], View],
    veto: dict[str, str],
) -> None:
    """SQLite's "database is locked" and the servers' lock timeouts alike."""
    with database.probe().connect() as another:

        def view(request: Any) -> None:
            request.session["attempt"] = attempt_of(request)
            if is_first(request):
                another.execute(text("UPDATE sessions SET version = version + 1"))
            else:
                another.rollback()
                request.dbsession.add(Note(text="attempt 1"))

        app = retrying_app(
            make_app,
            view,
            exception_views=exception_views,
            settings=veto,
            engine_options={"connect_args": WITHOUT_WAITING[database.name]},
        )
        assert_only_the_last_attempt_counts(app, visit(app, known=True), known=True)


@over_both_managers
@with_and_without_veto
def test_a_conflict_in_the_last_attempt_reaches_the_exception_view(
    make_app: MakeApp, veto: dict[str, str]
) -> None:
    """It may ask the visitor to try again; nothing of the view is committed."""
    caught: list[Any] = []

    def sorry(error: Any, request: Any) -> str:
        caught.append(dict(request.session))
        request.session.flash("try again")
        return "sorry"

    app = racing_app(
        make_app,
        save_in_parallel,
        exception_views={SessionConflict: sorry},
        settings={"sqlsession.on_conflict": "retry", **veto},
        attempts=1,
    )
    response = app.get("/")
    assert response.json == "sorry"
    assert caught == [KNOWN]
    assert app.notes() == []
    assert data_of_rows(app) == [{"x": "1", "parallel": "1", "_f_": ["try again"]}]
    assert app.set_cookies(response) == []


@over_both_managers
def test_a_conflict_in_the_last_attempt_that_nobody_handles_propagates(make_app: MakeApp) -> None:
    """And leaves the parallel request's work as it is."""
    app = racing_app(
        make_app, save_in_parallel, settings={"sqlsession.on_conflict": "retry"}, attempts=1
    )
    with pytest.raises(SessionConflict):
        app.get("/")
    assert app.notes() == []
    assert data_of_rows(app) == [{"x": "1", "parallel": "1"}]


def counting_app(make_app: MakeApp, attempts: int, overtaken: int, **options: Any) -> App:
    """An application with a counter, to which others add ten in so many attempts."""

    def view(request: Any) -> None:
        count = int(request.session["x"])
        if attempt_of(request) < overtaken:
            app.execute(
                "UPDATE sessions SET version = version + 1, data = :data",
                data=f'{{"x":{count + 10}}}',
            )
        request.session["x"] = count + 1

    settings = {"sqlsession.on_conflict": "retry"}
    app = retrying_app(make_app, view, attempts=attempts, settings=settings, **options)
    app.get("/write?x=1")
    return app


@over_both_managers
def test_a_counter_adds_up_though_the_first_attempt_finds_a_conflict(
    make_app: MakeApp, exception_views: dict[type[Exception], View]
) -> None:
    """The second begins with what the other has counted."""
    app = counting_app(make_app, 2, 1, exception_views=exception_views)
    app.get("/")
    assert data_of_rows(app) == [{"x": 12}]


@only_on_sqlite
@over_both_managers
def test_every_attempt_that_finds_a_conflict_is_repeated_until_there_is_none(
    make_app: MakeApp, exception_views: dict[type[Exception], View]
) -> None:
    """SQLite locks no row: three times overtaken, the fourth attempt counts."""
    app = counting_app(make_app, 4, 3, exception_views=exception_views)
    app.get("/")
    assert data_of_rows(app) == [{"x": 32}]


@pytest.mark.parametrize(
    "database_name", [name for name in available_databases() if name != "sqlite"]
)
@pytest.mark.parametrize("own_engine", [False, True])
def test_nobody_is_overtaken_twice(make_app: MakeApp, own_engine: bool) -> None:
    """The second attempt locks what it reads, so that six at once need no third."""
    app = counting_app(make_app, 2, 0, own_engine=own_engine)

    def add_five(_number: int) -> None:
        browser = app.another_browser()
        browser.plant(str(app.browser.cookie))
        for _ in range(5):
            browser.get("/")

    with ExitStack() as stack:
        if own_engine:
            stack.enter_context(connecting_engines())
        with ThreadPoolExecutor(6) as threads:
            list(threads.map(add_five, range(6)))
    assert data_of_rows(app) == [{"x": 31}]


@over_both_managers
def test_a_conflict_with_what_an_exception_view_wrote_is_merged(make_app: MakeApp) -> None:
    """Nobody can repeat the request after the response, so `on_conflict = retry` has no say."""

    def fail(request: Any) -> None:
        assert request.session["x"] == "1"
        save_in_parallel(app)
        raise ZeroDivisionError

    app = retrying_app(
        make_app,
        fail,
        exception_views={Exception: catch_all},
        settings={"sqlsession.on_conflict": "retry"},
    )
    visit(app, known=True)
    assert data_of_rows(app) == [{"x": "1", "parallel": "1", "caught": "ZeroDivisionError"}]
