"""Garbled rows: somebody, or something, has written what no session is into the table."""

from __future__ import annotations

import pytest

from tests.attacks.scenes import (
    KEY,
    Protection,
    attacked_app,
    holder_of,
    logged_in,
    protected_app,
    row_of,
    under_every_protection,
    who,
)
from tests.harness import Clock, MakeApp

GARBLED = {
    "deep lists": "[" * 200_000,
    "deep mappings": '{"x":' * 200_000,
    "a list": "[1, 2]",
    "a text": '"auth.userid"',
    "a number too long": '{"auth.userid": ' + "9" * 10_000 + "}",
    "nothing": "",
    "not JSON": "auth.userid=admin",
    "a pickle": "cos\nsystem\n(S'true'\ntR.",
}


@under_every_protection
def test_a_row_that_is_garbled_is_an_empty_session(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, by: Protection
) -> None:
    """Its visitor gets an answer and can begin anew; the log says which row, and not what."""
    app = protected_app(make_app, by)
    alice = logged_in(app, "alice")
    row = row_of(app, alice)
    for how, data in GARBLED.items():
        caplog.clear()
        app.execute("UPDATE sessions SET data = :data WHERE id = :id", data=data, id=row.id)
        assert who(alice) is None, how
        logged = [
            r.getMessage() for r in caplog.records if r.name.startswith("pyramid_sqlsession")
        ]
        assert [f"session {row.id} " in line for line in logged] == [True], how
        assert not any("auth.userid" in line for line in logged)


@pytest.mark.parametrize("by", [Protection(), Protection(None, KEY)], ids=["plain", "keys"])
def test_who_logs_out_while_the_row_is_garbled_is_out_for_good(
    make_app: MakeApp, by: Protection
) -> None:
    """It opens nothing when it can be read again, as after a deploy that had forgotten a key."""
    app = protected_app(make_app, by)
    alice = logged_in(app, "alice")
    row, copy = row_of(app, alice), alice.cookie
    app.execute("UPDATE sessions SET data = 'AA' WHERE id = :id", id=row.id)
    [cookie] = app.set_cookies(alice.get("/log-out"))
    assert cookie.deletes
    app.execute("UPDATE sessions SET data = :data WHERE id = :id", data=row.raw, id=row.id)
    assert who(holder_of(app, copy)) is None
    assert app.rows() == []


EXTREME = {
    "created": [0, -1, 2**62, 2**63 - 1, -(2**63)],
    "accessed": [0, -1, 2**62, 2**63 - 1, -(2**63)],
    "lifetime": [0, -1, 2**31 - 1, -(2**31)],
    "version": [0, -1, 2**31 - 2, -(2**31)],
    "expires": [0, -1, 2**63 - 1],
}


def test_no_number_in_a_row_is_too_extreme_for_a_visitors_request(
    make_app: MakeApp, clock: Clock
) -> None:
    """Whatever was written there, alive or not, the page is answered; nobody else notices."""
    limits = {"sqlsession.absolute_expiration": "30d"}
    app = attacked_app(make_app, settings=limits)
    alice, mallory = logged_in(app, "alice"), logged_in(app, "mallory")
    row = row_of(app, mallory)
    for column, values in EXTREME.items():
        for value in values:
            app.execute(f"UPDATE sessions SET {column} = :v WHERE id = :id", v=value, id=row.id)
            assert who(mallory) in ("mallory", None)
            assert who(alice) == "alice"
        old = row.columns[column]
        app.execute(f"UPDATE sessions SET {column} = :v WHERE id = :id", v=old, id=row.id)
