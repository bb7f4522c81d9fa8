"""Whatever a client sends as cookies, and what is sent as ours."""

from __future__ import annotations

from dataclasses import dataclass
from http.cookies import SimpleCookie
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyramid.request import Request
from pyramid.response import Response

from pyramid_sqlsession import SettingsError
from pyramid_sqlsession.cookie import FORGET, SessionCookie
from pyramid_sqlsession.session_id import new_session_id, to_cookie
from pyramid_sqlsession.settings import parse_settings
from tests.harness import App, Clock, MakeApp
from tests.harness.statements import Statements
from tests.properties.effort import examples
from tests.properties.strategies import edited, one_in

SECRET = "a secret of the application"
NAME = "session"
BLANKS = " \t"
URL_SAFE = {*ascii_letters, *digits, *"-_"}

# What a client sends


@dataclass
class Ids:
    """Cookie values of one application, by what they are."""

    alive: list[str]
    unknown: list[str]
    malformed: list[str]

    def may_be_ours(self, value: str, *, is_signed: bool) -> bool:
        """Whether it has our form; nobody but us can sign."""
        if is_signed:
            return value in (*self.alive, *self.unknown)
        return len(value) == 43 and not set(value) - URL_SAFE


def split(header: str) -> list[str]:
    """Return the values under our name, as RFC 6265 (5.4) joins them: at every semicolon."""
    pairs = [part.partition("=") for part in header.split(";")]
    return [value.strip(BLANKS + '"') for name, is_, value in pairs if name.strip(BLANKS) == NAME]


def looked_up(header: str, ids: Ids, *, is_signed: bool) -> set[str]:
    """Return those that may be ours; beyond four, none is looked up."""
    found = {value for value in split(header) if ids.may_be_ours(value, is_signed=is_signed)}
    return found if len(found) <= 4 else set()


class Client:
    """Sends a header as it stands."""

    def __init__(self, app: App) -> None:
        self.app = app

    def get(self, path: str, header: str) -> Any:
        request = Request.blank(path, environ={"HTTP_COOKIE": header})
        response = request.get_response(self.app.wsgi)
        assert response.status_int == 200
        return response

    def sees(self, header: str) -> tuple[Any, Statements]:
        """Return what the session holds, and the statements that it took."""
        with self.app.statements() as seen:
            response = self.get("/read", header)
        assert self.app.set_cookies(response) == []
        return response.json, seen


def ids_of(app: App, secret: str | None) -> Ids:
    """Begin two sessions, let another one go, and make up some more."""
    alive = []
    for who in ("alice", "bob", "carol"):
        browser = app.another_browser()
        browser.get(f"/write?who={who}")
        alive.append(str(browser.cookie))
    app.execute("DELETE FROM sessions WHERE id = 3")
    secrets = [secret] if secret else []
    unknown = [to_cookie(new_session_id(), secrets) for _ in range(3)]
    others = [] if secret else [SECRET]
    malformed = [to_cookie(new_session_id(), others), alive[0].swapcase() + "A", alive[1][:-1]]
    return Ids(alive[:2], [*unknown, alive[2]], malformed)


ODD_VALUES = [
    *("", '""', '"', "A" * 43, "A" * 44, "A" * 87, "x" * 9000, "A" * 42 + '"', "\0", "'"),
    *('"' + "A" * 42 + '\\000"', '"\\141' + "A" * 42 + '"', "%00" + "A" * 42, '\t"'),
]


def known_from(ids: Ids) -> st.SearchStrategy[str]:
    return st.sampled_from([*ids.alive, *ids.unknown, *ids.malformed])


def values_from(ids: Ids) -> st.SearchStrategy[str]:
    """Values that are or were good, and what comes near to them."""
    known = known_from(ids)
    quotes = st.sampled_from(["{}"] * 4 + ['"{}"', '"{}', '""{}"', "'{}'", "{}\\000", "{}\n"])
    quoted = st.builds(str.format, quotes, known)
    return st.one_of(quoted, edited(known, most=1), st.sampled_from(ODD_VALUES))


def headers_from(ids: Ids) -> st.SearchStrategy[str]:
    """Headers as browsers, sloppy clients and attackers write them."""
    values = values_from(ids)
    plain, ours = (
        which.map(lambda value: f"{NAME}={value}") for which in (known_from(ids), values)
    )
    names = st.sampled_from([f" {NAME}\t", "Session", f"{NAME}2", f"a{NAME}", "", "$Path", '"'])
    equals = st.sampled_from(["=", " = ", "==", "", "\t="])
    others = st.tuples(names, equals, values).map("".join)
    joints = st.sampled_from(["; ", "; ", ";", ";;", ", ", ",", " ", "\t;", '";"', "\n"])
    foreign = st.sampled_from(["lang=x", "x", '"x', "[", "\xe9"]) | st.text(max_size=5)
    odd = st.tuples(plain | ours | others | foreign, joints).map("".join)
    usual = st.lists(plain, max_size=8).map("; ".join)
    headers = st.builds("{}{}; {}".format, st.lists(odd, max_size=3).map("".join), usual, odd)
    glue = st.sampled_from([", ", ",", " ", '"', "[", "="])
    smuggled = st.tuples(foreign, glue, plain, joints, usual).map("".join)
    return one_in([usual, headers, smuggled]).map(
        lambda header: header.encode("utf-8", "replace").decode("latin-1")
    )


@pytest.mark.parametrize("secret", [None, SECRET], ids=["unsigned", "signed"])
def test_one_session_alive_is_used_and_else_none(
    make_app: MakeApp, clock: Clock, secret: str | None
) -> None:
    """Whatever else is in the header; what cannot be an id of ours costs no query."""
    client = Client(make_app(settings={"sqlsession.secret": secret}))
    ids = ids_of(client.app, secret)
    data = dict(zip(ids.alive, [{"who": "alice"}, {"who": "bob"}], strict=True))

    @examples(120)
    @given(headers_from(ids))
    def holds(header: str) -> None:
        wanted = looked_up(header, ids, is_signed=secret is not None)
        alive = wanted.intersection(ids.alive)
        held, seen = client.sees(header)
        assert held == (data[alive.pop()] if len(alive) == 1 else {})
        assert set(seen.of_session) <= {"SELECT"}
        assert bool(seen.texts) == bool(wanted)

    holds()


@pytest.mark.parametrize("secret", [None, SECRET], ids=["unsigned", "signed"])
def test_no_id_of_a_client_is_adopted(make_app: MakeApp, clock: Clock, secret: str | None) -> None:
    """Whoever writes with a header that opens nothing gets an id that is not in it."""
    client = Client(make_app(settings={"sqlsession.secret": secret}))
    ids = ids_of(client.app, secret)
    before = client.app.rows()

    @examples(15)
    @given(headers_from(Ids([], ids.unknown, ids.malformed)))
    def holds(header: str) -> None:
        [cookie] = client.app.set_cookies(client.get("/write?x=1", header))
        assert cookie.value not in header
        assert client.sees(f"{NAME}={cookie.value}")[0] == {"x": "1"}
        assert client.sees(header)[0] == {}

    holds()
    assert client.app.rows()[:2] == before


# What is sent

COOKIE_SETTINGS = {
    "cookie_name": st.sampled_from(["session", "__Host-s", "__Secure-s", "!#$%&'*+-.^_`|~0a"]),
    "cookie_path": st.sampled_from(["/", "/app", "/!#$%&'()*+-./:<=>?@[]^_`{|}~"]),
    "cookie_domain": st.sampled_from(["none", "example.com", ".a-b.example"]),
    "cookie_secure": st.sampled_from(["auto", "true", "false"]),
    "cookie_httponly": st.sampled_from(["true", "false"]),
    "cookie_samesite": st.sampled_from(["Lax", "Strict", "None", "off"]),
    "cookie_max_age": st.sampled_from(["none", "1", "15m", str(2**31 - 1)]),
    "secret": st.just(SECRET),
}


def wanted_attributes(given: dict[str, str], scheme: str) -> dict[str, Any]:
    """Return what a browser must be told, from the settings as they are written."""
    secure, domain, samesite = (
        given.get(f"cookie_{name}", default)
        for name, default in (("secure", "auto"), ("domain", "none"), ("samesite", "Lax"))
    )
    is_secure = secure == "true" or (secure == "auto" and scheme == "https")
    return {
        "path": given.get("cookie_path", "/"),
        **({} if domain == "none" else {"domain": domain}),
        **({} if samesite == "off" else {"samesite": samesite}),
        **({"httponly": True} if given.get("cookie_httponly") != "false" else {}),
        **({"secure": True} if is_secure else {}),
    }


def sent(cookie: SessionCookie, scheme: str, what: Any) -> tuple[str, str, dict[str, Any]]:
    """Return name, value and attributes of what is set, as the standard library reads them."""
    response = Response()
    cookie.tell(Request.blank("/", base_url=f"{scheme}://example.com"), response, what)
    [header] = response.headers.getall("Set-Cookie")
    [(name, morsel)] = SimpleCookie(header).items()
    return name, morsel.value, {key: value for key, value in morsel.items() if value}


@examples(150)
@given(
    st.fixed_dictionaries({}, optional=COOKIE_SETTINGS),
    st.sampled_from(["http", "https"]),
    st.none() | st.integers(1, 2**31 - 1),
)
def test_what_is_set_is_what_is_configured_and_what_deletes_it_is_alike(
    given: dict[str, str], scheme: str, lifetime: int | None
) -> None:
    """By a parser that is not ours; a life of the session's own goes before the setting."""
    try:
        settings = parse_settings({f"sqlsession.{key}": value for key, value in given.items()})
    except SettingsError:
        return  # a contradiction
    cookie, session_id = SessionCookie(settings), new_session_id()
    attributes = wanted_attributes(given, scheme)
    name = given.get("cookie_name", "session")
    assert sent(cookie, scheme, FORGET) == (name, "", {**attributes, "max-age": "0"})
    seconds = lifetime or {"1": 1, "15m": 900, str(2**31 - 1): 2**31 - 1}.get(
        given.get("cookie_max_age", "none")
    )
    max_age = {"max-age": str(seconds)} if seconds else {}
    value = to_cookie(session_id, [SECRET] if "secret" in given else [])
    told = sent(cookie, scheme, cookie.value(session_id, lifetime))
    assert told == (name, value, {**attributes, **max_age})
    request = Request.blank("/", environ={"HTTP_COOKIE": f"a=b; {name}={value}"})
    assert cookie.read(request) == [session_id]
