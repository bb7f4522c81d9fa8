"""An application made by the Pyramid cookiecutter, under the fixtures that come with it.

Its fixtures share one doomed transaction over all requests of a test, so that nothing is ever
committed, whatever the views do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import transaction
import webtest
from pyramid import testing
from pyramid.interfaces import ISessionFactory
from pyramid.paster import get_appsettings
from pyramid.scripting import prepare
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from tests import cookiecutter
from tests.cookiecutter import models
from tests.harness import Database, checked_out

INI = Path(cookiecutter.__file__).with_name("development.ini")


@pytest.fixture
def app_settings(database: Database) -> dict[str, Any]:
    """The settings of the .ini file, with the test's database."""
    return {**get_appsettings(str(INI)), "sqlalchemy.url": database.url}


@pytest.fixture
def dbengine(app_settings: dict[str, Any]) -> Iterator[Engine]:
    """An engine of a database with all tables."""
    engine = models.get_engine(app_settings)
    models.Base.metadata.create_all(engine)
    yield engine
    models.Base.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def app(app_settings: dict[str, Any], dbengine: Engine) -> Any:
    """The WSGI application."""
    return cookiecutter.main({}, dbengine=dbengine, **app_settings)


@pytest.fixture
def tm() -> Iterator[Any]:
    """A transaction that can only be aborted."""
    tm = transaction.TransactionManager(explicit=True)
    tm.begin()
    tm.doom()
    yield tm
    tm.abort()


@pytest.fixture
def dbsession(app: Any, tm: Any) -> Session:
    """A dbsession in that transaction."""
    return models.get_tm_session(app.registry["dbsession_factory"], tm)


@pytest.fixture
def testapp(app: Any, tm: Any, dbsession: Session) -> webtest.TestApp:
    """A browser whose requests all share that transaction."""
    return webtest.TestApp(
        app,
        extra_environ={
            "HTTP_HOST": "example.com",
            "tm.active": True,
            "tm.manager": tm,
            "app.dbsession": dbsession,
        },
    )


@pytest.fixture
def app_request(app: Any, tm: Any, dbsession: Session) -> Iterator[Any]:
    """A real request, for tests that call application code with one."""
    with prepare(registry=app.registry) as env:
        request = env["request"]
        request.host = "example.com"
        request.dbsession = dbsession
        request.tm = tm
        yield request


@pytest.fixture
def dummy_request(tm: Any, dbsession: Session) -> testing.DummyRequest:
    """A light-weight request, for tests that need no registry."""
    request = testing.DummyRequest()
    request.host = "example.com"
    request.dbsession = dbsession
    request.tm = tm
    return request


@pytest.fixture
def dummy_config(dummy_request: testing.DummyRequest) -> Iterator[Any]:
    """A configurator with that request as the current one."""
    with testing.testConfig(request=dummy_request) as config:
        yield config


def committed(engine: Engine) -> list[int]:
    """Count the sessions and the entries that another connection can see."""
    with Session(engine) as session:
        tables = (models.WebSession, models.Entry)
        return [session.scalar(select(func.count()).select_from(t)) or 0 for t in tables]


@pytest.fixture(autouse=True)
def _nothing_survives(dbengine: Engine) -> Iterator[None]:
    """After the test's transaction is gone, so is everything, and all connections are back."""
    yield
    assert checked_out() == 0
    assert committed(dbengine) == [0, 0]


def test_the_session_persists_over_the_calls_of_testapp(testapp: webtest.TestApp) -> None:
    """Each call sees what the one before it wrote, though nothing is committed."""
    seen = [testapp.get("/").json["visits"] for _ in range(3)]
    assert seen == [1, 2, 3]


def test_the_cookie_is_sent_once(testapp: webtest.TestApp) -> None:
    """A row that is flushed into the test's transaction counts as there."""
    assert "guestbook" in testapp.get("/").headers["Set-Cookie"]
    assert "Set-Cookie" not in testapp.get("/").headers


def test_another_connection_sees_nothing_while_the_test_runs(
    testapp: webtest.TestApp, dbengine: Engine
) -> None:
    """Neither the session nor the entry is committed by us."""
    testapp.get("/sign/Ann")
    assert testapp.get("/").json == {"visits": 1, "names": ["Ann"], "messages": ["Thank you!"]}
    assert committed(dbengine) == [0, 0]


def test_a_flash_before_a_redirect_is_on_the_next_page_only(testapp: webtest.TestApp) -> None:
    """The redirect's target pops the message."""
    assert testapp.get("/sign/Ann").follow().json["messages"] == ["Thank you!"]
    assert testapp.get("/").json["messages"] == []


def test_an_invalidated_session_is_gone_for_the_next_call(
    testapp: webtest.TestApp, dbsession: Session
) -> None:
    """Its row is deleted in the test's transaction."""
    testapp.get("/")
    testapp.get("/leave")
    assert dbsession.scalar(select(func.count()).select_from(models.WebSession)) == 0
    assert testapp.get("/").json["visits"] == 1


def test_a_prepared_request_has_a_session_in_the_same_transaction(
    app_request: Any, testapp: webtest.TestApp
) -> None:
    """Application code that is called with `app_request` reads what a call of testapp wrote."""
    testapp.get("/")
    app_request.cookies["guestbook"] = testapp.cookies["guestbook"]
    assert app_request.session["visits"] == 1
    app_request.session["seen"] = True


def test_the_factory_serves_a_dummy_request(
    app: Any, dummy_request: testing.DummyRequest, dummy_config: Any, testapp: webtest.TestApp
) -> None:
    """With its dict of cookies and its `tm` and `dbsession` it reads like any other."""
    testapp.get("/")
    dummy_request.cookies["guestbook"] = testapp.cookies["guestbook"]
    session = app.registry.getUtility(ISessionFactory)(dummy_request)
    assert session == {"visits": 1}
    assert not session.new


def test_a_dummy_request_without_a_cookie_gets_an_empty_session(
    app: Any, dummy_request: testing.DummyRequest, dummy_config: Any
) -> None:
    """It can be written to; nobody sends a response, so nothing is kept."""
    session = app.registry.getUtility(ISessionFactory)(dummy_request)
    session["x"] = 1
    assert session == {"x": 1}
    assert session.new


class TestOutsideOfTheFixtures:
    """The same application as a visitor meets it."""

    @pytest.fixture(autouse=True)
    def _nothing_survives(self) -> None:
        """Here something does."""

    def test_a_request_commits_the_session_and_the_entry(self, app: Any, dbengine: Engine) -> None:
        """pyramid_tm ends the request's transaction, and both are there."""
        browser = webtest.TestApp(app)
        browser.get("/sign/Ann")
        assert committed(dbengine) == [1, 1]
        assert browser.get("/").json["messages"] == ["Thank you!"]
        assert checked_out() == 0
