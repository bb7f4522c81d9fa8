"""False cookies: the attacker knows much of a session, but not its id."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

from pyramid.authentication import AuthTktCookieHelper
from pyramid.request import Request
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory

from pyramid_sqlsession.session_id import to_cookie
from tests.attacks.scenes import (
    SECRET,
    attacked_app,
    holder_of,
    logged_in,
    send,
    sent,
    who,
    with_and_without_secret,
)
from tests.harness import MakeApp


def spellings(digest: bytes) -> Iterator[str]:
    """A digest as one may try to send it."""
    for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.b32encode):
        encoded = encode(digest).decode()
        yield from (encoded, encoded.rstrip("="))
    yield from (digest.hex(), digest.hex().upper(), "\\x" + digest.hex(), "0x" + digest.hex())
    yield digest.decode("latin-1")
    yield repr(digest)
    yield "".join(f"\\{octet:03o}" for octet in digest)
    yield str(int.from_bytes(digest, "big"))


@with_and_without_secret
def test_a_digest_in_the_cookie_opens_nothing(make_app: MakeApp, secret: str | None) -> None:
    """That of now and the one before, in all spellings; one is 43 url-safe characters."""
    app = attacked_app(make_app, secret=secret)
    alice = app.another_browser()
    alice.get("/write?x=1")
    alice.get("/log-in?user=alice")
    [row] = app.rows()
    digests = (row.digest, bytes(row.columns["previous"]))
    tried = [text for digest in digests for text in spellings(digest)]
    assert [text for text in tried if len(text) == 43]
    for text in tried:
        for value in (text, f"{text}.{'A' * 43}"):
            assert send(app, "/who-am-i", sent(app, value)).json is None
    assert who(alice) == "alice"


def form(request: Any) -> str:
    token: str = request.session.new_csrf_token()
    return token


@with_and_without_secret
def test_what_is_public_of_a_session_opens_nothing(make_app: MakeApp, secret: str | None) -> None:
    """Its public id, its times, its user, and the token that is in its forms."""
    app = attacked_app(
        make_app, secret=secret, views={"/form": lambda r: r.session.new_csrf_token()}
    )
    alice = logged_in(app, "alice")
    token = alice.get("/form").json
    [row] = app.rows()
    public = [str(value) for value in row.columns.values()]
    for value in [*public, token, token.ljust(43, "0"), str(row.id).zfill(43), "alice"]:
        assert send(app, "/who-am-i", sent(app, value)).json is None


CHANGES: dict[str, Callable[[str], str]] = {
    "cases swapped": str.swapcase,
    "a character less": lambda value: value[:-1],
    "a character more": lambda value: value + "A",
    "another last character": lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"),
    "a wild card": lambda value: "%" * len(value),
    "wild cards": lambda value: value[:-1] + "_" if value[-1] != "_" else value[:-2] + "__",
    "twice": lambda value: value * 2,
    "percent-encoded": lambda value: f"%{ord(value[0]):x}{value[1:]}",
    "backwards": lambda value: value[::-1],
}


@with_and_without_secret
def test_almost_the_right_cookie_opens_nothing(make_app: MakeApp, secret: str | None) -> None:
    """Whatever a database thinks of letters, spaces and wild cards."""
    app = attacked_app(make_app, secret=secret)
    alice = logged_in(app, "alice")
    cookie = str(alice.cookie)
    for how, change in CHANGES.items():
        assert change(cookie) != cookie
        assert send(app, "/who-am-i", sent(app, change(cookie))).json is None, how


def test_the_session_of_another_application_opens_none_here(make_app: MakeApp) -> None:
    """Though both have one database and one secret; each has its own table."""
    here = attacked_app(make_app, secret=SECRET)
    there = attacked_app(make_app, secret=SECRET, table="others")
    logged_in(here, "alice")
    theirs = logged_in(there, "alice")
    assert who(holder_of(here, theirs.cookie)) is None


def test_what_else_is_signed_with_the_same_secret_opens_nothing(make_app: MakeApp) -> None:
    """Pyramid's own cookies, under our name; the database is not even asked."""
    app = attacked_app(make_app, secret=SECRET)
    alice = logged_in(app, "alice")
    with app.statements() as seen:
        for value in signed_otherwise(app, str(alice.cookie).split(".")[0]):
            assert send(app, "/who-am-i", sent(app, value)).json is None
    assert seen.texts == []


def signed_otherwise(app: Any, session_id: str) -> Iterator[str]:
    """Cookies of others, and a session's own signed with another secret."""
    request = Request.blank("/")
    request.registry, request.response = app.registry, Response()
    session = SignedCookieSessionFactory(SECRET)(request)
    session["auth.userid"] = "alice"
    request._process_response_callbacks(request.response)
    yield request.response.headers["Set-Cookie"].split(";")[0].partition("=")[2]
    [(_, header), *_] = AuthTktCookieHelper(SECRET).remember(request, "alice")
    yield header.split(";")[0].partition("=")[2]
    yield to_cookie(session_id, ["another secret, as long"])
    yield session_id
