"""Pruning in the background: one thread in each process that serves."""

from __future__ import annotations

import gc
import logging
import random
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread, current_thread
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.scripting import prepare
from pyramid.session import SignedCookieSessionFactory
from sqlalchemy import make_url

from pyramid_sqlsession import SQLSessionError, get_pruner, pruning
from pyramid_sqlsession import pruner as pruner_module
from pyramid_sqlsession.events import SessionsPruned
from pyramid_sqlsession.pruner import Pruner
from tests.harness import Clock, Database, MakeApp
from tests.harness.databases import execute_on_server
from tests.harness.marks import only_on_postgresql, only_on_servers
from tests.harness.pruners import running
from tests.harness.sessions import model_of, write_rows
from tests.servers import PATIENCE, answer, free_port, served, wait_until
from tests.test_prune_sessions import fill, left

EVERY_HOUR = {"sqlsession.prune_interval": "1h"}


@pytest.fixture
def database_name() -> str:
    """What matters here is the thread."""
    return "sqlite"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads do not wait before they prune for the first time."""
    monkeypatch.setattr(random, "random", lambda: 0.0)


# When it begins and ends


def test_the_first_request_begins_it(make_app: MakeApp) -> None:
    """Neither the start of the application does, nor a script, nor the second request."""
    app = make_app(settings=EVERY_HOUR)
    with prepare(registry=app.registry) as env:
        assert env["request"].session == {}
    assert running() == []
    app.get("/untouched")
    [thread] = running()
    app.get("/untouched")
    assert running() == [thread]
    assert thread.daemon


@pytest.mark.parametrize("value", ["none", "0", "0s"])
def test_it_can_be_turned_off(make_app: MakeApp, value: str) -> None:
    """Then neither a request begins it nor a call."""
    app = make_app(settings={"sqlsession.prune_interval": value})
    app.get("/untouched")
    get_pruner(app.registry).start()
    assert running() == []


def test_sessions_of_another_factory_are_not_pruned(make_app: MakeApp) -> None:
    """The include is there, but the application has chosen another factory."""

    def choose(config: Configurator) -> None:
        config.set_session_factory(SignedCookieSessionFactory("secret"))

    app = make_app(settings=EVERY_HOUR, configure=choose)
    app.get("/untouched")
    assert running() == []
    with pytest.raises(SQLSessionError, match=r"config\.include"):
        get_pruner(app.registry)


def test_it_can_be_begun_and_ended_again_and_again(make_app: MakeApp) -> None:
    """Twice is once."""
    pruner = get_pruner(make_app(settings=EVERY_HOUR).registry)
    for _ in range(2):
        pruner.start()
        pruner.start()
        assert len(running()) == 1
        pruner.stop()
        assert running() == []
        pruner.stop()


def test_there_is_one_pruner_for_an_application(make_app: MakeApp) -> None:
    """Whoever asks gets the one that the first request has begun."""
    app = make_app(settings=EVERY_HOUR)
    app.get("/untouched")
    get_pruner(app.registry).stop()
    assert get_pruner(app.registry) is get_pruner(app.registry)
    assert running() == []


def test_it_ends_with_its_application(make_app: MakeApp) -> None:
    """An application that is gone, as in the tests of its authors, leaves no thread behind."""
    config = Configurator(settings={"sqlsession.sqlalchemy.url": "sqlite://"})
    config.include("pyramid_sqlsession")
    app = config.make_wsgi_app()
    get_pruner(app.registry).start()
    [thread] = running()
    del app, config
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_thread_without_its_pruner_does_nothing(make_app: MakeApp) -> None:
    """It may be about to prune when the application goes."""
    pruner = Pruner(make_app(settings=EVERY_HOUR).registry)
    thread = pruner_module._Background(pruner, 1)
    del pruner
    gc.collect()
    thread._prune()


# What it does


def test_it_prunes_again_and_again(
    make_app: MakeApp, clock: Clock, monkeypatch: pytest.MonkeyPatch, at_once: None
) -> None:
    """In a thread and on a connection of its own; the interval varies a little."""
    intervals: list[tuple[float, float]] = []

    def vary(least: float, most: float) -> float:
        intervals.append((least, most))
        return 0.0

    monkeypatch.setattr(random, "uniform", vary)
    heard: list[tuple[int, Thread]] = []
    thrice = Event()

    def note(told: SessionsPruned) -> None:
        heard.append((told.deleted, current_thread()))
        if len(heard) >= 3:
            thrice.set()

    app = make_app(
        settings=EVERY_HOUR, configure=lambda config: config.add_subscriber(note, SessionsPruned)
    )
    write_rows(app.session_probe, model_of(app.registry), [{}, {}])
    app.get("/untouched")
    assert thrice.wait(PATIENCE)
    get_pruner(app.registry).stop()
    assert [deleted for deleted, _ in heard[:3]] == [2, 0, 0]
    assert {thread.name for _, thread in heard} == {"pyramid_sqlsession-pruner"}
    assert intervals[0] == (0.9, 1.1)
    assert app.rows() == []


def test_processes_that_start_at_once_do_not_prune_at_once(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time is any time within the interval."""
    monkeypatch.setattr(random, "random", lambda: 0.5)
    waits: list[float] = []

    class Enough(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0.0)
            return True

    thread = pruner_module._Background(get_pruner(make_app(settings=EVERY_HOUR).registry), 3600)
    thread.enough = Enough()
    thread.run()
    assert waits == [1800]


def test_a_subscriber_may_stop_it(make_app: MakeApp, clock: Clock, at_once: None) -> None:
    """The thread does not wait for itself."""
    stopped = Event()

    def stop(told: SessionsPruned) -> None:
        get_pruner(told.request.registry).stop()
        stopped.set()

    app = make_app(
        settings=EVERY_HOUR, configure=lambda config: config.add_subscriber(stop, SessionsPruned)
    )
    app.get("/untouched")
    assert stopped.wait(PATIENCE)
    for thread in running():
        thread.join(PATIENCE)
    assert running() == []


def test_an_application_may_prune_when_it_likes(make_app: MakeApp, clock: Clock) -> None:
    """Also where nothing happens in the background; the options are those of the command."""
    app = make_app()
    write_rows(app.session_probe, model_of(app.registry), [{}, {}, {}])
    pruner = get_pruner(app.registry)
    assert pruner.prune(limit=1) == 1
    assert pruner.prune() == 2
    assert pruner.prune() == 0


def test_a_view_may_prune(make_app: MakeApp, clock: Clock) -> None:
    """A button on an administrator's page; the request's own transaction is not in the way."""
    app = make_app(views={"/prune": lambda request: get_pruner(request.registry).prune()})
    write_rows(app.session_probe, model_of(app.registry), [{}, {}, {}])
    assert app.get("/prune").json == 3


# When the database is down


def logged(caplog: pytest.LogCaptureFixture, level: int = logging.WARNING) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= level]


def test_an_outage_is_logged_once(
    make_app: MakeApp, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """And its end; the next outage anew."""
    app = make_app()
    pruner = get_pruner(app.registry)
    for _ in range(2):
        app.execute("ALTER TABLE sessions RENAME TO away")
        pruner.try_to_prune(Event())
        pruner.try_to_prune(Event())
        app.execute("ALTER TABLE away RENAME TO sessions")
        pruner.try_to_prune(Event())
        pruner.try_to_prune(Event())
    [failure, recovery] = logged(caplog)[:2]
    assert "the table 'sessions'" in failure
    assert "again" in recovery
    assert logged(caplog) == [failure, recovery] * 2


def test_what_was_deleted_is_logged(
    make_app: MakeApp, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """As information, not as a warning."""
    caplog.set_level(logging.INFO, "pyramid_sqlsession")
    app = make_app()
    write_rows(app.session_probe, model_of(app.registry), [{}, {}])
    get_pruner(app.registry).try_to_prune(Event())
    assert "2 expired sessions deleted" in logged(caplog, logging.INFO)


def test_an_error_without_words_is_named() -> None:
    """So that the log says something."""
    assert pruning.first_line(ZeroDivisionError()) == "ZeroDivisionError"


@only_on_postgresql
def test_a_database_that_went_away_and_came_back_is_pruned_again(
    make_app: MakeApp, database: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Connections that were cut are replaced."""
    app = make_app()
    write_rows(app.session_probe, model_of(app.registry), [{}, {}])
    pruner = get_pruner(app.registry)
    name = make_url(database.url).database
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    execute_on_server(database, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false", cut)
    try:
        pruner.try_to_prune(Event())
        pruner.try_to_prune(Event())
    finally:
        execute_on_server(database, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        database.reconnect_probe()
    assert len(logged(caplog)) == 1
    pruner.try_to_prune(Event())
    assert app.rows() == []


# Real servers


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the .ini file of an application and its seven expired sessions."""
    fill(tmp_path / "sessions.sqlite", 7)
    return tmp_path


def configure(folder: Path, port: int, server: str) -> Path:
    ini = folder / "production.ini"
    ini.write_text(
        f"""
        [app:main]
        use = call:tests.prunable:main
        sqlsession.sqlalchemy.url = sqlite:///%(here)s/sessions.sqlite
        sqlsession.create_table = true
        sqlsession.prune_interval = 1
        tests.tell = true

        [server:main]
        {server}
        listen = 127.0.0.1:{port}
        """.replace("\n        ", "\n")
    )
    return ini


def pruned_by(folder: Path) -> set[int]:
    """The processes that have told of pruning."""
    return {int(found) for found in re.findall(r"pruned by (\d+)", (folder / "log").read_text())}


@pytest.fixture
def _signals_are_heeded() -> Iterator[None]:
    """A shell has what it starts in the background ignore SIGINT, and that would be inherited."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_signals_are_heeded")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_pserve_prunes_and_exits_promptly(folder: Path, number: int) -> None:
    """One process, whose expired rows go without a command."""
    port = free_port()
    ini = configure(folder, port, "use = egg:waitress#main")
    with served(["pserve", str(ini)], folder) as server:
        wait_until(lambda: answer(port) is not None, "an answer of pserve")
        wait_until(lambda: left(ini) == 1, "the expired sessions to go, but not ours")
        assert pruned_by(folder) == {server.pid}
        server.send_signal(number)
        server.wait(timeout=10)


def test_each_worker_of_a_server_that_forks_prunes(folder: Path) -> None:
    """The application was loaded before the fork; the one that serves nobody does not prune."""
    port = free_port()
    ini = configure(folder, port, "use = egg:gunicorn#main")
    options = ["--preload", "--workers", "2", "--bind", f"127.0.0.1:{port}"]
    with served(["gunicorn", "--paste", str(ini), *options], folder) as server:
        workers: set[str] = set()

        def both_have_answered() -> bool:
            workers.update(filter(None, [answer(port)]))
            return len(workers) == 2

        wait_until(both_have_answered, "an answer of each worker")
        wait_until(lambda: len(pruned_by(folder)) == 2, "each worker to prune")
        assert {str(pid) for pid in pruned_by(folder)} == workers
        assert server.pid not in pruned_by(folder)
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=10)


@only_on_servers
def test_a_connection_that_is_cut_in_the_end_frees_its_place_in_the_pool(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLAlchemy loses the place when the connection's isolation level cannot be put back."""

    def cut(connection: Any) -> None:
        connection.close()
        raise ConnectionResetError

    app = make_app()
    monkeypatch.setattr(app.engine.dialect, "reset_isolation_level", cut)
    get_pruner(app.registry).try_to_prune(Event())
    pool: Any = app.engine.pool
    assert pool.checkedout() == 0
