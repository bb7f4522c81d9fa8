"""A stolen table: the attacker reads it, in a backup or by SQL injection, or even writes it.

What each can do, without anything, with `secret`, and with `encryption_keys`:

- Who reads it opens no session: it holds digests, and no cookie can be made of one. But without
  keys the content is there as it is, the tokens against forged forms and the user ids too.
- Who writes it makes a row for an id of his own choice. `secret` stops that: he has no cookie for
  it, as only the application signs. Keys stop it too: what he puts there does not open.
- Who writes it and is also a visitor has a signed cookie of his own. `secret` does not stop him
  from copying the content of another row into his, from writing into it whatever he likes, and
  from moving his digest to another row. Keys do: content opens under no other id than the one that
  it was sealed for.
- Nothing stops him from putting back what his own row held, or the row itself, and from keeping
  his session from being idle. Keys do stop him from having it begin later than it did.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from pyramid_sqlsession.session_id import new_session_id, to_cookie
from tests.attacks.scenes import (
    Protection,
    attacked_app,
    holder_of,
    logged_in,
    protected_app,
    row_of,
    send,
    sent,
    under_every_protection,
    who,
)
from tests.harness import App, Clock, MakeApp, SessionRow

ADMIN = json.dumps({"auth.userid": "admin"})
FACTS = "created, accessed, expires, version, data"


def insert(app: App, digest: bytes, row: SessionRow) -> None:
    """Copy a row, under another digest."""
    app.execute(
        f"INSERT INTO sessions (digest, {FACTS}) SELECT :digest, {FACTS} FROM sessions"
        " WHERE id = :id",
        digest=digest,
        id=row.id,
    )


# Who reads


@under_every_protection
def test_no_cell_of_the_table_opens_a_session(make_app: MakeApp, by: Protection) -> None:
    """Neither as it is nor signed by a visitor's own signature."""
    app = protected_app(make_app, by)
    alice, mallory = logged_in(app, "alice"), logged_in(app, "mallory")
    _, dot, signature = str(mallory.cookie).partition(".")
    cells = [cell for row in app.rows() for cell in row.columns.values()]
    texts = [cell.hex() if isinstance(cell, bytes) else str(cell) for cell in cells]
    for text in texts:
        for value in (text, text.ljust(43, "A")[:43], text.ljust(43, "A")[:43] + dot + signature):
            assert send(app, "/who-am-i", sent(app, value)).json is None
    assert who(alice) == "alice"


@under_every_protection
def test_only_keys_hide_what_a_session_holds(make_app: MakeApp, by: Protection) -> None:
    """A signature hides nothing: without keys, what must stay secret does not belong there."""
    app = protected_app(make_app, by)
    alice = logged_in(app, "alice")
    alice.get("/write?card=4711")
    assert ("4711" in str(row_of(app, alice).columns)) is not bool(by.keys)


@under_every_protection
def test_a_copy_of_the_table_in_another_database_serves_nobody_else(
    make_app: MakeApp, by: Protection
) -> None:
    """Restored behind an application of the attacker's, it lets in those who were in already."""
    app = protected_app(make_app, by)
    alice = logged_in(app, "alice")
    copy = protected_app(make_app, by, table="copied")
    copy.execute(
        f"INSERT INTO copied (id, digest, {FACTS}) SELECT id, digest, {FACTS} FROM sessions"
    )
    assert who(holder_of(copy, alice.cookie)) == "alice"
    assert who(copy.another_browser()) is None
    assert [row.digest for row in copy.rows()] == [row_of(app, alice).digest]


# Who writes


@under_every_protection
def test_a_row_for_an_id_of_the_attackers_choice_is_stopped(
    make_app: MakeApp, by: Protection
) -> None:
    """He knows the id, but has no signed cookie of it, or what he has inserted does not open."""
    app = protected_app(make_app, by)
    alice, chosen = logged_in(app, "alice"), new_session_id()
    insert(app, sha256(chosen.encode()).digest(), row_of(app, alice))
    forged = [chosen, to_cookie(chosen, ["a guess at the secret"])]
    opened = [send(app, "/who-am-i", sent(app, value)).json for value in forged]
    assert opened == (["alice", None] if by == Protection() else [None, None])
    # The row does lie in wait: nothing but the signature, or the keys, keeps him out.
    right = to_cookie(chosen, [by.secret] if by.secret else [])
    assert who(holder_of(app, right)) == (None if by.keys else "alice")


@under_every_protection
def test_a_digest_that_is_written_over_another_is_stopped(
    make_app: MakeApp, by: Protection
) -> None:
    """The victim is thrown out by it in any case."""
    app = protected_app(make_app, by)
    alice, chosen = logged_in(app, "alice"), new_session_id()
    app.execute("UPDATE sessions SET digest = :d", d=sha256(chosen.encode()).digest())
    opened = send(app, "/who-am-i", sent(app, chosen)).json
    assert opened == ("alice" if by == Protection() else None)
    assert who(alice) is None


def copy_data(app: App, mine: SessionRow, hers: SessionRow) -> None:
    app.execute("UPDATE sessions SET data = :data WHERE id = :id", data=hers.raw, id=mine.id)


def copy_data_and_times(app: App, mine: SessionRow, hers: SessionRow) -> None:
    app.execute("UPDATE sessions SET created = :c", c=hers.columns["created"])
    copy_data(app, mine, hers)


def swap_digests(app: App, mine: SessionRow, hers: SessionRow) -> None:
    for row, digest in ((mine, b"x" * 32), (hers, mine.digest), (mine, hers.digest)):
        app.execute("UPDATE sessions SET digest = :d WHERE id = :id", d=digest, id=row.id)


def move_mine_over_hers(app: App, mine: SessionRow, hers: SessionRow) -> None:
    app.execute("DELETE FROM sessions WHERE id = :id", id=mine.id)
    app.execute("UPDATE sessions SET digest = :d", d=mine.digest)


@under_every_protection
@pytest.mark.parametrize(
    "write", [copy_data, copy_data_and_times, swap_digests, move_mine_over_hers]
)
def test_only_keys_stop_a_visitor_who_writes_from_being_another(
    make_app: MakeApp, write: Any, by: Protection
) -> None:
    """His own cookie is signed, and the table decides what it opens."""
    app = protected_app(make_app, by)
    mallory, alice = logged_in(app, "mallory"), logged_in(app, "alice")
    write(app, row_of(app, mallory), row_of(app, alice))
    assert who(mallory) == (None if by.keys else "alice")


@under_every_protection
def test_only_keys_stop_a_visitor_who_writes_from_being_anybody(
    make_app: MakeApp, by: Protection
) -> None:
    """Without them what is read from the row is believed."""
    app = protected_app(make_app, by)
    mallory = logged_in(app, "mallory")
    app.execute("UPDATE sessions SET data = :data", data=ADMIN)
    assert who(mallory) == (None if by.keys else "admin")


@under_every_protection
def test_nothing_stops_a_visitor_who_writes_from_being_what_he_was(
    make_app: MakeApp, by: Protection
) -> None:
    """What his row held before opens in it again; and so does the row, after his logout."""
    app = protected_app(make_app, by)
    mallory = logged_in(app, "mallory")
    mallory.get("/write?credit=100")
    before = row_of(app, mallory)
    mallory.get("/write?credit=0")
    copy_data(app, row_of(app, mallory), before)
    assert mallory.get("/read").json["credit"] == "100"
    cookie = mallory.cookie
    mallory.get("/log-out")
    assert app.rows() == []
    names = ", ".join(before.columns)
    values = ", ".join(f":{name}" for name in before.columns)
    app.execute(f"INSERT INTO sessions ({names}) VALUES ({values})", **before.columns)
    assert who(holder_of(app, cookie)) == "mallory"


WEEK = 7 * 24 * 60 * 60


@under_every_protection
def test_only_keys_stop_a_visitor_who_writes_from_living_on(
    make_app: MakeApp, clock: Clock, by: Protection
) -> None:
    """He is never idle, but the time when the session began is sealed with its content."""
    limit = {"sqlsession.absolute_expiration": "10d"}
    app = protected_app(make_app, by, settings=limit)
    mallory = logged_in(app, "mallory")
    clock.advance(WEEK)
    assert who(mallory) is None
    app.execute("UPDATE sessions SET accessed = :now", now=clock())
    assert who(mallory) == "mallory"
    clock.advance(WEEK)
    app.execute("UPDATE sessions SET accessed = :now", now=clock())
    assert who(mallory) is None
    app.execute("UPDATE sessions SET created = :now", now=clock())
    assert who(mallory) == (None if by.keys else "mallory")


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
