"""The panel for pyramid_debugtoolbar says what the session did in each request, and why."""

from __future__ import annotations

import html
import pickle
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import text

from pyramid_sqlsession.lifecycle import WHEN_OVER
from pyramid_sqlsession.toolbar import changes, statements
from pyramid_sqlsession.toolbar.account import Account
from tests.harness import App, Clock, MakeApp, Note, only_on_sqlite
from tests.harness.endings import Handled, after, and_doom, and_raise_a_handled_error, answer
from tests.harness.toolbars import listening_toolbar

HERE = {"REMOTE_ADDR": "127.0.0.1"}
HOUR = 3_600

SETTINGS = {
    "debugtoolbar.includes": "pyramid_sqlsession.toolbar",
    "debugtoolbar.intercept_exc": "false",
}


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    with listening_toolbar():
        yield
    statements.stop_listening()


MakeToolbar = Callable[..., App]


@pytest.fixture
def make_shown(make_app: MakeApp) -> MakeToolbar:
    """Make an application with the toolbar and our panel."""

    def make(**kw: Any) -> App:
        settings = SETTINGS | kw.pop("settings", {})
        return make_app(includes=["pyramid_debugtoolbar"], settings=settings, **kw)

    return make


def panel(app: App) -> Any:
    """The panel of the last request."""
    history = app.registry.pdtb_history
    (found,) = [one for one in history.last(1)[0][1].panels if one.name == "sqlsession"]
    return found


def visit(app: App, path: str, **kw: Any) -> Account:
    """What is told of the session that a request has used."""
    app.browser.get(path, extra_environ=HERE, status="*", **kw)
    (account,) = panel(app).accounts
    return account  # type: ignore[no-any-return]  # the toolbar is not annotated


def page(app: App) -> str:
    """What the toolbar shows in the panel of the last request, without its tags."""
    request_id, _ = app.registry.pdtb_history.last(1)[0]
    address = f"/_debug_toolbar/{request_id}"
    whole = app.another_browser().get(address, extra_environ=HERE).text
    _, _, rest = whole.partition('id="pDebugPanel-sqlsession-content"')
    part = rest.partition('id="pDebugPanel-')[0]
    assert part
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", part)).split())


# What the session did


def look(request: Any) -> int:
    return len(request.session)


def end_elsewhere(request: Any) -> None:
    request.session["late"] = 1
    request.session_store.revoke_all()


def put(**values: Any) -> Callable[[Any], None]:
    return lambda request: request.session.update(values)


def skip(request: Any) -> None:
    request.session.skip_touch()


def log_in(request: Any) -> None:
    request.session["auth.userid"] = 7


def live_longer(request: Any) -> None:
    request.session.set_expiration(30 * 24 * HOUR)


def begin_again(request: Any) -> None:
    request.session.invalidate()
    request.session["x"] = 2


VIEWS = {
    "/look": look,
    "/put": put(x=2),
    "/doom": after(put(x=2), and_doom),
    "/fail": after(put(x=2), and_raise_a_handled_error),
    "/hold-a-set": after(put(x={1}), and_doom),
    "/skip": skip,
    "/log-in": log_in,
    "/regenerate": lambda request: request.session.regenerate_id(),
    "/live-longer": live_longer,
    "/leave": lambda request: request.session.invalidate(),
    "/begin-again": begin_again,
    "/end-elsewhere": end_elsewhere,
    "/empty": lambda request: request.session.clear(),
}

UNCHANGED = "Nothing: the session is unchanged."
HAS_IT = "It was not sent: the browser has the right one."
NO_ROW = "It was not sent: there is no row."
NOT_DUE = "It was not noted: it was not due, as the last was noted 0 s ago."
SAVED = "It was saved, which notes it."

# The page; whether the visitor is known; what is told of it.
SCENES = [
    ("/look", True, "read", "opens session 1, which", UNCHANGED, NOT_DUE, "is unchanged", HAS_IT),
    (
        *("/look", False, "empty", "No cookie was sent", "an empty session has no row"),
        *("nothing to note it in", "It has none", NO_ROW),
    ),
    (
        *(
            "/put",
            True,
            "saved",
            "opens session 1",
            "is version 2 of the data",
            SAVED,
        ),
        *("is unchanged", HAS_IT),
    ),
    (
        *(
            "/put",
            False,
            "new",
            "No cookie",
            "A new row was inserted, session 1",
            SAVED,
        ),
        *("got its first one", "It was sent: the browser did not have this id"),
    ),
    (
        *("/doom", True, "read", "opens session 1", "was rolled back with the", NOT_DUE),
        *("is unchanged", HAS_IT),
    ),
    (
        *("/doom", False, "empty", "No cookie", "was rolled back with the", "nothing to note"),
        *("has none", NO_ROW),
    ),
    (
        *("/hold-a-set", True, "read", "opens session 1", "was rolled back with the", NOT_DUE),
        *("is unchanged", HAS_IT),
    ),
    ("/skip", True, "read", "opens", UNCHANGED, "skip_touch() was called", "unchanged", HAS_IT),
    (
        *("/log-in", True, "saved", "opens", "version 2", SAVED),
        *("has logged in or out (auth.userid)", "did not have this id"),
    ),
    (
        *("/regenerate", True, "saved", "opens", "version 2", SAVED),
        *("regenerate_id() was called", "did not have this id"),
    ),
    (
        *(
            "/live-longer",
            True,
            "saved",
            "opens",
            "version 2",
            SAVED,
            "is unchanged",
        ),
        "It was sent: the session was given another life.",
    ),
    (
        *("/leave", True, "ended", "opens", "The row was deleted: invalidate()"),
        *("nothing to note", "It has none", "It was deleted: the session has ended."),
    ),
    (
        *("/begin-again", True, "new", "opens", "A new row was inserted", SAVED),
        *("invalidate() has ended session 1; another has begun", "did not have this id"),
    ),
    (
        *("/end-elsewhere", True, "ended", "opens", "was ended elsewhere"),
        *("", "", "It was deleted: the session has ended."),
    ),
]


@only_on_sqlite
@pytest.mark.parametrize(
    ("path", "is_known", "told"),
    [(path, is_known, told) for path, is_known, *told in SCENES],
    ids=[f"{path} {'known' if is_known else 'new'}" for path, is_known, *_ in SCENES],
)
@pytest.mark.usefixtures("clock")
def test_the_panel_tells_what_the_session_did(
    make_shown: MakeToolbar, path: str, is_known: bool, told: list[str]
) -> None:
    """And shows all of it on its page."""
    app = make_shown(views=VIEWS, exception_views={Handled: answer})
    if is_known:
        app.get("/write?x=1")
    account = visit(app, path)
    summary, *sentences = told
    assert account.summary == summary == panel(app).nav_subtitle
    shown = page(app)
    for sentence, said in zip(sentences, account[3:8], strict=True):
        assert sentence in said
        assert said in shown


@only_on_sqlite
def test_a_request_that_ignores_its_session_says_so(make_shown: MakeToolbar) -> None:
    """No query, no cookie."""
    app = make_shown()
    app.get("/write?x=1")
    app.browser.get("/untouched", extra_environ=HERE)
    assert panel(app).accounts == panel(app).statements == []
    assert panel(app).nav_subtitle == ""
    assert "did not look at its session" in page(app)


@only_on_sqlite
def test_the_panel_tells_why_a_cookie_opens_nothing(make_shown: MakeToolbar) -> None:
    """Malformed or unknown."""
    app = make_shown(views=VIEWS)
    app.browser.plant("rubbish")
    assert "malformed or wrongly signed: the database was not" in visit(app, "/look").read
    app.browser.reset()
    app.browser.plant("A" * 43)
    assert "opens no session that lives" in visit(app, "/look").read


@only_on_sqlite
def test_the_panel_tells_of_an_id_that_was_just_replaced(
    make_shown: MakeToolbar, clock: Clock
) -> None:
    """Such a request is neither told nor lets itself be told anything."""
    app = make_shown(views=VIEWS)
    app.get("/write?x=1")
    slow = app.another_browser()
    slow.plant(app.browser.cookie or "")
    app.get("/log-in")
    app.browser = slow
    account = visit(app, "/put")
    assert "replaced less than a minute ago" in account.read
    assert account.saved == "Nothing: the cookie's id was replaced."
    assert account.cookie == "It was not sent: the browser has a newer one."


def in_between(act: Callable[[], Any]) -> Callable[[Any], None]:
    """A view that changes the session, and waits for somebody else in the middle of it."""

    def view(request: Any) -> None:
        request.session["mine"] = 1
        request.session["x"]
        act()

    return view


@only_on_sqlite
@pytest.mark.parametrize(
    ("path", "saved", "cookie"),
    [
        ("/write?y=1", "a parallel request had saved first, and both are kept", HAS_IT),
        ("/log-in", "a parallel request has given the session another id", "has a newer one"),
    ],
)
def test_the_panel_tells_of_parallel_requests(
    make_shown: MakeToolbar, path: str, saved: str, cookie: str
) -> None:
    """What is kept of both, or why nothing is."""
    other: list[Any] = []
    app = make_shown(views={**VIEWS, "/slow": in_between(lambda: other.pop().get(path))})
    app.get("/write?x=1")
    browser = app.another_browser()
    browser.plant(app.browser.cookie or "")
    other.append(browser)
    app.browser.post("/slow", extra_environ=HERE)
    (account,) = next(one for _, t in app.registry.pdtb_history for one in accounts_of(t))
    assert saved in account.saved
    assert cookie in account.cookie


def accounts_of(one: Any) -> list[list[Account]]:
    return [p.accounts for p in one.panels if p.name == "sqlsession" and p.accounts]


@only_on_sqlite
def test_the_panel_tells_whether_a_use_was_noted(make_shown: MakeToolbar, clock: Clock) -> None:
    """When it was due, and by which setting it never is."""
    app = make_shown(views=VIEWS)
    app.get("/write?x=1")
    clock.advance(HOUR)
    account = visit(app, "/look")
    assert account.summary == "touched"
    assert account.touched == "It was noted; the last had been noted 3600 s before."
    app = make_shown(views=VIEWS, settings={"sqlsession.touch_interval": "none"})
    app.get("/write?x=1")
    assert visit(app, "/look").touched == "It was not noted: touch_interval is none."


@only_on_sqlite
def test_the_panel_tells_of_a_prolonged_cookie(make_shown: MakeToolbar, clock: Clock) -> None:
    """One with a Max-Age is sent again when the session is touched."""
    app = make_shown(views=VIEWS, settings={"sqlsession.cookie_max_age": "1d"})
    app.get("/write?x=1")
    clock.advance(HOUR)
    assert visit(app, "/look").cookie == "It was sent: its Max-Age was prolonged."


@only_on_sqlite
def test_the_panel_tells_of_a_cookie_that_is_held_back(make_shown: MakeToolbar) -> None:
    """`set_on_exception` is off."""

    def answer_longer(error: Any, request: Any) -> str:
        live_longer(request)
        return "handled"

    app = make_shown(
        views=VIEWS,
        exception_views={Handled: answer_longer},
        settings={"sqlsession.set_on_exception": "false"},
    )
    app.get("/write?x=1")
    assert "set_on_exception is off" in visit(app, "/fail").cookie


@only_on_sqlite
def test_the_panel_tells_of_an_attempt_that_is_repeated(make_shown: MakeToolbar) -> None:
    """Each attempt of pyramid_retry is a request of its own to the toolbar."""
    from pyramid_retry import RetryableException  # noqa: PLC0415 - only here

    def fail_once(request: Any) -> None:
        request.session["x"] = 2
        if not request.environ["retry.attempt"]:
            raise RetryableException

    app = make_shown(
        views={"/fail-once": fail_once},
        exception_views={RetryableException: answer},
        settings={"pyramid.includes": "pyramid_retry"},
    )
    app.get("/write?x=1")
    app.browser.get("/fail-once", extra_environ=HERE)
    accounts = [one for _, t in app.registry.pdtb_history for (one,) in accounts_of(t)]
    said = {(account.saved, account.cookie) for account in accounts}
    assert (
        "Nothing: pyramid_retry throws this attempt away and repeats the request.",
        "It was not sent: the request is repeated.",
    ) in said
    assert len(said) == 2


@only_on_sqlite
def test_the_panel_tells_when_saving_came_too_late(make_shown: MakeToolbar) -> None:
    """Nobody could be told then but the log."""

    def put_late(request: Any) -> None:
        request.add_response_callback(lambda request, _: request.session.update(x={1}))

    app = make_shown(views={"/put-late": put_late})
    app.get("/write?x=1")
    assert "when the response was made already; the log" in visit(app, "/put-late").saved


# Statements


def test_the_panel_shows_the_statements_of_the_session(make_shown: MakeToolbar) -> None:
    """With their time, and without their values; those of the application are its own."""

    def write_a_note(request: Any) -> None:
        request.dbsession.add(Note(text="hello"))
        request.dbsession.flush()
        request.dbsession.execute(text("SELECT 'sessions'"))
        request.session["x"] = 2

    app = make_shown(views={"/write-a-note": write_a_note})
    app.get("/write?x=1")
    app.browser.post("/write-a-note", extra_environ=HERE)
    noted = panel(app).statements
    assert [one.text.split()[0] for one in noted] == ["SELECT", "UPDATE"]
    assert all(0 < one.milliseconds < 10_000 for one in noted)
    shown = page(app)
    assert all(one.text in shown for one in noted)


@only_on_sqlite
def test_an_application_with_other_sessions_has_no_statements_of_ours(
    make_shown: MakeToolbar,
) -> None:
    """The toolbar may be asked for though our factory is not used."""
    from pyramid.session import SignedCookieSessionFactory  # noqa: PLC0415 - only here

    app = make_shown(
        views={"/select": lambda request: request.dbsession.scalar(text("SELECT 1"))},
        configure=lambda config: config.set_session_factory(SignedCookieSessionFactory("x")),
        settings={"sqlsession.create_table": "false"},
    )
    app.browser.get("/select", extra_environ=HERE)
    assert panel(app).statements == []


@only_on_sqlite
def test_without_the_panel_nobody_listens(make_app: MakeApp) -> None:
    """Neither to statements nor to requests."""
    kept = []
    app = make_app(views={"/look": lambda request: kept.append(WHEN_OVER in request.__dict__)})
    app.get("/look")
    assert kept == [False]
    assert not statements.is_listening()


# Secrets


def test_no_page_of_the_panel_shows_a_secret(make_shown: MakeToolbar) -> None:
    """Neither the id, nor its digest, nor the token against forged forms, nor a password."""

    def put_secrets(request: Any) -> None:
        request.session.get_csrf_token()
        request.session["form"] = {"password": "a-password", "name": "Alice"}
        request.session["api-keys"] = ["an-api-key"]

    app = make_shown(views={"/put-secrets": put_secrets, **VIEWS})
    kept = []
    for path in ("/put-secrets", "/log-in", "/regenerate", "/look", "/leave"):
        visit(app, path)
        kept.append(page(app))
        cookie = app.browser.cookie or ""
        (token,) = [row.data["_csrft_"] for row in app.rows()] or ["a-password"]
        digest = sha256(cookie.encode()).hexdigest()
        for secret in filter(None, (cookie, digest, token, "a-password", "an-api-key")):
            assert not any(secret in page for page in kept)
    assert changes.MASK in kept[0]
    assert "Alice" in kept[0]


# Changes


def test_changes_are_shown_key_by_key() -> None:
    """1 and True differ, as they do where they are stored; what is long is cut."""
    before = {"same": 1, "gone": [1], "typed": 1, "long": ""}
    after = {"same": 1, "typed": True, "long": "x" * 1000, "new": {"a": None}}
    found = changes.changes_between(before, after, pickle.dumps)
    assert [change[:2] for change in found] == [
        ("gone", "removed"),
        ("typed", "changed"),
        ("long", "changed"),
        ("new", "added"),
    ]
    assert found[0][2:] == ("[1]", "")
    assert found[1][2:] == ("1", "True")
    assert found[2].after == "'" + "x" * 199 + "…"
    assert found[3][2:] == ("", "{'a': None}")


def test_a_secret_is_masked_wherever_it_is() -> None:
    """Within lists and mappings too."""
    value = {"user": {"reset_token": "t"}, "tries": [{"Password": "p", "at": 5}]}
    assert changes.shown("login", value) == (
        "{'user': {'reset_token': •••}, 'tries': [{'Password': •••, 'at': 5}]}"
    )


# The timeline


@only_on_sqlite
def test_the_panel_shows_the_limits_of_the_life(make_shown: MakeToolbar, clock: Clock) -> None:
    """In the order of time, from the beginning at 0 to the last limit at 100."""
    app = make_shown(views=VIEWS, settings={"sqlsession.absolute_expiration": "14d"})
    app.get("/write?x=1")
    clock.advance(60)
    moments = visit(app, "/look").moments
    assert [(one.name, one.distance) for one in moments] == [
        ("the session began", "60 s ago"),
        ("its last noted use", "60 s ago"),
        ("this request", "now"),
        ("the next use is noted from here on", "in 9 min"),
        ("it ends if nobody uses it", "in 23 h"),
        *[one for one in [(moments[5].name, moments[5].distance)] if "pruned" in one[0]],
        ("it ends in any case", "in 13 days"),
    ]
    places = [one.place for one in moments]
    assert (places[0], places[-1]) == (0, 100)
    assert places == sorted(places)
    assert moments[0].time in page(app)


@only_on_sqlite
def test_a_session_without_limits_has_a_short_line(make_shown: MakeToolbar) -> None:
    """`expiration = none`, and no touch."""
    app = make_shown(
        views=VIEWS,
        settings={"sqlsession.expiration": "none", "sqlsession.touch_interval": "none"},
    )
    app.get("/write?x=1")
    names = [one.name for one in visit(app, "/look").moments]
    assert names == ["the session began", "its last noted use", "this request"]


@only_on_sqlite
def test_a_life_of_its_own_moves_the_limits(make_shown: MakeToolbar, clock: Clock) -> None:
    """A short one is noted at half of it."""
    app = make_shown(views={"/short": lambda request: request.session.set_expiration(60)})
    account = visit(app, "/short")
    assert {one.name: one.distance for one in account.moments} | {
        "the next use is noted from here on": "in 30 s",
        "it ends if nobody uses it": "in 60 s",
    } == {one.name: one.distance for one in account.moments}


# When it cannot be shown


@only_on_sqlite
def test_what_cannot_be_shown_harms_no_request(
    make_shown: MakeToolbar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a tool for developers: its own faults are logged."""
    app = make_shown(views=VIEWS)
    monkeypatch.setattr("pyramid_sqlsession.toolbar.panel.account_of", lambda lifecycle: 1 / 0)
    app.browser.get("/put", extra_environ=HERE)
    assert [row.data for row in app.rows()] == [{"x": 2}]
    assert panel(app).accounts == []
    assert "cannot be shown" in caplog.text
