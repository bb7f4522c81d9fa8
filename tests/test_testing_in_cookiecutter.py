"""The kit for the tests of applications, under the fixtures that the Pyramid cookiecutter makes.

All requests of a test share one doomed transaction, so that nothing is ever committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import webtest
from sqlalchemy import select
from sqlalchemy.orm import Session

from pyramid_sqlsession import UnstorableValueError
from pyramid_sqlsession.testing import (
    Clock,
    begin_session,
    clock_ahead,
    session_costs,
    session_of,
)
from tests import test_cookiecutter as fixtures
from tests.cookiecutter.models import Entry, WebSession

app_settings = fixtures.app_settings
dbengine = fixtures.dbengine
app = fixtures.app
tm = fixtures.tm
dbsession = fixtures.dbsession
testapp = fixtures.testapp
app_request = fixtures.app_request
nothing_survives = fixtures._nothing_survives


# What a user writes into conftest.py


@pytest.fixture
def known(testapp: webtest.TestApp) -> webtest.TestApp:
    """A visitor who has been here 41 times."""
    begin_session(testapp, {"visits": 41})
    return testapp


@pytest.fixture
def clock() -> Iterator[Clock]:
    """A clock that a test moves."""
    with clock_ahead() as clock:
        yield clock


# And into the tests


def test_a_view_finds_what_the_session_was_begun_with(known: webtest.TestApp) -> None:
    """In the transaction that it shares with the test."""
    assert known.get("/").json["visits"] == 42


def test_the_session_is_seen_though_nothing_is_committed(known: webtest.TestApp) -> None:
    """What it was begun with, and what views have done to it, up to its end."""
    assert session_of(known) == {"visits": 41}
    known.get("/sign/Ann")
    assert session_of(known) == {"visits": 41, "_f_": ["Thank you!"]}
    known.get("/leave")
    assert session_of(known) is None


def test_its_public_id_is_that_of_the_row(known: webtest.TestApp, dbsession: Session) -> None:
    """Which the dbsession of the test sees."""
    found = session_of(known)
    assert found is not None
    assert dbsession.scalars(select(WebSession.id)).all() == [found.id]


def test_a_visitor_has_none_at_first(testapp: webtest.TestApp) -> None:
    """And has one when a view has begun it."""
    assert session_of(testapp) is None
    testapp.get("/")
    assert session_of(testapp) == {"visits": 1}


def test_a_session_ends_with_its_time(clock: Clock, known: webtest.TestApp) -> None:
    """A day after its last use."""
    clock.advance(hours=23)
    assert known.get("/").json["visits"] == 42
    clock.advance(hours=24)
    assert session_of(known) is None
    assert known.get("/").json["visits"] == 1


def test_what_a_view_costs_is_counted(known: webtest.TestApp) -> None:
    """On the connection of the test, which was there before; the entry does not count."""
    with session_costs(known, select=1, update=1):
        known.get("/sign/Ann")
    with session_costs(known, select=1, delete=1):
        known.get("/leave")


def test_another_cost_is_an_error_that_lists_the_statements(known: webtest.TestApp) -> None:
    """Those on the table of the sessions alone."""
    with pytest.raises(AssertionError) as info, session_costs(known, select=1):
        known.get("/")
    [said, *statements] = str(info.value).splitlines()
    assert said == "the session was to cost 1 SELECT, and has cost 1 SELECT, 1 UPDATE"
    assert [statement.split()[0] for statement in statements] == ["SELECT", "UPDATE"]


def test_the_data_of_the_test_is_not_flushed(testapp: webtest.TestApp, dbsession: Session) -> None:
    """What is pending there stays so."""
    entry = Entry(name="Ann")
    dbsession.add(entry)
    begin_session(testapp, {"visits": 41})
    assert session_of(testapp) == {"visits": 41}
    assert entry in dbsession.new


def test_what_cannot_be_stored_is_refused(testapp: webtest.TestApp) -> None:
    """At once, not by a session that is missing later."""
    with pytest.raises(UnstorableValueError):
        begin_session(testapp, {"visits": object()})
    assert testapp.get("/").json["visits"] == 1


def test_code_that_is_called_with_a_request_shares_the_session(
    known: webtest.TestApp, app_request: Any
) -> None:
    """The row is in the transaction of `app_request` too."""
    app_request.cookies["guestbook"] = known.cookies["guestbook"]
    assert app_request.session == {"visits": 41}


class TestOutsideOfTheFixtures:
    """The same application, committing what it does."""

    @pytest.fixture(autouse=True)
    def nothing_survives(self) -> None:
        """Here something does."""

    def test_the_kit_commits_like_a_request(self, app: Any) -> None:
        """Another connection sees the session at once."""
        testapp = webtest.TestApp(app)
        begin_session(testapp, {"visits": 41})
        assert fixtures.committed(app.registry["dbsession_factory"].kw["bind"]) == [1, 0]
        with session_costs(testapp, select=1, update=1):
            assert testapp.get("/").json["visits"] == 42
        assert session_of(testapp) == {"visits": 42}
