"""The ways to the database: where the dbsession is found, and what makes no engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zope.sqlalchemy
from pyramid.exceptions import ConfigurationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tests.engines import connecting_engines
from tests.harness import Database, MakeApp, Note, only_on_sqlite, over_both_managers
from tests.harness.marks import only_thread_local


def find_dbsession(request: Any) -> Session:
    """Return what a setting may name: the request's dbsession, wherever it is kept."""
    found: Session = request.dbsession
    return found


def write_both(request: Any) -> None:
    request.dbsession.add(Note(text="note"))
    request.session["x"] = 1


@over_both_managers
@pytest.mark.parametrize(
    "setting",
    [find_dbsession, f"{__name__}.find_dbsession", f"{__name__}:find_dbsession"],
    ids=["callable", "dotted name", "with a colon"],
)
def test_a_callable_may_find_the_dbsession(make_app: MakeApp, setting: Any) -> None:
    """What it returns takes the session into the application's transaction."""
    app = make_app(views={"/": write_both}, settings={"sqlsession.dbsession": setting})
    with app.statements() as seen:
        app.get("/")
    assert seen.commits == 1
    assert app.notes() == ["note"]
    assert app.get("/read").json == {"x": 1}


@pytest.fixture
def scoped(database: Database) -> Iterator[scoped_session[Session]]:
    """A dbsession for each thread, as applications from before requests had one keep it."""
    engine = database.engine()
    registry = scoped_session(sessionmaker(bind=engine))
    zope.sqlalchemy.register(registry)
    yield registry
    registry.remove()
    engine.dispose()


@only_thread_local
@pytest.mark.parametrize("how", ["as an attribute", "by a callable"])
def test_the_dbsession_may_be_a_scoped_one(
    make_app: MakeApp, scoped: scoped_session[Session], how: str
) -> None:
    """The thread's own is used."""
    settings: dict[str, Any] = {}
    if how == "by a callable":
        settings = {"sqlsession.dbsession": lambda request: scoped}
    include: Callable[[Any], None] = lambda config: config.add_request_method(  # noqa: E731
        lambda request: scoped, name="dbsession", reify=True
    )
    app = make_app(views={"/": write_both}, dbsession=False, includes=[include], settings=settings)
    app.get("/")
    assert app.notes() == ["note"]
    assert app.get("/read").json == {"x": 1}


@only_on_sqlite
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("url", "nonsense://"),
        ("url", "postgresql+nonsense://"),
        ("pool_siez", "3"),
        ("pool_size", "many"),
    ],
)
def test_options_that_make_no_engine_are_refused_at_start_up(
    make_app: MakeApp, option: str, value: str
) -> None:
    """The message names the options as the application gives them."""
    name = f"sqlsession.sqlalchemy.{option}"
    with pytest.raises(ConfigurationError, match=name):
        make_app(own_engine=True, settings={name: value})


@only_on_sqlite
def test_a_commit_that_finds_sqlite_locked_leaves_nothing_open(
    make_app: MakeApp, database: Database
) -> None:
    """The lock is free again, and the next commit does not take the refused change along."""
    url = f"{database.session_url}?timeout=0.1"
    with connecting_engines():
        app = make_app(own_engine=True, settings={"sqlsession.sqlalchemy.url": url})
        app.get("/write?x=1")
        with app.session_probe.connect() as reader:  # a writer waits for those who still read
            reader.exec_driver_sql("BEGIN")
            reader.exec_driver_sql("SELECT * FROM sessions")
            with pytest.raises(OperationalError, match="locked"):
                app.get("/write?x=refused")
        app.execute("UPDATE sessions SET accessed = accessed")
        app.get("/write?y=2")
    assert [row.data for row in app.rows()] == [{"x": "1", "y": "2"}]
