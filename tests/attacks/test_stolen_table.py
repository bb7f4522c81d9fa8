"""A stolen table: the attacker reads it, in a backup or by SQL injection, or even writes it.

What each can do, without and with `secret`:

- Who reads it opens no session, with or without: it holds digests, and no cookie can be made of
  one. But the content is there as it is, the tokens against forged forms and the user ids too.
- Who writes it makes a row for an id of his own choice. `secret` stops that: he has no cookie for
  it, as only the application signs.
- Who writes it and is also a visitor has a signed cookie of his own. `secret` does not stop him
  from copying the content of another row into his, from writing into it whatever he likes, from
  moving his digest to another row, and from keeping his session alive for ever.

Encryption of the content, bound to its row, would be against the copying and the reading.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from pyramid_sqlsession.session_id import new_session_id, to_cookie
from tests.attacks.scenes import (
    attacked_app,
    holder_of,
    logged_in,
    send,
    sent,
    who,
    with_and_without_secret,
)
from tests.harness import App, Clock, MakeApp, SessionRow

ADMIN = json.dumps({"auth.userid": "admin"})
FACTS = "created, accessed, expires, version, data"


def row_of(app: App, user: str) -> SessionRow:
    """The row of the session in which somebody is logged in."""
    [row] = [row for row in app.rows() if row.data.get("auth.userid") == user]
    return row


def insert(app: App, digest: bytes, row: SessionRow) -> None:
    """Copy a row, under another digest."""
    app.execute(
        f"INSERT INTO sessions (digest, {FACTS}) SELECT :digest, {FACTS} FROM sessions"
        " WHERE id = :id",
        digest=digest,
        id=row.id,
    )


# Who reads


@with_and_without_secret
def test_no_cell_of_the_table_opens_a_session(make_app: MakeApp, secret: str | None) -> None:
    """Neither as it is nor signed by a visitor's own signature."""
    app = attacked_app(make_app, secret=secret)
    alice, mallory = logged_in(app, "alice"), logged_in(app, "mallory")
    _, dot, signature = str(mallory.cookie).partition(".")
    cells = [cell for row in app.rows() for cell in row.columns.values()]
    texts = [cell.hex() if isinstance(cell, bytes) else str(cell) for cell in cells]
    for text in texts:
        for value in (text, text.ljust(43, "A")[:43], text.ljust(43, "A")[:43] + dot + signature):
            assert send(app, "/who-am-i", sent(app, value)).json is None
    assert who(alice) == "alice"


@with_and_without_secret
def test_what_a_session_holds_is_in_the_table_as_it_is(
    make_app: MakeApp, secret: str | None
) -> None:
    """A signature hides nothing: what must stay secret does not belong into a session."""
    app = attacked_app(make_app, secret=secret)
    logged_in(app, "alice").get("/write?card=4711")
    assert row_of(app, "alice").data["card"] == "4711"


@with_and_without_secret
def test_a_copy_of_the_table_in_another_database_serves_nobody_else(
    make_app: MakeApp, secret: str | None
) -> None:
    """Restored behind an application of the attacker's, it lets in those who were in already."""
    app = attacked_app(make_app, secret=secret)
    alice = logged_in(app, "alice")
    copy = attacked_app(make_app, secret=secret, table="copied")
    copy.execute(
        f"INSERT INTO copied (id, digest, {FACTS}) SELECT id, digest, {FACTS} FROM sessions"
    )
    assert who(holder_of(copy, alice.cookie)) == "alice"
    assert who(copy.another_browser()) is None
    assert [row.digest for row in copy.rows()] == [row_of(app, "alice").digest]


# Who writes


@with_and_without_secret
def test_a_secret_stops_a_row_for_an_id_of_the_attackers_choice(
    make_app: MakeApp, secret: str | None
) -> None:
    """He knows the id of the row that he has inserted, but has no signed cookie of it."""
    app = attacked_app(make_app, secret=secret)
    logged_in(app, "alice")
    chosen = new_session_id()
    insert(app, sha256(chosen.encode()).digest(), row_of(app, "alice"))
    forged = [chosen, to_cookie(chosen, ["a guess at the secret"])]
    opened = [send(app, "/who-am-i", sent(app, value)).json for value in forged]
    assert opened == ([None, None] if secret else ["alice", None])
    # So that the row does lie in wait, and nothing but the signature keeps him out.
    right = to_cookie(chosen, [secret] if secret else [])
    assert who(holder_of(app, right)) == "alice"


@with_and_without_secret
def test_a_secret_stops_a_digest_that_is_written_over_another(
    make_app: MakeApp, secret: str | None
) -> None:
    """The victim is thrown out by it in any case."""
    app = attacked_app(make_app, secret=secret)
    alice, chosen = logged_in(app, "alice"), new_session_id()
    app.execute("UPDATE sessions SET digest = :d", d=sha256(chosen.encode()).digest())
    assert send(app, "/who-am-i", sent(app, chosen)).json == (None if secret else "alice")
    assert who(alice) is None


def copy_data(app: App, mine: SessionRow, hers: SessionRow) -> None:
    app.execute("UPDATE sessions SET data = :data WHERE id = :id", data=hers.raw, id=mine.id)


def swap_digests(app: App, mine: SessionRow, hers: SessionRow) -> None:
    for row, digest in ((mine, b"x" * 32), (hers, mine.digest), (mine, hers.digest)):
        app.execute("UPDATE sessions SET digest = :d WHERE id = :id", d=digest, id=row.id)


def move_mine_over_hers(app: App, mine: SessionRow, hers: SessionRow) -> None:
    app.execute("DELETE FROM sessions WHERE id = :id", id=mine.id)
    app.execute("UPDATE sessions SET digest = :d", d=mine.digest)


@with_and_without_secret
@pytest.mark.parametrize("write", [copy_data, swap_digests, move_mine_over_hers])
def test_no_secret_stops_a_visitor_who_writes_from_being_another(
    make_app: MakeApp, write: Any, secret: str | None
) -> None:
    """His own cookie is signed, and the table decides what it opens."""
    app = attacked_app(make_app, secret=secret)
    mallory = logged_in(app, "mallory")
    logged_in(app, "alice")
    write(app, row_of(app, "mallory"), row_of(app, "alice"))
    assert who(mallory) == "alice"


@with_and_without_secret
def test_no_secret_stops_a_visitor_who_writes_from_being_anybody(
    make_app: MakeApp, secret: str | None
) -> None:
    """What is read from the row is believed."""
    app = attacked_app(make_app, secret=secret)
    mallory = logged_in(app, "mallory")
    app.execute("UPDATE sessions SET data = :data", data=ADMIN)
    assert who(mallory) == "admin"


@with_and_without_secret
def test_no_secret_stops_a_visitor_who_writes_from_living_on(
    make_app: MakeApp, clock: Clock, secret: str | None
) -> None:
    """Times are facts in the row; but no row is there after a logout, to write them into."""
    app = attacked_app(make_app, secret=secret)
    mallory = logged_in(app, "mallory")
    clock.advance(7 * 24 * 60 * 60)
    assert who(mallory) is None
    app.execute("UPDATE sessions SET accessed = :now", now=clock())
    assert who(mallory) == "mallory"
    mallory.get("/log-out")
    assert app.rows() == []


def test_the_previous_digest_opens_nothing_whoever_has_written_it(
    make_app: MakeApp, clock: Clock
) -> None:
    """It only excuses: who has the id that belongs to it sees an empty session."""
    app = attacked_app(make_app)
    alice, chosen = logged_in(app, "alice"), new_session_id()
    app.execute(
        "UPDATE sessions SET previous = :d, rotated = :now",
        d=sha256(chosen.encode()).digest(),
        now=clock(),
    )
    assert who(holder_of(app, chosen)) is None
    send(app, "/write?x=1", sent(app, chosen))
    assert [row.data for row in app.rows()] == [{"auth.userid": "alice"}]
    assert who(alice) == "alice"


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


@with_and_without_secret
def test_a_row_that_is_garbled_is_an_empty_session(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, secret: str | None
) -> None:
    """Its visitor gets an answer and can begin anew; the log says which row, and not what."""
    app = attacked_app(make_app, secret=secret)
    alice = logged_in(app, "alice")
    row = row_of(app, "alice")
    for how, data in GARBLED.items():
        caplog.clear()
        app.execute("UPDATE sessions SET data = :data WHERE id = :id", data=data, id=row.id)
        assert who(alice) is None, how
        logged = [
            r.getMessage() for r in caplog.records if r.name.startswith("pyramid_sqlsession")
        ]
        assert [f"session {row.id} " in line for line in logged] == [True], how
        assert not any("auth.userid" in line for line in logged)


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
    row = row_of(app, "mallory")
    for column, values in EXTREME.items():
        for value in values:
            app.execute(f"UPDATE sessions SET {column} = :v WHERE id = :id", v=value, id=row.id)
            assert who(mallory) in ("mallory", None)
            assert who(alice) == "alice"
        old = row.columns[column]
        app.execute(f"UPDATE sessions SET {column} = :v WHERE id = :id", v=old, id=row.id)
