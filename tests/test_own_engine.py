"""An engine of our own, for applications without SQLAlchemy and for a database apart."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, cast

import pytest
import transaction
from pyramid.config import Configurator
from sqlalchemy import Engine, QueuePool, inspect
from sqlalchemy.exc import IntegrityError, PendingRollbackError
from sqlalchemy.orm import Session, object_session
from transaction.interfaces import TransactionFailedError
from webtest import TestApp

from tests.engines import connecting_engines
from tests.harness import (
    App,
    MakeApp,
    Note,
    checked_out,
    only_on_sqlite,
    over_both_managers,
    pools,
)
from tests.harness.endings import (
    Handled,
    after,
    and_doom,
    and_raise,
    and_raise_a_handled_error,
    answer,
)
from tests.harness.failures import RefusedCommit, RefusingData
from tests.harness.marks import only_on_postgresql, only_on_servers
from tests.test_statement_counts import EVERY_SCENE, Scene, check_costs

Make = Callable[..., App]
URL = "sqlsession.sqlalchemy.url"
POOL_TIMEOUT = "sqlsession.sqlalchemy.pool_timeout"


@pytest.fixture
def engines() -> Iterator[list[Engine]]:
    """The engines that connected in the test, ended with it."""
    with connecting_engines() as engines:
        yield engines


@pytest.fixture
def make(make_app: MakeApp, engines: list[Engine]) -> Make:
    """Build applications with an engine of the add-on's own."""

    def make(**options: Any) -> App:
        return make_app(**{"own_engine": True, **options})

    return make


# An application without SQLAlchemy


@over_both_managers
@pytest.mark.parametrize("tm", [True, False])
def test_an_application_without_sqlalchemy_has_sessions(make: Make, tm: bool) -> None:
    """There is no `request.dbsession`, with pyramid_tm or without."""
    app = make(dbsession=False, tm=tm)
    assert len(app.set_cookies(app.get("/write?x=1"))) == 1
    assert app.set_cookies(app.get("/write?y=2")) == []
    assert app.get("/read").json == {"x": "1", "y": "2"}
    assert [row.data for row in app.rows()] == [{"x": "1", "y": "2"}]


@EVERY_SCENE
def test_a_request_costs_the_same_on_an_engine_of_its_own(make: Make, scene: Scene) -> None:
    """Not a statement more than on the application's database."""
    check_costs(make, scene)


def write_both(request: Any) -> None:
    request.dbsession.add(Note(text="the application's"))
    request.session["x"] = 1


def and_fail_to_flush(request: Any) -> None:
    request.dbsession.add(Note(text=None))


def and_write_what_cannot_be_stored(request: Any) -> None:
    request.session["guilty"] = object()


@over_both_managers
def test_one_commit_saves_the_applications_data_and_the_session_apart(make: Make) -> None:
    """Both sides are joined to `request.tm`."""
    app = make(views={"/": write_both})
    assert len(app.set_cookies(app.get("/"))) == 1
    assert app.notes() == ["the application's"]
    assert [row.data for row in app.rows()] == [{"x": 1}]


@over_both_managers
@pytest.mark.parametrize(
    "end",
    [
        and_raise,
        and_raise_a_handled_error,
        and_doom,
        and_fail_to_flush,
        and_write_what_cannot_be_stored,
    ],
)
def test_one_rollback_undoes_the_applications_data_and_the_session_apart(
    make: Make, end: Callable[[Any], Any]
) -> None:
    """Whichever side fails."""
    app = make(views={"/": after(write_both, end)}, exception_views={Handled: answer})
    with suppress(Exception):
        assert app.set_cookies(app.get("/")) == []
    assert app.notes() == []
    assert app.rows() == []


def test_a_session_that_cannot_be_saved_rolls_the_applications_data_back(make: Make) -> None:
    """A database apart may fail alone."""
    app = make(views={"/": write_both})
    app.execute("DROP TABLE sessions")
    with pytest.raises(Exception, match="sessions"):
        app.get("/")
    assert app.notes() == []


def test_no_connection_of_it_stays_out(make: Make) -> None:
    """After any way in which a request may end."""
    views = {
        "/write": write_both,
        "/fail": after(write_both, and_raise_a_handled_error),
        "/doom": after(write_both, and_doom),
        "/raise": after(write_both, and_raise),
    }
    app = make(views=views, exception_views={Handled: answer})
    for path in ("/read", "/untouched", *views):
        with suppress(Exception):
            app.get(path)
        assert checked_out() == 0, path


# In the transaction


def take_part(request: Any) -> dict[str, int]:
    """Look at the session, and say what the request holds on account of that."""
    dict(request.session)
    return {"taken": checked_out(), "joined": len(request.tm.get()._resources)}


@over_both_managers
def test_a_page_that_only_reads_its_session_takes_part_in_no_transaction(make: Make) -> None:
    """The connection that was read with is back in the pool before the view goes on."""
    app = make(views={"/": take_part})
    app.get("/write?x=1")
    assert app.get("/").json == {"taken": 0, "joined": 0}


@over_both_managers
def test_a_form_is_read_with_the_connection_that_will_save_it(make: Make) -> None:
    """It joins the transaction at once."""
    app = make(views={"/": take_part})
    app.get("/write?x=1")
    assert app.post("/").json == {"taken": 1, "joined": 1}


def revoke_and_think_better_of_it(request: Any) -> list[int]:
    store = request.session_store
    counts = [store.count()]
    savepoint = request.tm.savepoint()
    for _ in range(2):
        store.clear()
        counts.append(store.count())
        savepoint.rollback()
        counts.append(store.count())
    return counts


def test_a_savepoint_takes_back_what_was_written_after_it(make: Make) -> None:
    """As often as it is rolled back to; SQLite's driver has none, and the transaction says so."""
    app = make(views={"/": revoke_and_think_better_of_it})
    app.get("/write?x=1")
    if app.session_probe.dialect.name == "sqlite":
        with pytest.raises(TypeError, match="Savepoints unsupported"):
            app.get("/")
    else:
        assert app.get("/").json == [1, 0, 1, 0, 1]
    assert len(app.rows()) == 1


def test_a_savepoint_with_nothing_to_take_back_is_no_obstacle(make: Make) -> None:
    """A form's session is read with the connection that the savepoint is made on."""

    def view(request: Any) -> None:
        request.session["x"] = request.session["x"] + "!"
        request.tm.savepoint(optimistic=True)

    app = make(views={"/": view})
    app.get("/write?x=1")
    app.post("/")
    assert [row.data for row in app.rows()] == [{"x": "1!"}]


@pytest.mark.parametrize("savepoint", [False, True])
def test_a_row_that_was_changed_as_an_object_is_saved(make: Make, savepoint: bool) -> None:
    """It is one of the store's, and its mapped class may have columns of the application."""

    def change(request: Any) -> None:
        (row,) = request.session_store.find()
        row.version += 5
        if savepoint:
            request.tm.savepoint(optimistic=True)

    app = make(views={"/": change})
    app.get("/write?x=1")
    app.get("/")
    assert [row.version for row in app.rows()] == [6]


def change_and_think_better_of_it(request: Any) -> list[int]:
    (row,) = request.session_store.find()
    first = request.tm.savepoint()
    row.version += 5
    request.tm.savepoint()  # which writes it
    row.version += 5
    versions = [row.version]
    first.rollback()
    return [*versions, row.version]


@only_on_servers
def test_a_savepoint_takes_back_what_was_done_to_objects_and_in_savepoints_after_it(
    make: Make,
) -> None:
    """It must not be written by the commit after all."""
    app = make(views={"/": change_and_think_better_of_it})
    app.get("/write?x=1")
    assert app.get("/").json == [11, 1]
    assert [row.version for row in app.rows()] == [1]


@over_both_managers
def test_what_a_failed_flush_has_rolled_back_does_not_pass_for_committed(make: Make) -> None:
    """A view may go on after the error, and believe that everybody is logged out."""

    def revoke_and_fail(request: Any) -> None:
        request.dbsession.add(Note(text="everybody is logged out"))
        (row,) = request.session_store.find()
        dbsession = cast("Session", object_session(row))
        request.session_store.clear()
        dbsession.add(type(row)())
        with pytest.raises(IntegrityError):
            dbsession.flush()

    app = make(views={"/": revoke_and_fail})
    app.get("/write?x=1")
    with pytest.raises(PendingRollbackError):
        app.get("/")
    assert app.notes() == []
    assert len(app.rows()) == 1


@over_both_managers
def test_what_was_rolled_back_to_before_it_took_part_takes_part_again(make: Make) -> None:
    """The transaction has put its connection out; the store and the session need another."""

    def view(request: Any) -> int:
        savepoint = request.tm.savepoint(optimistic=True)
        request.session_store.clear()
        savepoint.rollback()
        request.session["x"] = request.session.get("x", 0) + 1
        return int(request.session_store.count())

    app = make(views={"/": view}, dbsession=False)
    assert [app.get("/").json, app.get("/").json] == [0, 1]
    assert [row.data for row in app.rows()] == [{"x": 2}]


@over_both_managers
def test_a_store_that_is_used_after_a_failed_commit_keeps_no_connection(make: Make) -> None:
    """The transaction takes nobody any more, and would not give it back."""
    raised = []

    def view(request: Any) -> int:
        request.tm.get().join(RefusingData())
        with pytest.raises(RefusedCommit):
            request.tm.commit()
        with pytest.raises(TransactionFailedError) as failed:
            request.session_store.count()
        raised.append(failed)
        request.tm.abort()
        request.tm.begin()
        return checked_out()

    app = make(views={"/": view}, dbsession=False)
    assert app.get("/").json == 0


# A separate database


@only_on_sqlite
def test_the_sessions_may_live_in_another_database_than_the_application(make: Make) -> None:
    """Neither knows the other's tables."""
    app = make(views={"/": write_both})
    app.get("/")
    assert inspect(app.probe).get_table_names() == ["notes"]
    assert inspect(app.session_probe).get_table_names() == ["sessions"]


@only_on_sqlite
def test_with_an_engine_of_its_own_the_applications_dbsession_is_left_alone(make: Make) -> None:
    """Not even asked for."""

    def refuse(request: Any) -> None:
        raise AssertionError

    app = make(
        dbsession=False,
        configure=lambda config: config.add_request_method(refuse, name="dbsession", reify=True),
    )
    app.get("/write?x=1")
    assert app.get("/read").json == {"x": "1"}


@only_on_sqlite
def test_the_engine_has_the_options_that_are_configured(make: Make, engines: list[Engine]) -> None:
    """As `engine_from_config` reads them."""
    make(settings={"sqlsession.sqlalchemy.pool_size": "3"})
    (engine,) = engines
    assert isinstance(engine.pool, QueuePool)
    assert engine.pool.size() == 3


# Who commits first


@over_both_managers
def test_what_the_application_refuses_to_commit_is_not_committed_by_us(make: Make) -> None:
    """Without a second phase somebody has to go first: the application's databases do."""

    def view(request: Any) -> None:
        write_both(request)
        last_of_theirs = RefusingData("tpc_vote", sort_key="~sqlalchemy:~")
        request.tm.get().join(last_of_theirs)

    app = make(views={"/": view}, exception_views={RefusedCommit: answer})
    app.get("/write?x=0")
    assert app.get("/").json == "handled"
    assert app.get("/read").json == {"x": "0"}


@only_on_postgresql
def test_what_a_deferred_constraint_refuses_is_not_committed_by_us(make: Make) -> None:
    """PostgreSQL checks it in the very commit; whose dbsession is older must not matter."""

    def collide_late(request: Any) -> None:
        request.session["x"] = "paid"
        request.dbsession.add(Note(text="a second note"))
        request.dbsession.flush()
        request.dbsession.add(Note(text="note", id=17))

    app = make(views={"/": collide_late}, exception_views={IntegrityError: answer})
    app.execute("INSERT INTO notes (id, text) VALUES (16, 'note')")
    app.execute(
        "ALTER TABLE notes DROP CONSTRAINT notes_text_key, "
        "ADD UNIQUE (text) DEFERRABLE INITIALLY DEFERRED"
    )
    for _ in range(5):
        browser = app.another_browser()
        browser.get("/write?x=0")
        assert browser.get("/").json == "handled"
        assert browser.get("/read").json == {"x": "0"}


# Somebody else's transaction


@contextmanager
def doomed_browser(app: App) -> Iterator[TestApp]:
    """A browser whose requests share one doomed transaction, as under a test's fixtures."""
    manager = transaction.TransactionManager(explicit=True)
    manager.begin()
    manager.doom()
    try:
        yield TestApp(app.wsgi, extra_environ={"tm.active": True, "tm.manager": manager})
    finally:
        manager.abort()


@pytest.mark.parametrize("where", ["a database", "in memory"])
def test_requests_in_somebody_elses_transaction_see_what_the_earlier_ones_wrote(
    make: Make, where: str
) -> None:
    """They share its connection to our database, which is rolled back in the end."""
    in_memory = {URL: "sqlite://", POOL_TIMEOUT: "1"}
    app = make(settings=in_memory if where == "in memory" else {})
    with doomed_browser(app) as browser:
        browser.get("/write?x=1")
        browser.get("/write?y=2")
        assert browser.get("/read").json == {"x": "1", "y": "2"}
        cookie = browser.cookies["session"]
    assert app.rows() == []
    late = app.another_browser()
    late.plant(cookie)
    assert late.get("/read").json == {}


# In memory

IN_MEMORY = ["sqlite://", "sqlite:///:memory:", "sqlite:///file:sessions?mode=memory&uri=true"]
THREADS, ROUNDS = 6, 5


def count(request: Any) -> int:
    request.session["count"] = request.session.get("count", 0) + 1
    counted: int = request.session["count"]
    return counted


def in_memory(make: Make, url: str = "sqlite://", **options: Any) -> App:
    return make(
        own_engine=False, settings={URL: url}, dbsession=False, views={"/": count}, **options
    )


@pytest.mark.parametrize("url", IN_MEMORY)
@only_on_sqlite
def test_a_database_in_memory_is_the_fallback_for_development(make: Make, url: str) -> None:
    """Created at start-up, kept for as long as the process runs."""
    app = in_memory(make, url)
    assert [app.get("/").json for _ in range(3)] == [1, 2, 3]
    assert app.another_browser().get("/").json == 1


@pytest.mark.parametrize("url", IN_MEMORY)
@pytest.mark.parametrize("tm", [True, False])
@only_on_sqlite
def test_a_database_in_memory_serves_a_threaded_server(make: Make, url: str, tm: bool) -> None:
    """Every thread finds the same database, and no request commits another's half-done work."""
    app = in_memory(make, url, tm=tm)
    together = threading.Barrier(THREADS, timeout=30)

    def visit(_: int) -> list[int]:
        browser = TestApp(app.wsgi)
        together.wait()
        return [browser.get("/").json for _ in range(ROUNDS)]

    with ThreadPoolExecutor(THREADS) as threads:
        seen = list(threads.map(visit, range(THREADS)))
    assert seen == [list(range(1, ROUNDS + 1))] * THREADS


@only_on_sqlite
def test_a_request_in_memory_sees_what_another_thread_committed_last(make: Make) -> None:
    """One visitor, two threads, one after the other."""
    app = in_memory(make)
    browser = TestApp(app.wsgi)
    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:
        counted = [thread.submit(browser.get, "/").result().json for thread in (first, second)]
    assert counted == [1, 2]


@only_on_sqlite
def test_a_request_in_memory_may_be_rolled_back_and_go_on(make: Make) -> None:
    """The exception view's changes take the one connection after the view has given it back."""

    def fail(request: Any) -> None:
        count(request)
        raise Handled

    def write(error: Any, request: Any) -> str:
        request.session["exception view"] = 1
        return "handled"

    app = make(
        own_engine=False,
        settings={URL: "sqlite://"},
        dbsession=False,
        views={"/": count, "/fail": fail},
        exception_views={Handled: write},
    )
    app.get("/")
    app.get("/fail")
    assert app.get("/read").json == {"count": 1, "exception view": 1}


@only_on_sqlite
def test_in_memory_a_slow_view_keeps_nobody_from_reading(make: Make) -> None:
    """It holds the one connection only from the moment at which it writes."""

    def slow(request: Any) -> Any:
        request.session["x"] = 1
        return app.another_browser().get("/read").json

    app = make(views={"/": slow}, settings={URL: "sqlite://", POOL_TIMEOUT: "1"})
    app.get("/write?y=2")
    assert app.get("/").json == {}
    assert app.get("/read").json == {"x": 1, "y": "2"}


def test_an_engine_of_our_own_ends_with_its_application() -> None:
    """Nobody else can close its connections, and the tests of an application make many of them."""
    config = Configurator(settings={URL: "sqlite://", "sqlsession.create_table": "true"})
    config.include("pyramid_tm")
    config.include("pyramid_sqlsession")
    app = config.make_wsgi_app()
    assert len(pools.still_open()) == 1
    del app, config
    gc.collect()
    assert pools.still_open() == []
