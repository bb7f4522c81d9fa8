"""The ways of one request to its row: reads that fail, and saves that meet a lock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pyramid_sqlsession import SessionConflict
from tests.harness import App, MakeApp, only_on_sqlite, over_both_managers
from tests.harness.locks import IMPATIENT
from tests.harness.marks import only_on

# MariaDB gives up after a whole second at the earliest, too long for a test of repetitions.
where_locks_are_refused_soon = only_on("sqlite", "postgresql")


@over_both_managers
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_column_that_is_missing_is_said_by_the_database(make_app: MakeApp, method: str) -> None:
    """No other connection would know better, so none is asked."""
    app = make_app()
    app.get("/write?x=1")
    app.execute("ALTER TABLE sessions DROP COLUMN accessed")
    with app.statements() as seen, pytest.raises(DBAPIError, match="accessed"):
        getattr(app, method)("/read")
    assert seen.of_session == {"SELECT": 1}


# A lock that is met by a save aside, which nobody else can repeat


class LockedRow:
    """A lock of somebody else's, and the stopwatch of a save that waits for it.

    The package looks at the stopwatch when it begins and whenever it was refused.
    """

    def __init__(self) -> None:
        self.refused = -1
        self.waited = 0.0  # seconds, for each refusal
        self.given_up_after: int | None = None  # refusals; None for never
        self.connection: Connection | None = None

    def take(self, app: App) -> None:
        self.connection = app.session_probe.connect()
        self.connection.execute(text("UPDATE sessions SET accessed = accessed"))

    def give_up(self) -> None:
        if self.connection is not None:
            self.connection.close()

    def stopwatch(self) -> float:
        self.refused += 1
        if self.refused == self.given_up_after:
            self.give_up()
        return self.refused * self.waited


@pytest.fixture
def locked_row(monkeypatch: pytest.MonkeyPatch) -> Iterator[LockedRow]:
    """A lock that the test's application takes in its view."""
    locked_row = LockedRow()
    monkeypatch.setattr("pyramid_sqlsession.expiry.stopwatch", locked_row.stopwatch)
    yield locked_row
    locked_row.give_up()


def updates_of_a_request_without_tm(
    make_app: MakeApp, database_name: str, locked_row: LockedRow
) -> tuple[App, int]:
    """Ask for a change that is saved after the response; count how often that was tried."""

    def view(request: Any) -> str:
        request.session["y"] = 2
        locked_row.take(app)
        return "delivered"

    connect_args = IMPATIENT[database_name]
    app = make_app(views={"/": view}, tm=False, engine_options={"connect_args": connect_args})
    app.get("/write?x=1")
    locked_row.refused = -1
    with app.statements() as seen:
        assert app.get("/").json == "delivered"
    locked_row.give_up()
    return app, seen.of_session["UPDATE"]


@where_locks_are_refused_soon
@pytest.mark.parametrize("refusals", [1, 2])
def test_a_save_aside_is_repeated_when_a_lock_was_in_its_way(
    make_app: MakeApp, database_name: str, locked_row: LockedRow, refusals: int
) -> None:
    """Nobody else could repeat it."""
    locked_row.given_up_after = refusals
    app, updates = updates_of_a_request_without_tm(make_app, database_name, locked_row)
    assert updates == refusals + 1
    assert app.get("/read").json == {"x": "1", "y": 2}


@where_locks_are_refused_soon
def test_a_save_aside_that_meets_a_lock_for_the_third_time_is_given_up_and_logged(
    make_app: MakeApp,
    database_name: str,
    locked_row: LockedRow,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The visitor waits for the answer, which is made."""
    app, updates = updates_of_a_request_without_tm(make_app, database_name, locked_row)
    assert updates == 3
    assert app.get("/read").json == {"x": "1"}
    assert "could not be saved" in caplog.text


@where_locks_are_refused_soon
@pytest.mark.parametrize(("waited", "updates"), [(1.0, 2), (1.1, 1)])
def test_a_save_aside_that_has_waited_for_longer_than_a_second_is_not_repeated(
    make_app: MakeApp, database_name: str, locked_row: LockedRow, waited: float, updates: int
) -> None:
    """A lock that was kept for so long, as by our own request, is not given up at once."""
    locked_row.waited = waited
    app, seen = updates_of_a_request_without_tm(make_app, database_name, locked_row)
    assert seen == updates
    assert app.get("/read").json == {"x": "1"}


# A database that drops what is written


IGNORING = """
    CREATE TRIGGER ignore BEFORE UPDATE ON sessions BEGIN SELECT RAISE(IGNORE); END
"""


@only_on_sqlite
def test_a_save_that_the_database_drops_in_silence_is_an_error(make_app: MakeApp) -> None:
    """The row is there and still not what was written: that must not pass for saved."""
    app = make_app()
    app.get("/write?x=1")
    app.execute(IGNORING)
    with pytest.raises(SessionConflict):
        app.get("/write?y=2")
    assert app.get("/read").json == {"x": "1"}
