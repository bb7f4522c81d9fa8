"""Pruning: what goes, in how many batches, and what others notice of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import BigInteger, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from pyramid_sqlsession import (
    Pruned,
    SessionConflict,
    SessionMixin,
    SQLSessionError,
    expired_rows,
    walks,
)
from pyramid_sqlsession import prune_sessions as prune
from pyramid_sqlsession.events import SessionsPruned
from pyramid_sqlsession.expired_rows import ExpiredRows
from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.pruning import REPETITIONS
from pyramid_sqlsession.walks import IndexWalk, KeyWalk, PageWalk, Walk, choose_walk
from tests.engines import connecting_engines
from tests.harness import App, Clock, MakeApp, only_on_sqlite
from tests.harness.ages import facts_of_every_age, limited
from tests.harness.marks import only_on_postgresql, only_on_servers
from tests.harness.sessions import model_of, write_rows

DAY = 24 * 60 * 60


@pytest.fixture(params=["by the index", "by the table"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the rows are found: as where little has expired, or as where much has."""
    if request.param == "by the table":
        monkeypatch.setattr(walks, "FEW_AT_LEAST", 0)
    return str(request.param)


@pytest.fixture
def app(make_app: MakeApp, clock: Clock, way: str) -> App:
    """An application whose sessions are found in either way."""
    return make_app()


def live(clock: Clock, **facts: Any) -> dict[str, Any]:
    """A row of a session that was just used."""
    used = {"accessed": clock(), "created": clock(), "expires": clock() + DAY}
    return {**used, **facts}


def fill(app: App, *rows: dict[str, Any]) -> None:
    write_rows(app.session_probe, model_of(app.registry), rows)


def expired(count: int) -> list[dict[str, Any]]:
    return [{} for _ in range(count)]


def ids(app: App) -> list[int]:
    return [row.id for row in app.rows()]


# What goes


def test_only_expired_rows_go(app: App, clock: Clock) -> None:
    """The live ones between them stay as they were."""
    fill(app, *(row for _ in range(10) for row in ({}, live(clock))))
    before = {row.id: row for row in app.rows()}
    done = prune(app.registry)
    assert (done.deleted, done.complete) == (10, True)
    assert app.rows() == [before[number] for number in range(2, 21, 2)]


@pytest.mark.parametrize("idle", [None, 100])
@pytest.mark.parametrize("absolute", [None, 150])
def test_what_goes_is_exactly_what_is_not_alive(
    make_app: MakeApp, clock: Clock, way: str, idle: int | None, absolute: int | None
) -> None:
    """The database and the requests agree to the second, whatever the limits are."""
    limits = Limits(idle, absolute)
    app = make_app(settings=limited(idle, absolute))
    facts = facts_of_every_age(clock())
    fill(app, *({**one, "expires": clock()} for one in facts))
    prune(app.registry)
    alive = [n for n, one in enumerate(facts, 1) if limits.is_alive(now=clock(), **one)]
    assert ids(app) == alive


def test_a_row_is_left_until_its_bucket_is_over(app: App, clock: Clock) -> None:
    """`expires` is never before the end, so the row is found by the index later."""
    fill(app, {"expires": clock() + 1}, {"expires": clock()})
    assert prune(app.registry).deleted == 1
    assert ids(app) == [1]


def test_a_longer_expiration_saves_the_rows_that_were_due(make_app: MakeApp, clock: Clock) -> None:
    """The facts decide, with the settings of today."""
    app = make_app(settings={"sqlsession.expiration": "14d"})
    fill(app, {"accessed": clock() - 2 * DAY, "expires": clock() - DAY}, {})
    assert prune(app.registry).deleted == 1
    assert ids(app) == [1]


def test_a_session_that_lives_as_long_as_its_column_can_tell_does_no_harm(
    app: App, clock: Clock
) -> None:
    """No sum of it overflows."""
    fill(app, live(clock, lifetime=2**31 - 1, expires=0), {"lifetime": 1})
    assert prune(app.registry).deleted == 1


def test_a_session_that_is_extended_in_the_last_moment_stays(
    app: App, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The DELETE looks again, whatever was found before."""
    fill(app, *expired(3))
    delete = ExpiredRows.delete

    def extend_and_delete(self: ExpiredRows, *arguments: Any) -> int:
        app.execute("UPDATE sessions SET accessed = :now WHERE id = 2", now=clock())
        return delete(self, *arguments)

    monkeypatch.setattr(ExpiredRows, "delete", extend_and_delete)
    assert prune(app.registry).deleted == 2
    assert ids(app) == [2]


def test_an_empty_table_takes_no_batch(app: App) -> None:
    """There was nothing to do, and it is done."""
    with app.statements() as seen:
        done = prune(app.registry)
    assert (done.deleted, done.batches, done.complete) == (0, 0, True)
    assert set(seen.of_session) == {"SELECT"}


def test_a_table_without_expired_rows_is_not_written_to(app: App, clock: Clock) -> None:
    """Not even a transaction that writes is begun."""
    fill(app, *(live(clock) for _ in range(5)))
    with app.statements() as seen:
        assert prune(app.registry).deleted == 0
    assert set(seen.of_session) <= {"SELECT", "DELETE"}
    assert len(app.rows()) == 5


class Base(DeclarativeBase):
    pass


class Renamed(SessionMixin, Base):
    """Every column has another name, and a reserved one at that."""

    __tablename__ = "group"

    id: Mapped[int] = mapped_column("order", primary_key=True)
    expires: Mapped[int] = mapped_column("table", BigInteger, index=True)
    accessed: Mapped[int] = mapped_column("where", BigInteger)
    created: Mapped[int] = mapped_column("Limit", BigInteger)
    lifetime: Mapped[int | None] = mapped_column("from")


def test_columns_may_have_other_names(make_app: MakeApp, clock: Clock, way: str) -> None:
    """Reserved words and mixed case among them."""
    app = make_app(settings={"sqlsession.model": Renamed}, table="group")
    fill(app, {}, live(clock), {})
    assert prune(app.registry).deleted == 2
    with app.probe.connect() as connection:
        assert connection.execute(select(Renamed.id)).scalars().all() == [2]


@pytest.mark.parametrize("name", ["HttpSession", "web sessions", "100%", "séances"])
def test_the_table_may_have_any_name(make_app: MakeApp, clock: Clock, way: str, name: str) -> None:
    """It is quoted in every statement."""
    app = make_app(table=name)
    fill(app, *expired(3))
    assert prune(app.registry).deleted == 3


@only_on_postgresql
def test_the_table_may_be_in_a_schema(make_app: MakeApp, clock: Clock, way: str) -> None:
    """Another of its name is not touched."""
    app = make_app()
    fill(app, *expired(2))
    app.execute('CREATE SCHEMA "Web"')
    try:
        another = make_app(settings={"sqlsession.schema": "Web"})
        fill(another, *expired(3))
        assert prune(another.registry).deleted == 3
        assert ids(app) == [1, 2]
    finally:
        app.execute('DROP SCHEMA "Web" CASCADE')


def test_an_engine_of_our_own_is_pruned(make_app: MakeApp, clock: Clock, way: str) -> None:
    """No dbsession of the application is needed."""
    with connecting_engines():
        app = make_app(own_engine=True, dbsession=False)
        fill(app, *expired(3))
        assert prune(app.registry).deleted == 3


# Batches


class Watcher:
    """Notes what is reported, and may say at which batch it is enough."""

    def __init__(self, enough: int | None = None) -> None:
        self.reports: list[tuple[Pruned, float]] = []
        self.pauses: list[float] = []
        self._enough = enough

    def __call__(self, done: Pruned, share: float) -> None:
        self.reports.append((done, share))

    def is_set(self) -> bool:
        return len(self.reports) == self._enough

    def wait(self, timeout: float) -> None:
        self.pauses.append(timeout)

    @property
    def sizes(self) -> list[int]:
        """How many rows each batch deleted."""
        totals = [0, *(done.deleted for done, _ in self.reports)]
        return [after - before for before, after in pairwise(totals)]


def test_no_batch_is_greater_than_it_may_be(app: App, clock: Clock) -> None:
    """However the rows are found, and wherever the expired ones are."""
    fill(app, *expired(20), *(live(clock) for _ in range(20)), *expired(7))
    watcher = Watcher()
    done = prune(app.registry, batch_size=5, progress=watcher)
    assert max(watcher.sizes) <= 5
    assert sum(watcher.sizes) == done.deleted == 27
    assert done.batches == len(watcher.sizes)


def test_each_batch_is_a_transaction_of_its_own(app: App) -> None:
    """What a batch has deleted is gone for everybody when it is reported."""
    fill(app, *expired(12))
    left: list[int] = []
    done = prune(app.registry, batch_size=5, progress=lambda done, _: left.append(len(app.rows())))
    assert left[-1] == 0
    assert len(left) == done.batches >= 3
    assert left == sorted(left, reverse=True)


def test_the_share_rises_to_the_whole(app: App, clock: Clock) -> None:
    """It is what a bar shows."""
    fill(app, *expired(20))
    watcher = Watcher()
    prune(app.registry, batch_size=5, progress=watcher)
    shares = [share for _, share in watcher.reports]
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] == 1


def test_the_limit_is_kept_to_the_row(app: App) -> None:
    """Though the last batch has to be smaller for it."""
    fill(app, *expired(12))
    watcher = Watcher()
    done = prune(app.registry, batch_size=5, limit=7, progress=watcher)
    assert (done.deleted, done.complete) == (7, False)
    assert len(app.rows()) == 5


def test_no_batch_begins_after_the_time_limit(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is running is finished."""
    time = 0.0
    monkeypatch.setattr("pyramid_sqlsession.expiry.stopwatch", lambda: time)

    def take_a_minute(_done: Pruned, _share: float) -> None:
        nonlocal time
        time += 60

    fill(app, *expired(20))
    done = prune(app.registry, batch_size=5, time_limit=90, progress=take_a_minute)
    assert (done.batches, done.seconds, done.complete) == (2, 120, False)
    assert len(app.rows()) == 20 - done.deleted > 0


def test_it_rests_between_batches(app: App) -> None:
    """So long as was said, and outside of any transaction."""
    fill(app, *expired(12))
    watcher = Watcher()
    done = prune(app.registry, batch_size=5, pause=0.5, progress=watcher, stop=watcher)
    assert watcher.pauses == [0.5] * done.batches


def test_a_run_that_was_stopped_is_finished_by_the_next(app: App) -> None:
    """The finished batches stay deleted."""
    fill(app, *expired(20))
    watcher = Watcher(enough=2)
    first = prune(app.registry, batch_size=5, progress=watcher, stop=watcher)
    assert (first.batches, first.complete) == (2, False)
    assert len(app.rows()) == 20 - first.deleted > 0
    second = prune(app.registry, batch_size=5)
    assert second.complete
    assert first.deleted + second.deleted == 20
    assert app.rows() == []


def test_what_is_stopped_before_it_begins_does_nothing(app: App) -> None:
    """The signal may come while the application is loaded."""
    fill(app, *expired(3))
    stop = Event()
    stop.set()
    assert prune(app.registry, stop=stop).complete is False
    assert len(app.rows()) == 3


@pytest.mark.parametrize("limit", [None, 9])
def test_a_dry_run_counts_and_writes_nothing(app: App, clock: Clock, limit: int | None) -> None:
    """It tells what would be deleted, at most the limit."""
    fill(app, *expired(12), live(clock))
    with app.statements() as seen:
        done = prune(app.registry, batch_size=5, dry_run=True, limit=limit)
    assert (done.deleted, done.dry_run) == (limit or 12, True)
    assert set(seen.of_session) == {"SELECT"}
    assert len(app.rows()) == 13


@pytest.mark.parametrize(
    ("option", "value"),
    [("batch_size", 0), ("limit", 0), ("time_limit", -1), ("pause", -0.1)],
)
@only_on_sqlite
def test_numbers_that_make_no_sense_are_refused(app: App, option: str, value: float) -> None:
    """Before anything is deleted."""
    with pytest.raises(ValueError, match=f"{option} = {value}"):
        prune(app.registry, **{option: value})


def walk_of(app: App) -> Walk:
    rows = ExpiredRows(model_of(app.registry), Limits(DAY, None), 2**40)
    with app.engine.connect() as connection:
        return choose_walk(connection, rows)


def test_the_index_is_used_where_little_has_expired(make_app: MakeApp, clock: Clock) -> None:
    """The rest of the table is not read."""
    app = make_app()
    fill(app, *expired(3))
    assert isinstance(walk_of(app), IndexWalk)


def test_the_table_is_read_where_much_has_expired(
    make_app: MakeApp, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each database in its own order."""
    monkeypatch.setattr(walks, "FEW_AT_LEAST", 0)
    app = make_app()
    fill(app, *expired(3))
    is_postgresql = app.engine.dialect.name == "postgresql"
    assert isinstance(walk_of(app), PageWalk if is_postgresql else KeyWalk)


def test_stretches_without_expired_rows_are_not_written_to(
    make_app: MakeApp, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along the primary key, a look tells whether there is anything to do."""
    monkeypatch.setattr(walks, "FEW_AT_LEAST", 0)
    monkeypatch.setattr(walks, "FINDS_PAGES_SINCE", (1000,))
    app = make_app()
    fill(app, *expired(3), *(live(clock) for _ in range(12)))
    with app.statements() as seen:
        assert prune(app.registry, batch_size=5).deleted == 3
    assert seen.of_session["DELETE"] == 1


def test_gaps_between_the_keys_take_no_batches(
    make_app: MakeApp, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However far the public ids have come."""
    monkeypatch.setattr(walks, "FEW_AT_LEAST", 0)
    monkeypatch.setattr(walks, "FEW", 2**40)
    app = make_app()
    fill(app, {"id": 1}, {"id": 2**30})
    assert prune(app.registry, batch_size=1).batches == 2


@only_on_postgresql
def test_a_table_in_partitions_is_pruned_as_a_whole(
    make_app: MakeApp, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are numbered in each of them anew, so the key leads the way."""
    monkeypatch.setattr(walks, "FEW_AT_LEAST", 0)
    app = make_app()
    app.execute("ALTER TABLE sessions RENAME TO template")
    app.execute("CREATE TABLE sessions (LIKE template INCLUDING DEFAULTS) PARTITION BY HASH (id)")
    for number in range(2):
        app.execute(
            f"CREATE TABLE sessions_{number} PARTITION OF sessions "
            f"FOR VALUES WITH (MODULUS 2, REMAINDER {number})"
        )
    fill(app, *(row for _ in range(10) for row in ({}, live(clock))))
    assert isinstance(walk_of(app), KeyWalk)
    assert prune(app.registry, batch_size=3).deleted == 10
    assert ids(app) == list(range(2, 21, 2))


@only_on_postgresql
def test_pages_are_sized_by_what_the_database_has_counted(
    make_app: MakeApp, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After ANALYZE, as many as a batch fills; before, a guess."""
    monkeypatch.setattr(walks, "FEW_AT_LEAST", 0)
    app = make_app()
    fill(app, *({"data": "x" * 1000} for _ in range(70)))
    before, after = Watcher(), Watcher()
    prune(app.registry, batch_size=35, progress=before, dry_run=True)
    app.execute("ANALYZE sessions")
    prune(app.registry, batch_size=35, progress=after, dry_run=True)
    assert before.sizes == [10] * 7
    assert after.sizes == [35, 35]


# Others at the same time


def test_two_at_once_share_the_work(app: App, make_app: MakeApp, clock: Clock) -> None:
    """No deadlock, no row counted twice, none left."""
    fill(app, *expired(300))
    another = make_app()
    together = Barrier(2, timeout=30)

    def run(one: App) -> Pruned:
        together.wait()
        return prune(one.registry, batch_size=10)

    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(run, [app, another]))
    assert sum(one.deleted for one in done) + prune(app.registry).deleted == 300
    assert app.rows() == []


@only_on_servers
def test_a_row_that_somebody_has_locked_is_left(app: App, clock: Clock) -> None:
    """Nobody waits for it; the next run takes it."""
    fill(app, *expired(5))
    with app.probe.connect() as connection:
        connection.execute(text("SELECT id FROM sessions WHERE id = 3 FOR UPDATE"))
        assert prune(app.registry).deleted == 4
        connection.rollback()
    assert ids(app) == [3]
    assert prune(app.registry).deleted == 1


@only_on_servers
def test_a_live_row_that_somebody_has_locked_keeps_nobody_waiting(
    make_app: MakeApp, clock: Clock, way: str
) -> None:
    """A visitor's request may be long; what stands around its row is deleted meanwhile."""
    app = make_app()
    fill(app, *(row for _ in range(5) for row in ({}, live(clock))))
    with app.probe.connect() as connection:
        connection.execute(text("SELECT id FROM sessions WHERE id = 4 FOR UPDATE"))
        assert prune(app.registry).deleted == 5
        connection.rollback()
    assert ids(app) == [2, 4, 6, 8, 10]


@only_on_servers
def test_mysql_which_can_only_skip_what_it_selects_locks_first(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its DELETE would wait for the rows of others."""
    name_of = expired_rows._name
    names = {"postgresql": "postgresql", "mariadb": "mysql"}
    monkeypatch.setattr(expired_rows, "_name", lambda dialect: names[name_of(dialect)])
    fill(app, *expired(5))
    with app.probe.connect() as connection:
        connection.execute(text("SELECT id FROM sessions WHERE id = 3 FOR UPDATE"))
        assert prune(app.registry).deleted == 4
        connection.rollback()
    assert ids(app) == [3]


@only_on_servers
def test_an_old_server_that_cannot_skip_rows_is_pruned_too(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for the locks of others."""
    monkeypatch.setattr(expired_rows, "SKIPS_LOCKED_SINCE", {})
    monkeypatch.setattr(walks, "FINDS_PAGES_SINCE", (1000,))
    fill(app, *expired(12))
    with app.statements() as seen:
        assert prune(app.registry, batch_size=5).deleted == 12
    assert not [statement for statement in seen.texts if "LOCKED" in statement]


@only_on_servers
def test_rows_that_are_only_looked_at_are_not_locked(
    make_app: MakeApp, clock: Clock, way: str
) -> None:
    """Whatever isolation the application has chosen for its own transactions."""
    app = make_app(engine_options={"isolation_level": "SERIALIZABLE"})
    fill(app, *(row for _ in range(10) for row in ({}, live(clock))))
    levels: list[str] = []

    def note(_done: Pruned, _share: float) -> None:
        pass

    delete = ExpiredRows.delete

    def look(self: ExpiredRows, connection: Any, *arguments: Any) -> int:
        levels.append(connection.get_isolation_level())
        return delete(self, connection, *arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExpiredRows, "delete", look)
        assert prune(app.registry, progress=note).deleted == 10
    assert set(levels) == {"READ COMMITTED"}


class Refusing:
    """Lets so many batches fail before it lets them pass."""

    def __init__(self, failures: int, error: Exception) -> None:
        self.left, self._error = failures, error
        self._delete = ExpiredRows.delete

    def __get__(self, rows: ExpiredRows, _owner: type) -> Callable[..., int]:
        def delete(*arguments: Any) -> int:
            if self.left:
                self.left -= 1
                raise self._error
            return self._delete(rows, *arguments)

        return delete


@pytest.mark.parametrize("failures", [1, REPETITIONS])
def test_a_batch_that_others_were_in_the_way_of_is_repeated(
    app: App, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """A deadlock or a locked file is no reason to give up."""
    monkeypatch.setattr(ExpiredRows, "delete", Refusing(failures, SessionConflict("locked")))
    fill(app, *expired(3))
    assert prune(app.registry).deleted == 3


@pytest.mark.parametrize(
    ("failures", "error"),
    [
        (REPETITIONS + 1, SessionConflict("locked")),
        (1, OperationalError("DELETE", {}, Exception("the disk is full"))),
    ],
)
@only_on_sqlite
def test_what_does_not_pass_is_raised(
    app: App, monkeypatch: pytest.MonkeyPatch, failures: int, error: Exception
) -> None:
    """After some attempts, or at once where another attempt is in vain."""
    refusing = Refusing(failures, error)
    monkeypatch.setattr(ExpiredRows, "delete", refusing)
    fill(app, *expired(3))
    with pytest.raises(type(error)):
        prune(app.registry)
    assert refusing.left == 0
    assert len(app.rows()) == 3


@only_on_sqlite
def test_a_batch_is_not_repeated_when_it_is_enough(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever wants to stop does not wait for a lock again and again."""
    stop = Event()

    class Stopping(SessionConflict):
        def __str__(self) -> str:
            return "locked"

    def refuse(*_: Any) -> int:
        stop.set()
        raise Stopping

    monkeypatch.setattr(ExpiredRows, "delete", refuse)
    fill(app, *expired(3))
    with pytest.raises(Stopping):
        prune(app.registry, stop=stop)


def test_the_applications_own_transaction_is_left_alone(
    make_app: MakeApp, clock: Clock, way: str
) -> None:
    """A dbsession on one connection lends it, and what it did stays its own to roll back."""
    app = make_app()
    fill(app, *expired(3))
    with app.engine.connect() as connection, connection.begin() as outer:
        connection.execute(text("INSERT INTO notes (text) VALUES ('its own')"))
        shared = make_app(
            dbsession=False,
            settings={"sqlsession.create_table": "false", "sqlsession.dbsession": _on(connection)},
        )
        assert prune(shared.registry).deleted == 3
        outer.rollback()
    assert len(app.rows()) == 3


def _on(connection: Any) -> Callable[[Any], Session]:
    return lambda request: Session(connection)


# What is told


def test_subscribers_hear_of_it(make_app: MakeApp, clock: Clock, way: str) -> None:
    """Numbers only; a dry run is no news."""
    heard: list[SessionsPruned] = []
    app = make_app(configure=lambda config: config.add_subscriber(heard.append, SessionsPruned))
    fill(app, *expired(3))
    prune(app.registry, dry_run=True)
    done = prune(app.registry)
    [told] = heard
    facts = (told.deleted, told.batches, told.seconds, told.complete)
    assert facts == (done.deleted, done.batches, done.seconds, done.complete)


@only_on_sqlite
def test_subscribers_hear_of_what_was_done_before_it_failed(
    make_app: MakeApp, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """These sessions are gone all the same."""
    heard: list[SessionsPruned] = []
    app = make_app(configure=lambda config: config.add_subscriber(heard.append, SessionsPruned))
    fill(app, *expired(3))

    def fail(_done: Pruned, _share: float) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        prune(app.registry, batch_size=2, progress=fail)
    assert [(told.deleted, told.complete) for told in heard] == [(2, False)]


def test_a_missing_table_is_named(make_app: MakeApp) -> None:
    """With the remedy."""
    app = make_app(settings={"sqlsession.create_table": "false"}, table="absent")
    with pytest.raises(SQLSessionError, match=r"'absent'.*create_table"):
        prune(app.registry)


@pytest.mark.parametrize("database_name", ["sqlite"])
def test_a_database_that_cannot_be_reached_is_named(make_app: MakeApp, tmp_path: Any) -> None:
    """By its url, without the password."""
    url = f"sqlite:///{tmp_path}/missing/sessions.sqlite"
    settings = {"sqlsession.create_table": "false", "sqlsession.sqlalchemy.url": url}
    with pytest.raises(SQLSessionError, match=r"missing/sessions\.sqlite.*unable to open"):
        prune(make_app(settings=settings).registry)


@only_on_sqlite
def test_sessions_of_another_factory_cannot_be_pruned(make_app: MakeApp) -> None:
    """The error says what is missing."""
    app = make_app(sqlsession=False)
    with pytest.raises(SQLSessionError, match=r"config\.include"):
        prune(app.registry)
