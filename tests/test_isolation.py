"""Two connections at the very same time, at every isolation level that a database offers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from pyramid_sqlsession import SessionConflict
from tests.harness import App, MakeApp, available_databases, only_on_sqlite
from tests.harness.locks import IMPATIENT
from tests.harness.marks import only_on_mariadb
from tests.harness.parallel import at_once

Act = Callable[[Any], Any]

LEVELS = {
    "sqlite": ["READ UNCOMMITTED", "SERIALIZABLE"],
    "postgresql": ["READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"],
    "mariadb": ["READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"],
}
PAIRS = [(name, level) for name in available_databases() for level in LEVELS[name]]
at_every_level = pytest.mark.parametrize(("database_name", "level"), PAIRS)
# At its highest level MariaDB locks what is read: nobody writes before the reader is done.
where_readers_hinder_nobody = pytest.mark.parametrize(
    ("database_name", "level"), [pair for pair in PAIRS if pair != ("mariadb", "SERIALIZABLE")]
)
PATIENTLY = {"retry.attempts": "200"}
SEED = {"x": 0, "y": 0}


def seed(request: Any) -> None:
    request.session.update(SEED)


def set_x(request: Any) -> None:
    request.session["x"] = 1


def set_y(request: Any) -> None:
    request.session["y"] = 1


def set_y_if_there_is_any(request: Any) -> None:
    if "y" in request.session:
        set_y(request)


def leave(request: Any) -> None:
    request.session.invalidate()


def count(request: Any) -> None:
    request.session["x"] += 1


def data(app: App) -> dict[str, Any]:
    """What the only session holds."""
    (row,) = app.rows()
    found: dict[str, Any] = row.data
    return found


def having_read_together(*acts: Act) -> dict[str, Act]:
    """Views `/0`, `/1`, that act when all have read; a repeated attempt does not wait."""
    together = threading.Barrier(len(acts), timeout=30)

    def view_of(act: Act) -> Act:
        def view(request: Any) -> None:
            request.session.get("x")
            if request.environ["retry.attempt"] == 0:
                together.wait()
            act(request)

        return view

    return {f"/{number}": view_of(act) for number, act in enumerate(acts)}


def retrying_app(make_app: MakeApp, views: dict[str, Act], **options: Any) -> App:
    """An application that repeats what the database refuses, with a seeded session."""
    settings = {**PATIENTLY, **options.pop("settings", {})}
    app = make_app(
        views={"/seed": seed, **views}, includes=["pyramid_retry"], settings=settings, **options
    )
    app.get("/seed")
    return app


@at_every_level
def test_at_every_isolation_level_the_changes_of_both_survive(
    make_app: MakeApp, level: str
) -> None:
    """Merged, or repeated where the database refuses to merge."""
    views = having_read_together(set_x, set_y)
    app = retrying_app(make_app, views, engine_options={"isolation_level": level})
    responses = at_once(app, ["/0", "/1"])
    assert [app.set_cookies(response) for response in responses] == [[], []]
    assert data(app) == {"x": 1, "y": 1}


@at_every_level
def test_at_every_isolation_level_a_logout_wins(make_app: MakeApp, level: str) -> None:
    """Whether it is first or second, the session does not come back."""
    views = having_read_together(leave, set_y_if_there_is_any)
    app = retrying_app(make_app, views, engine_options={"isolation_level": level})
    at_once(app, ["/0", "/1"])
    assert app.rows() == []


@where_readers_hinder_nobody
def test_a_logout_that_is_overtaken_wins_though_nobody_repeats_it(
    make_app: MakeApp, level: str
) -> None:
    """Where the database refuses to delete what changed meanwhile, that is done aside."""

    def leave_overtaken(request: Any) -> None:
        leave(request)
        browser = app.another_browser()
        browser.plant(str(app.browser.cookie))
        browser.get("/write?y=1")

    app = make_app(
        views={"/": leave_overtaken, "/seed": seed}, engine_options={"isolation_level": level}
    )
    app.get("/seed")
    with suppress(SessionConflict):
        app.get("/")
    assert app.rows() == []


@at_every_level
def test_at_every_isolation_level_parallel_increments_add_up(
    make_app: MakeApp, level: str
) -> None:
    """Two that have read the same number: with `retry` one of them counts again."""
    app = retrying_app(
        make_app,
        having_read_together(count, count),
        settings={"sqlsession.on_conflict": "retry"},
        engine_options={"isolation_level": level},
    )
    at_once(app, ["/0", "/1"])
    assert data(app)["x"] == 2


def test_fifty_parallel_increments_of_one_counter_add_up(make_app: MakeApp) -> None:
    """With `on_conflict = retry` and enough attempts, none is lost."""
    app = retrying_app(make_app, {"/": count}, settings={"sqlsession.on_conflict": "retry"})
    at_once(app, ["/"] * 50, threads=10)
    assert data(app)["x"] == 50


# MariaDB with snapshots that are kept strictly, as from version 11.6.2 on


STRICTLY = {"init_command": "SET innodb_snapshot_isolation = ON"}


@only_on_mariadb
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_snapshot_that_is_kept_strictly_loses_nothing(make_app: MakeApp, level: str) -> None:
    """MariaDB refuses our update ("record has changed"), and the request is repeated."""
    app = retrying_app(
        make_app,
        having_read_together(set_x, set_y),
        engine_options={"isolation_level": level, "connect_args": STRICTLY},
    )
    at_once(app, ["/0", "/1"])
    assert data(app) == {"x": 1, "y": 1}


# SQLite, whose transactions begin as the application's engine says


BEGINNINGS = [None, "BEGIN", "BEGIN IMMEDIATE"]


def begin_with(app: App, statement: str | None, journal: str = "DELETE") -> None:
    """Begin transactions with a statement, None for the driver's way: before the first write."""
    app.engine.dispose()

    @event.listens_for(app.engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.execute(f"PRAGMA journal_mode = {journal}")
        if statement is not None:
            connection.isolation_level = None

    if statement is not None:
        event.listen(app.engine, "begin", lambda it: it.exec_driver_sql(statement))


@only_on_sqlite
@pytest.mark.parametrize("level", LEVELS["sqlite"])
@pytest.mark.parametrize("journal", ["DELETE", "WAL"])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_however_a_transaction_begins_what_all_changed_survives(
    make_app: MakeApp, level: str, journal: str, beginning: str | None
) -> None:
    """Some are refused because they have read before somebody else wrote, and are repeated."""
    keys = [f"key {number}" for number in range(6)]

    def set_one(request: Any) -> None:
        request.session[request.params["key"]] = 1

    app = retrying_app(make_app, {"/": set_one}, engine_options={"isolation_level": level})
    begin_with(app, beginning, journal)
    at_once(app, [f"/?key={key}" for key in keys], threads=3)
    assert data(app) == {**SEED, **dict.fromkeys(keys, 1)}


def somebody_writing(app: App, request: Any) -> None:
    """Let somebody else hold the database's only lock until the request is over."""
    connection = app.session_probe.connect()
    request.add_finished_callback(lambda request: connection.close())
    connection.execute(text("UPDATE sessions SET accessed = accessed"))


@only_on_sqlite
@pytest.mark.parametrize("known", [False, True], ids=["new visitor", "known visitor"])
@pytest.mark.parametrize("retries", [False, True], ids=["no retry", "retry"])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_transaction_that_we_cannot_begin_is_a_conflict(
    make_app: MakeApp, known: bool, retries: bool, method: str
) -> None:
    """The lock is refused to our first statement before that is sent, be it the first or not."""

    def write(request: Any) -> None:
        if request.environ.get("retry.attempt", 0) == 0:
            somebody_writing(app, request)
        set_x(request)

    app = make_app(
        views={"/": write, "/seed": seed},
        includes=["pyramid_retry"] if retries else [],
        engine_options={"connect_args": IMPATIENT["sqlite"]},
    )
    begin_with(app, "BEGIN IMMEDIATE")
    ask = getattr(app, method)
    if known:
        app.get("/seed")
    if retries:
        ask("/")
        assert data(app)["x"] == 1
    else:
        with pytest.raises(SessionConflict):
            ask("/")


@only_on_sqlite
def test_a_look_aside_that_we_cannot_begin_is_a_conflict_too(make_app: MakeApp) -> None:
    """Without a transaction of the request's there is one for each look."""

    def read(request: Any) -> None:
        somebody_writing(app, request)
        request.session.get("x")

    app = make_app(
        views={"/": read, "/seed": seed},
        tm=False,
        engine_options={"connect_args": IMPATIENT["sqlite"]},
    )
    begin_with(app, "BEGIN IMMEDIATE")
    app.get("/seed")
    with pytest.raises(SessionConflict):
        app.get("/")


@only_on_sqlite
def test_a_transaction_that_cannot_begin_for_another_reason_is_no_conflict(
    make_app: MakeApp,
) -> None:
    """What would not pass in another attempt is said as the database says it."""

    def forbid(connection: Connection) -> None:
        connection.exec_driver_sql("NONSENSE")

    app = make_app()
    app.get("/write?x=1")
    event.listen(app.engine, "begin", forbid)
    with pytest.raises(Exception, match="NONSENSE") as raised:
        app.get("/read")
    assert not isinstance(raised.value, SessionConflict)
