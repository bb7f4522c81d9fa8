"""Fixtures of the behaviour suite; `tests.harness` says how to use them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import transaction

from tests.browser import VARIABLE
from tests.harness import (
    App,
    Clock,
    Database,
    MakeApp,
    available_databases,
    build_app,
    pools,
    pruners,
)
from tests.harness.costs import costs
from tests.harness.databases import empty, sqlite, throw_away_database
from tests.harness.marks import EXPLICIT
from tests.harness.notes import Base
from tests.harness.variants import to_be_run

pytest_plugins = ["tests.leaks.plugin"]

# As with the databases: what the environment does not name is not tested, what it names must be
# there. `make test` says so.
collect_ignore = [] if os.environ.get(VARIABLE) else ["browser"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a patient person run all variants of all tests."""
    parser.addoption("--every-variant", action="store_true", help="run all variants of all tests")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Of tests with very many variants, run those that show everything."""
    if config.getoption("--every-variant"):
        return
    chosen = to_be_run(items)
    spared = set(items) - set(chosen)
    config.hook.pytest_deselected(items=list(spared))
    items[:] = chosen


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Nothing prunes any more when the engines are disposed of: it would connect again."""
    pruners.end()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what requests were seen to cost."""
    for line in costs.report():
        terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """A connection that nobody closes is a warning when it is collected, in whatever test."""
    pools.forget()
    yield
    left = pools.still_open()
    for connection in left:
        connection.close()
    assert left == [], "the test left connections open"


@pytest.fixture(autouse=True)
def statements_are_not_logged() -> Iterator[None]:
    """What reads the logging of an .ini leaves it on, and then statements go another way.

    An engine with `echo` leaves a handler, which would print whatever others log.
    """
    yield
    logging.getLogger("sqlalchemy.engine").setLevel(logging.NOTSET)
    logging.getLogger("sqlalchemy.engine.Engine").handlers.clear()


@pytest.fixture(scope="session")
def servers() -> Iterator[dict[str, Database]]:
    """A throw-away database on each server that the environment offers."""
    with ExitStack() as stack:
        names = [name for name in available_databases() if name != "sqlite"]
        yield {name: stack.enter_context(throw_away_database(name)) for name in names}


@pytest.fixture(params=available_databases())
def database_name(request: pytest.FixtureRequest) -> str:
    """The database that the test runs on."""
    return str(request.param)


@pytest.fixture
def database(database_name: str, servers: dict[str, Database], tmp_path: Path) -> Database:
    """A database that holds nothing but the application's own empty table."""
    found = sqlite(tmp_path) if database_name == "sqlite" else servers[database_name]
    empty(found)
    Base.metadata.create_all(found.probe())
    return found


@pytest.fixture(params=[False, True], ids=["new visitor", "known visitor"])
def known(request: pytest.FixtureRequest) -> bool:
    """Whether the visitor has a session already."""
    return bool(request.param)


@pytest.fixture
def manager() -> str:
    """The kind of transaction manager; `over_both_managers` runs a test with both."""
    return EXPLICIT


@pytest.fixture
def make_app(database: Database, manager: str) -> Iterator[MakeApp]:
    """Build applications on one database; in the end no connection may be checked out."""
    built: list[App] = []

    def make(**options: Any) -> App:
        built.append(build_app(database, manager=manager, **options))
        return built[-1]

    yield make
    left = pools.checked_out()
    transaction.abort()
    for app in built:
        app.engine.dispose()
    assert left == 0, f"the test left {left} connection(s) checked out"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The package's clock, standing still until the test moves it."""
    clock = Clock()
    monkeypatch.setattr("pyramid_sqlsession.expiry.now", clock)
    return clock
