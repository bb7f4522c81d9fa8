"""The cookie: which ones are believed, when one is sent, and what caches are told."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import ISessionFactory

from pyramid_sqlsession.session_id import new_session_id
from tests.harness import App, Browser, Clock, MakeApp, only_on_sqlite

HTTPS = {"wsgi.url_scheme": "https"}
UNKNOWN = "A" * 43


def send(app: App, path: str, *values: str, name: str | None = None) -> Any:
    """Ask for `path` with cookies of our name as the client wrote them, in this order."""
    header = "; ".join(f"{name or app.cookie_name}={value}" for value in values)
    return app.another_browser().get(path, headers={"Cookie": header})


def visitor(app: App, path: str = "/write?x=1", **extra: Any) -> tuple[Browser, str]:
    """Make a new visitor with a session; return the browser and the cookie's value."""
    browser = app.another_browser()
    (cookie,) = app.set_cookies(browser.get(path, **extra))
    return browser, cookie.value


MALFORMED = {
    "empty": "",
    "short": "abc",
    "one character less": "A" * 42,
    "one character more": "A" * 44,
    "oversized": "A" * 5000,
    "not url-safe": "A" * 42 + "+",
    "dots": "A" * 20 + "." + "A" * 22,
    "a signature that was not asked for": "A" * 43 + "." + "A" * 43,
    "NUL": '"' + "A" * 42 + '\\000"',
    "NUL more": '"' + "A" * 43 + '\\000"',
    "line feed": '"' + "A" * 43 + '\\012"',
    "umlaut": '"' + "A" * 42 + '\\344"',
    "quotes": '"' + "A" * 21 + '\\"' + "A" * 21 + '"',
    "SQL": "' OR 1=1 --",
    "JSON": '{"x": 1}',
    "a number": "1",
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_cookie_is_a_new_session_without_a_query(
    make_app: MakeApp, value: str
) -> None:
    """No error, no statement, no cookie, and the row of another visitor is not found by it."""
    app = make_app()
    visitor(app)
    with app.statements() as seen:
        response = send(app, "/read", value)
    assert response.json == {}
    assert seen.texts == []
    assert app.set_cookies(response) == []


@pytest.mark.parametrize("value", ["A" * 42, *MALFORMED.values(), UNKNOWN])
@only_on_sqlite
def test_the_id_that_a_client_made_up_is_never_adopted(make_app: MakeApp, value: str) -> None:
    """What is written is found under an id of ours, and not under the client's."""
    app = make_app()
    (cookie,) = app.set_cookies(send(app, "/write?x=1", value))
    assert cookie.value not in ("", value)
    assert send(app, "/read", cookie.value).json == {"x": "1"}
    assert send(app, "/read", value).json == {}


def test_an_unknown_cookie_is_looked_up_and_left_alone(make_app: MakeApp) -> None:
    """It may belong to a sibling application: nothing is sent, nothing deleted."""
    app = make_app()
    visitor(app)
    with app.statements() as seen:
        response = send(app, "/read", UNKNOWN)
    assert response.json == {}
    assert set(seen.of_session) == {"SELECT"}
    assert app.set_cookies(response) == []
    assert len(app.rows()) == 1


def test_another_applications_cookie_of_another_name_costs_no_query(make_app: MakeApp) -> None:
    """Only cookies of our name are ours."""
    app = make_app()
    _, value = visitor(app)
    with app.statements() as seen:
        assert send(app, "/read", value, name="sibling").json == {}
    assert seen.texts == []


@pytest.mark.parametrize(
    "arrange",
    [
        lambda alive: [alive, UNKNOWN],
        lambda alive: [UNKNOWN, alive],
        lambda alive: ["junk", "", alive, "more junk"],
        lambda alive: ["junk"] * 20 + [alive],
        lambda alive: [new_session_id(), new_session_id(), new_session_id(), alive],
        lambda alive: [alive, alive],
    ],
)
def test_of_several_cookies_of_our_name_the_one_alive_is_used(
    make_app: MakeApp, arrange: Callable[[str], list[str]]
) -> None:
    """Found with one query, wherever it stands; what is written goes to its row."""
    app = make_app()
    _, alive = visitor(app)
    with app.statements() as seen:
        response = send(app, "/write?y=2", *arrange(alive))
    assert response.json == {"x": "1", "y": "2"}
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
    assert app.set_cookies(response) == []
    assert [row.data for row in app.rows()] == [{"x": "1", "y": "2"}]


def test_of_two_cookies_alive_none_is_used(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody can tell which one was tossed in; both rows stay, and a line in the log says so."""
    app = make_app()
    _, first = visitor(app)
    _, second = visitor(app, "/write?z=1")
    before = app.rows()
    with caplog.at_level(logging.INFO, "pyramid_sqlsession"):
        assert send(app, "/read", first, second).json == {}
    ours = [r for r in caplog.records if r.name.startswith("pyramid_sqlsession")]
    assert len(ours) == 1
    assert app.rows() == before


def test_of_more_than_four_cookies_none_is_looked_up(make_app: MakeApp) -> None:
    """What is left out could be the browser's own; a client with a hundred costs nothing."""
    app = make_app()
    _, alive = visitor(app)
    three, many = ([new_session_id() for _ in range(number)] for number in (3, 100))
    with app.statements() as seen:
        assert send(app, "/read", *three, alive).json == {"x": "1"}
    assert seen.of_session == {"SELECT": 1}
    with app.statements() as seen:
        assert send(app, "/read", *many, alive).json == {}
    assert seen.texts == []


def spellings(cookie: str) -> list[bytes]:
    """The beginning of the secret in every shape in which it might be stored by mistake."""
    session_id = cookie.split(".", maxsplit=1)[0]
    random = base64.urlsafe_b64decode(session_id + "=")
    raw = [session_id.encode()[:15], random[:15]]  # a multiple of three, so that base64 agrees
    hexadecimal = [r.hex().encode() for r in raw] + [r.hex().upper().encode() for r in raw]
    return raw + hexadecimal + [base64.b64encode(r) for r in raw]


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.mark.parametrize("secret", [None, "a signing secret"])
def test_the_cookies_value_is_neither_in_the_database_nor_in_logs_or_reprs(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, secret: str | None
) -> None:
    """Who reads the tables or the logs cannot take over a session."""
    shown: list[str] = []

    def show(request: Any) -> None:
        factory = request.registry.getUtility(ISessionFactory)
        request.session["y"] = 2
        shown.extend([repr(request.session), repr(vars(request.session)), repr(factory)])
        shown.append(repr(vars(factory)))

    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "sqlalchemy.engine")
    app = make_app(views={"/": show}, settings={"sqlsession.secret": secret})
    _, value = visitor(app)
    send(app, "/", value, UNKNOWN)
    send(app, "/", value + "x", "junk")
    assert "SELECT" in caplog.text  # the log of the statements and their parameters is on
    assert app.rows()
    stored = [as_bytes(value) for row in app.rows() for value in row.columns.values()]
    for spelling in spellings(value):
        assert not [column for column in stored if spelling in column]
        assert spelling not in caplog.text.encode()
        assert not [text for text in shown if spelling in text.encode()]
    assert not [text for text in shown if "a signing secret" in text]


def attributes(make_app: MakeApp, settings: Mapping[str, Any], **extra: Any) -> dict[str, str]:
    """The attributes with which a new session's cookie is set."""
    app = make_app(settings={f"sqlsession.{key}": value for key, value in settings.items()})
    (cookie,) = app.set_cookies(app.get("/write?x=1", **extra))
    return {name: text for name, text in cookie.attributes.items() if name != "expires"}


@only_on_sqlite
def test_the_default_cookie_is_as_strict_as_it_can_be_everywhere(make_app: MakeApp) -> None:
    """A cookie of the browser's session, out of reach of scripts and of foreign forms."""
    assert attributes(make_app, {}) == {"path": "/", "httponly": "", "samesite": "Lax"}


@only_on_sqlite
def test_over_https_the_default_cookie_is_secure(make_app: MakeApp) -> None:
    """`auto` looks at the request."""
    assert attributes(make_app, {}, extra_environ=HTTPS) == {
        "path": "/",
        "httponly": "",
        "samesite": "Lax",
        "secure": "",
    }


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"cookie_path": "/shop"}, {"path": "/shop"}),
        ({"cookie_domain": "example.com"}, {"domain": "example.com"}),
        ({"cookie_secure": "true"}, {"secure": ""}),
        ({"cookie_samesite": "Strict"}, {"samesite": "Strict"}),
        ({"cookie_samesite": "None", "cookie_secure": True}, {"samesite": "None", "secure": ""}),
        ({"cookie_samesite": "off"}, {"samesite": None}),
        ({"cookie_httponly": "false"}, {"httponly": None}),
        ({"cookie_max_age": "2h"}, {"max-age": "7200"}),
        ({"cookie_name": "__Secure-s", "cookie_secure": "true"}, {"secure": ""}),
        ({"cookie_name": "__Host-s", "cookie_secure": "true"}, {"secure": ""}),
    ],
)
@only_on_sqlite
def test_the_cookie_is_set_as_configured(
    make_app: MakeApp, settings: dict[str, Any], difference: dict[str, str | None]
) -> None:
    """Each setting changes its attribute and no other."""
    expected = {"path": "/", "httponly": "", "samesite": "Lax", **difference}
    found = attributes(make_app, settings)
    assert found == {name: text for name, text in expected.items() if text is not None}


@only_on_sqlite
def test_over_https_the_cookie_is_not_secure_when_that_is_switched_off(make_app: MakeApp) -> None:
    """`false` is not `auto`."""
    assert "secure" not in attributes(make_app, {"cookie_secure": "false"}, extra_environ=HTTPS)


@pytest.mark.parametrize(
    "settings",
    [
        {"cookie_samesite": "None"},
        {"cookie_samesite": "None", "cookie_secure": "auto"},
        {"cookie_samesite": "None", "cookie_secure": "false"},
        {"cookie_name": "__Host-s"},
        {"cookie_name": "__Host-s", "cookie_secure": "true", "cookie_domain": "example.com"},
        {"cookie_name": "__Host-s", "cookie_secure": "true", "cookie_path": "/shop"},
        {"cookie_name": "__Secure-s"},
        {"cookie_name": "__Secure-s", "cookie_secure": "auto"},
    ],
)
@only_on_sqlite
def test_a_cookie_that_no_browser_would_take_is_refused_at_start_up(
    make_app: MakeApp, settings: dict[str, str]
) -> None:
    """The message names a setting that contradicts another."""
    with pytest.raises(ConfigurationError, match=r"cookie_(secure|domain|path|samesite)"):
        make_app(settings={f"sqlsession.{key}": value for key, value in settings.items()})


def test_reading_an_existing_session_sets_no_cookie(make_app: MakeApp) -> None:
    """Nor does saving one: the browser has it already."""
    app = make_app()
    app.get("/write?x=1")
    assert app.set_cookies(app.get("/read")) == []
    assert app.set_cookies(app.get("/write?y=2")) == []


@only_on_sqlite
def test_a_save_prolongs_a_cookie_that_has_a_max_age(make_app: MakeApp, clock: Clock) -> None:
    """The cookie must not end before the session; its value stays."""
    app = make_app(settings={"sqlsession.cookie_max_age": "24h"})
    browser, value = visitor(app)
    clock.advance(6 * 60 * 60)
    (cookie,) = app.set_cookies(browser.get("/write?y=2"))
    assert (cookie.value, cookie.attributes["max-age"]) == (value, "86400")


def test_an_untouched_session_leaves_no_trace(make_app: MakeApp) -> None:
    """No query, no cookie, no Vary, with and without a cookie in the request."""
    app = make_app()
    for _ in range(2):
        with app.statements() as seen:
            response = app.get("/untouched")
        assert seen.texts == []
        assert app.set_cookies(response) == []
        assert "Vary" not in response.headers
        assert "Cache-Control" not in response.headers
        app.get("/write?x=1")


LOOKS: list[Callable[[Any], Any]] = [
    lambda request: request.session.get("x"),
    lambda request: "x" in request.session,
    lambda request: len(request.session),
    lambda request: bool(request.session),
    lambda request: request.session.new,
    lambda request: request.session.peek_flash(),
    lambda request: request.session.pop_flash(),
    lambda request: request.session.get_csrf_token(),
    lambda request: request.session.update(x=1),
    lambda request: request.session.invalidate(),
]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("known", [True, False])
def test_a_look_at_the_session_makes_the_response_vary(
    make_app: MakeApp, look: Callable[[Any], Any], known: bool
) -> None:
    """The page depends on the cookie, also when there was none."""
    app = make_app(views={"/": look})
    if known:
        app.get("/write?x=1")
    assert app.get("/").headers["Vary"] == "Cookie"


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ("Accept", {"accept", "cookie"}),
        ("Accept, Accept-Encoding", {"accept", "accept-encoding", "cookie"}),
        ("Cookie", {"cookie"}),
        ("Accept, cookie", {"accept", "cookie"}),
        ("*", {"*"}),
    ],
)
@only_on_sqlite
def test_vary_is_merged_with_what_is_there(
    make_app: MakeApp, there: str, expected: set[str]
) -> None:
    """One header, each name once; the star says it all."""

    def view(request: Any) -> None:
        request.response.headers["Vary"] = there
        request.session.get("x")

    (header,) = make_app(views={"/": view}).get("/").headers.getall("Vary")
    names = [name.strip().lower() for name in header.split(",")]
    assert len(names) == len(expected)
    assert set(names) == expected


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (None, {"private"}),
        ("max-age=60", {"max-age=60", "private"}),
        ("private", {"private"}),
        ("no-store", {"no-store"}),
        ("no-cache", {"no-cache"}),
        ("public, max-age=60", {"public", "max-age=60"}),
    ],
)
@only_on_sqlite
def test_a_response_that_sets_the_cookie_is_private(
    make_app: MakeApp, there: str | None, expected: set[str]
) -> None:
    """A shared cache must not hand one visitor's cookie to another."""

    def view(request: Any) -> None:
        if there is not None:
            request.response.headers["Cache-Control"] = there
        request.session["x"] = 1

    header = make_app(views={"/": view}).get("/").headers["Cache-Control"]
    assert {part.strip() for part in header.split(",")} == expected


@only_on_sqlite
def test_a_public_response_that_sets_the_cookie_is_warned_about_once(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """It is the application's mistake; the log is not flooded with it."""

    def view(request: Any) -> None:
        request.response.cache_control.public = True
        request.session["x"] = 1

    app = make_app(views={"/": view})
    with caplog.at_level(logging.WARNING, "pyramid_sqlsession"):
        for _ in range(3):
            app.another_browser().get("/")
    assert [r.levelname for r in caplog.records].count("WARNING") == 1


@only_on_sqlite
def test_a_response_that_sets_no_cookie_keeps_its_cache_control(make_app: MakeApp) -> None:
    """A page that only reads the session may be cached as the application says."""
    app = make_app()
    app.get("/write?x=1")
    assert "Cache-Control" not in app.get("/read").headers


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"cookie_path": "/shop", "cookie_domain": "example.com", "cookie_samesite": "Strict"},
        {"cookie_max_age": "1h", "cookie_httponly": "false", "cookie_samesite": "off"},
        {"cookie_samesite": "None", "cookie_secure": "true"},
        {"cookie_name": "__Host-s", "cookie_secure": "true"},
        {"cookie_name": "__Secure-s", "cookie_secure": "true", "cookie_domain": "example.com"},
    ],
)
@only_on_sqlite
def test_deletion_carries_the_attributes_of_setting(
    make_app: MakeApp, settings: dict[str, str]
) -> None:
    """Browsers ignore a deletion that differs, above all for names with a prefix."""
    app = make_app(
        views={"/leave": lambda request: request.session.invalidate()},
        settings={f"sqlsession.{key}": value for key, value in settings.items()},
    )
    (setting,) = app.set_cookies(app.another_browser().get("/write?x=1", extra_environ=HTTPS))
    browser = app.another_browser()
    header = {"Cookie": f"{app.cookie_name}={setting.value}"}
    (deletion,) = app.set_cookies(browser.get("/leave", headers=header, extra_environ=HTTPS))
    assert deletion.deletes
    assert lasting(deletion.attributes) == lasting(setting.attributes)


def lasting(attributes: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in attributes.items() if k not in ("max-age", "expires")}


FIRST, SECOND = "the first of two secrets", "the second of two secrets"
SECRET = {"sqlsession.secret": FIRST}


@pytest.mark.parametrize(
    "forge",
    [
        lambda value: value.split(".")[0],
        lambda value: value[:-1] + ("A" if value[-1] != "A" else "B"),
        lambda value: ("A" if value[0] != "A" else "B") + value[1:],
        lambda value: new_session_id() + "." + value.split(".")[1],
        lambda value: value.split(".")[0] + ".",
        lambda value: value + "." + value.split(".")[1],
        lambda value: "",
    ],
)
def test_a_forged_or_unsigned_cookie_costs_no_query(
    make_app: MakeApp, forge: Callable[[str], str]
) -> None:
    """The signature is checked before the database is asked."""
    app = make_app(settings=SECRET)
    _, value = visitor(app)
    with app.statements() as seen:
        response = send(app, "/read", forge(value))
    assert response.json == {}
    assert seen.texts == []
    assert app.set_cookies(response) == []


def test_a_signed_cookie_opens_its_session(make_app: MakeApp) -> None:
    """Among forged ones too, which are not looked up."""
    app = make_app(settings=SECRET)
    _, value = visitor(app)
    assert send(app, "/read", value).json == {"x": "1"}
    assert send(app, "/read", value[:-1] + "!", UNKNOWN, value).json == {"x": "1"}


def test_of_several_secrets_the_first_signs_and_all_verify(make_app: MakeApp) -> None:
    """A secret is changed by putting the new one first."""
    before = make_app(settings=SECRET)
    _, old = visitor(before)
    between = make_app(settings={"sqlsession.secret": f"{SECOND}\n{FIRST}"})
    assert send(between, "/read", old).json == {"x": "1"}
    _, new = visitor(between, "/write?x=2")
    after = make_app(settings={"sqlsession.secret": SECOND})
    assert send(after, "/read", new).json == {"x": "2"}
    assert send(before, "/read", new).json == {}


def test_dropping_a_secret_ends_its_sessions(make_app: MakeApp) -> None:
    """Their cookies are forged ones from now on: without a query."""
    _, old = visitor(make_app(settings=SECRET))
    app = make_app(settings={"sqlsession.secret": SECOND})
    with app.statements() as seen:
        assert send(app, "/read", old).json == {}
    assert seen.texts == []


def test_a_signature_takes_nothing_away_from_the_database(make_app: MakeApp) -> None:
    """Without the secret the same id opens nothing, with it everything."""
    signed = make_app(settings=SECRET)
    _, value = visitor(signed)
    unsigned = make_app()
    assert send(unsigned, "/read", value).json == {}
    assert send(unsigned, "/read", value.split(".")[0]).json == {"x": "1"}
