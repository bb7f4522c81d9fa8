"""Payloads: the attacker decides what an application puts into his session."""

from __future__ import annotations

from typing import Any

import pytest
from pyramid.response import Response

from pyramid_sqlsession import UnstorableValueError
from tests.attacks.scenes import attacked_app, logged_in, who
from tests.harness import App, Browser, MakeApp

MEGABYTE = 1_000_000


def nested(depth: int) -> Any:
    value: Any = "the innermost"
    for level in range(depth):
        value = {"x": value} if level % 2 else [value]
    return value


def put(request: Any) -> str:
    """Store what the test has prepared."""
    request.session["payload"] = request.registry["payload"]
    return "stored"


def look(request: Any) -> bool:
    """Whether the session still holds just what was prepared."""
    return bool(request.session.get("payload") == request.registry["payload"])


def refuse(error: Any, request: Any) -> Response:
    return Response("refused", status=400)


def app_for(make_app: MakeApp) -> App:
    return attacked_app(
        make_app,
        views={"/put": put, "/look": look},
        exception_views={UnstorableValueError: refuse},
    )


def is_stored(app: App, browser: Browser, payload: Any) -> bool:
    """Whether it was stored and is there afterwards; otherwise nothing must have changed."""
    app.registry["payload"] = payload
    before = [row.raw for row in app.rows()]
    response = browser.get("/put", status="*")
    if response.status_int == 200:
        assert browser.get("/look").json is True
        return True
    assert response.text == "refused"
    assert [row.raw for row in app.rows()] == before
    return False


def test_a_deep_payload_is_stored_whole_or_refused(make_app: MakeApp) -> None:
    """Where the interpreter ends, so does what may be stored; the session goes on."""
    app = app_for(make_app)
    alice = logged_in(app, "alice")
    found = [is_stored(app, alice, nested(depth)) for depth in (10, 100, 200)]
    assert found == [True, True, True]
    assert not is_stored(app, alice, nested(100_000))
    assert who(alice) == "alice"


def test_a_payload_that_contains_itself_is_refused(make_app: MakeApp) -> None:
    """It has no end."""
    app = app_for(make_app)
    alice = logged_in(app, "alice")
    endless: list[Any] = []
    endless.append({"x": endless})
    app.registry["payload"] = endless
    assert alice.get("/put", status="*").text == "refused"
    assert who(alice) == "alice"


def test_a_large_payload_is_stored_whole(make_app: MakeApp) -> None:
    """No database cuts it, and nobody else has to wait for it to be read."""
    app = app_for(make_app)
    alice, bob = logged_in(app, "alice"), logged_in(app, "bob")
    assert is_stored(app, alice, "x" * MEGABYTE)
    assert is_stored(app, alice, {str(number): number for number in range(50_000)})
    with app.statements() as seen:
        assert who(bob) == "bob"
    assert seen.of_session == {"SELECT": 1}


@pytest.mark.parametrize("number", [10**4299, -(10**5000)], ids=["long", "too long"])
def test_a_number_that_python_would_not_read_again_is_not_written(
    make_app: MakeApp, number: int
) -> None:
    """Python converts no more than 4300 digits, in either direction."""
    app = app_for(make_app)
    alice = logged_in(app, "alice")
    assert is_stored(app, alice, number) is (number > 0)
    assert who(alice) == "alice"


ODD = {
    "half a character": "\ud83d",
    "halves that make no whole": "\ude00\ud83d",
    "NUL": "\x00",
    "NUL in the middle": "alice\x00mallory",
    "an escaped NUL": "\\u0000",
    "no character": "\uffff\ufffe\U0010ffff",
    "byte order mark": "\ufeff",
    "right to left": "\u202eecila",
    "beyond the first plane": "\U0001f600" * 10,
    "control characters": "".join(map(chr, range(32))) + "\x7f\x85\u2028\u2029",
    "quotes and backslashes": "'\"\\`%s%(x)s:x{}?",
    "nothing": "",
    "spaces": "  \t\n ",
}


def test_odd_text_is_the_same_afterwards(make_app: MakeApp) -> None:
    """As a value and as a key, whatever a database thinks of it."""
    app = app_for(make_app)
    alice = logged_in(app, "alice")
    for how, text in ODD.items():
        assert is_stored(app, alice, {"value": text, text: how}), how
        assert is_stored(app, alice, [text] * 3), how
    assert who(alice) == "alice"


TWINS = [
    ("\xe9", "e\u0301"),  # composed and decomposed
    ("\u212b", "\xc5"),  # the sign of a unit and the letter
    ("\ufb01", "fi"),  # a ligature
    ("alice", "ALICE"),
    ("alice", "alice "),
    ("alice", "alice\x00"),
    ("alice", "al\u0131ce"),  # without a dot
    ("stra\xdfe", "strasse"),
    ("\u0430dmin", "admin"),  # Cyrillic
]


def test_keys_that_look_alike_stay_apart(make_app: MakeApp) -> None:
    """Nobody takes another's place by a name that a database or a reader takes for the same."""
    app = app_for(make_app)
    alice = logged_in(app, "alice")
    for one, other in TWINS:
        assert one != other
        assert is_stored(app, alice, {one: "one", other: "other"})
        app.registry["payload"] = {one: "one"}
        alice.get("/put")
        app.registry["payload"] = {other: "one"}
        assert alice.get("/look").json is False


def test_a_key_that_is_called_like_a_column_is_only_a_key(make_app: MakeApp) -> None:
    """What a visitor puts into the session changes nothing of its row but the data."""
    app = app_for(make_app)
    alice = logged_in(app, "alice")
    [before] = app.rows()
    names = [*before.columns, "__class__", "_state", "new", "expires", "invalidate"]
    alice.get("/write?" + "&".join(f"{name}=1" for name in names))
    [after] = app.rows()
    assert {**before.columns, "data": "", "version": 0, "accessed": 0} == {
        **after.columns,
        "data": "",
        "version": 0,
        "accessed": 0,
    }
    assert who(alice) == "alice"
