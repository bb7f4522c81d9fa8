"""Whatever stands in a row: its session, or an empty one, and nobody else is the worse for it."""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyramid.request import Request
from sqlalchemy import LargeBinary
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pyramid_sqlsession import SessionMixin
from pyramid_sqlsession.census import take_census
from pyramid_sqlsession.encryption import KeyRing
from pyramid_sqlsession.pruning import prune_sessions
from pyramid_sqlsession.session_id import new_session_id
from tests.harness import App, Clock, MakeApp
from tests.harness.sessions import model_of, write_rows
from tests.properties.effort import examples
from tests.properties.strategies import JSON_OBJECTS, JSON_VALUES, TEXTS, edited

IDLE, ABSOLUTE = 3600, 86400
KEY = b"k" * 32
RING = KeyRing([KEY])
SETTINGS = {"sqlsession.expiration": str(IDLE), "sqlsession.absolute_expiration": str(ABSOLUTE)}
NOW = Clock().now
OTHERS, OURS = 1, 10**9  # which no sequence has come to


class Base(DeclarativeBase):
    """An application's."""


class Binary(SessionMixin, Base):
    """Sessions in a column of bytes."""

    __tablename__ = "binary_sessions"
    data: Mapped[Any] = mapped_column(
        LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
    )


def numbers(bits: int, *usual: int) -> st.SearchStrategy[int]:
    """Whatever a column of so many bits holds, and what it usually does."""
    most = 2 ** (bits - 1) - 1
    odd = st.integers(-most - 1, most) | st.sampled_from([-most - 1, -1, 0, 1, most - 1, most])
    around = st.sampled_from([number + more for number in usual for more in (-1, 0, 1)])
    return (around | odd) if usual else odd


FACTS = st.fixed_dictionaries(
    {
        "created": numbers(64, NOW, NOW - ABSOLUTE),
        "accessed": numbers(64, NOW, NOW - IDLE),
        "lifetime": st.none() | numbers(32, 60),
        "expires": numbers(64, NOW, NOW + IDLE),
        "version": numbers(32, 1),
        "rotated": st.none() | numbers(64, NOW - 60),
    }
)
LAST = {
    "created": NOW,
    "accessed": 2**63 - 1,
    "lifetime": 2**31 - 1,
    "expires": 2**63 - 1,
    "version": 2**31 - 1,
    "rotated": 2**63 - 1,
}
GARBLED = (
    JSON_VALUES.map(json.dumps).map(str.encode)
    | st.binary(max_size=40)
    | TEXTS.map(lambda text: text.encode("utf-8", "ignore"))
)
PLAIN = JSON_OBJECTS.map(json.dumps).map(str.encode)
LIKE_JSON = edited(JSON_OBJECTS.map(json.dumps)).map(lambda text: text.encode("utf-8", "ignore"))


class Victim:
    """The holder of a session in whose row somebody else has written."""

    def __init__(self, app: App, *, is_binary: bool) -> None:
        self.app, self.is_binary = app, is_binary
        self.model = model_of(app.registry)
        self.own = new_session_id()
        self.cookie: str = self.own
        self.digest = sha256(self.own.encode()).digest()

    def gets(self, facts: dict[str, Any], data: bytes, *, is_sealed: bool) -> bytes:
        """Write a row, all others but one being gone, and return what stands in it for data."""
        if is_sealed:
            sealed = RING.seal(data, digest=self.digest, created=facts["created"])
            data = sealed if self.is_binary else b64encode(sealed)
        if not self.is_binary:  # a text that every database takes
            data = data.decode("utf-8", "ignore").replace("\0", "").encode()
        self.cookie = self.own
        self.app.execute(f"DELETE FROM {self.app.table} WHERE id <> {OTHERS}")
        held = data if self.is_binary else data.decode()
        row = {**facts, "id": OURS, "digest": self.digest, "data": held}
        write_rows(self.app.session_probe, self.model, [row])
        return data

    def gets_back(self, path: str) -> Any:
        """Return what the session holds, and go on with the cookie that comes."""
        header = f"{self.app.cookie_name}={self.cookie}"
        request = Request.blank(path, environ={"HTTP_COOKIE": header})
        response = request.get_response(self.app.wsgi)
        assert response.status_int == 200
        for cookie in self.app.set_cookies(response):
            self.cookie = cookie.value
        return response.json


def is_alive(facts: dict[str, Any]) -> bool:
    """Whether the session lives, as the design has it."""
    idle = IDLE if facts["lifetime"] is None else facts["lifetime"]
    return bool(facts["accessed"] + idle > NOW and facts["created"] + ABSOLUTE > NOW)


def as_session(data: bytes) -> dict[str, Any]:
    """Return what JSON by the letter says, nothing if it is none."""

    def refuse(_: str) -> None:
        raise ValueError

    try:
        read = json.loads(data.decode(), parse_constant=refuse)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


KINDS = pytest.mark.parametrize("is_binary", [False, True], ids=["text", "bytes"])


def victim_of(make_app: MakeApp, *, is_binary: bool, is_encrypted: bool) -> Victim:
    """Build an application, in which somebody else has a session."""
    settings: dict[str, Any] = dict(SETTINGS)
    if is_encrypted:
        settings["sqlsession.encryption_keys"] = urlsafe_b64encode(KEY).decode()
    table = Binary.__tablename__ if is_binary else "sessions"
    if is_binary:
        settings["sqlsession.model"] = Binary
    app = make_app(settings=settings, views={"/all": show_all}, table=table)
    app.get("/write?who=alice")
    return Victim(app, is_binary=is_binary)


def show_all(request: Any) -> Any:
    """Show all sessions, as an application may do that lists them."""
    store = request.session_store
    rows = list(store.find(include_expired=True))
    return {row.id: store.data(row) for row in rows}, store.count()


@KINDS
@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "encrypted"])
def test_whatever_stands_in_a_row_it_is_no_error(
    make_app: MakeApp, clock: Clock, is_binary: bool, is_encrypted: bool
) -> None:
    """What can be read, and lives, is the session; else it is empty and another one begins."""
    victim = victim_of(make_app, is_binary=is_binary, is_encrypted=is_encrypted)

    @examples(20)
    @given(FACTS, PLAIN | LIKE_JSON | GARBLED, st.sampled_from([is_encrypted] * 3 + [True]))
    @example(LAST, b'{"a":1}', is_encrypted)
    @example(LAST, b'{"a":NaN}', is_encrypted)
    def holds(facts: dict[str, Any], data: bytes, is_sealed: bool) -> None:
        stored = victim.gets(facts, data, is_sealed=is_sealed)
        read = as_session(data if is_encrypted else stored) if is_sealed == is_encrypted else {}
        session = read if is_alive(facts) else {}
        assert victim.gets_back("/read") == session
        assert victim.gets_back("/write?x=1") == {**session, "x": "1"}
        assert victim.gets_back("/read") == {**session, "x": "1"}
        assert victim.app.get("/read").json == {"who": "alice"}

    holds()


@KINDS
def test_rows_that_nobody_can_read_are_listed_counted_and_pruned(
    make_app: MakeApp, clock: Clock, is_binary: bool
) -> None:
    """No number is beyond what the database calculates with."""
    victim = victim_of(make_app, is_binary=is_binary, is_encrypted=False)
    app = victim.app

    @examples(10)
    @given(FACTS, PLAIN | GARBLED)
    def holds(facts: dict[str, Any], data: bytes) -> None:
        stored = victim.gets(facts, data, is_sealed=False)
        listed, count = app.get("/all").json
        assert listed == {str(OTHERS): {"who": "alice"}, str(OURS): as_session(stored)}
        assert count == take_census(app.registry).all.live == 1 + is_alive(facts)
        is_due = not is_alive(facts) and facts["expires"] <= NOW
        is_odd = facts["expires"] < -1  # where the walk begins
        assert prune_sessions(app.registry).deleted in ({False, is_due} if is_odd else {is_due})
        assert app.get("/read").json == {"who": "alice"}

    holds()
