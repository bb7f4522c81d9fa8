"""Leaks: somebody reads logs, tracebacks, events and error reports, and searches them for ids.

SQLAlchemy's own logs are another matter: with `echo` they hold what is bound, unless the engine
hides its parameters, and with `echo="debug"` what is fetched, in any case. That is the digest and
what the session holds, never the id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import ISessionFactory

from pyramid_sqlsession import events, saving
from pyramid_sqlsession import session_id as session_ids
from pyramid_sqlsession.introspection import CATEGORY
from pyramid_sqlsession.toolbar import statements
from tests.attacks.scenes import SECRET, attacked_app, helper, holder_of, with_and_without_secret
from tests.harness import App, Browser, MakeApp, only_on_sqlite
from tests.harness.endings import Handled, and_raise, answer
from tests.harness.toolbars import listening_toolbar
from tests.leaks.errors import traceback_of, variables_of
from tests.leaks.marks import without_echo
from tests.leaks.pages import our_panel, searchable
from tests.leaks.spellings import found_in, spellings_of_digest, spellings_of_id

PAYLOAD = "4929-1234-5678-9012"
EVENTS = [
    *(events.SessionCreated, events.SessionEnded, events.SessionIdChanged, events.SessionMerged),
    *(events.UnknownSessionId, events.SupersededSessionId, events.SessionsPruned),
]

Step = Callable[["Report"], Any]


def pay(request: Any) -> None:
    request.session["card"] = PAYLOAD
    request.session.get_csrf_token()


def pay_and_fail(request: Any) -> None:
    request.session["card"] = [PAYLOAD]
    and_raise(request)


def pay_and_be_handled(request: Any) -> None:
    request.session["card"] = [PAYLOAD]
    raise Handled


def pay_with_an_object(request: Any) -> None:
    request.session["card"] = [{"number": {PAYLOAD}}]


def begin_anew(request: Any) -> None:
    request.session.invalidate()
    request.session["card"] = PAYLOAD


VIEWS = {
    "/pay": pay,
    "/pay-and-fail": pay_and_fail,
    "/pay-and-be-handled": pay_and_be_handled,
    "/pay-with-an-object": pay_with_an_object,
    "/regenerate": lambda request: request.session.regenerate_id(),
    "/begin-anew": begin_anew,
    "/forget": helper.forget,
}


class Report:
    """An application that is used, and what could be read of it."""

    def __init__(self, make_app: MakeApp, secret: str | None, **options: Any) -> None:
        self.texts: list[str] = []
        self.errors: list[BaseException] = []
        self.cookies: set[str] = set()
        self.tokens: set[str] = set()
        self.app: App = attacked_app(
            make_app,
            secret=secret,
            views={**VIEWS, "/conflict": self._conflict},
            exception_views={Handled: answer},
            configure=self._listen,
            **options,
        )
        self.alice = self.app.another_browser()

    def _listen(self, config: Any) -> None:
        for event in EVENTS:
            config.add_subscriber(lambda event: self.texts.append(repr(event)), event)

    def _conflict(self, request: Any) -> None:
        pay(request)
        holder_of(self.app, self.alice.cookie).get("/write?y=1")
        request.session["z"] = 1

    def ask(self, path: str, browser: Browser | None = None) -> None:
        """Go there; whatever goes wrong is reported."""
        browser = browser or self.alice
        browser.extra_environ["REMOTE_ADDR"] = "127.0.0.1"  # whom the toolbar shows itself to
        try:
            browser.get(path, status="*")
        except Exception as error:  # noqa: BLE001 - all of them are looked at
            self.errors.append(error)
            self.texts.append(traceback_of(error))
        if self.alice.cookie:
            self.cookies.add(self.alice.cookie)

    def live_through_everything(self) -> None:
        """Successes, failures of every kind, conflicts, forged cookies, and broken tables."""
        self.ask("/write?x=1")
        paths = ["/pay", "/log-in?user=alice", "/regenerate", "/conflict", "/read", *VIEWS]
        for path in paths:
            self.ask(path)
        self.tokens |= {row.data["_csrft_"] for row in self.app.rows() if "_csrft_" in row.data}
        self.ask("/pay")
        for cookie in sorted(self.cookies):
            self.ask("/read", holder_of(self.app, cookie))
            self.ask("/read", holder_of(self.app, cookie[::-1]))
            self.ask("/read", holder_of(self.app, cookie[:-1]))
        self.app.execute("UPDATE sessions SET data = :data", data=f"[{PAYLOAD}")
        self.ask("/read")
        self.app.execute("ALTER TABLE sessions DROP COLUMN lifetime")
        self.ask("/pay")
        self.ask("/pay", self.app.another_browser())
        self.app.execute("DROP TABLE sessions")
        self.ask("/pay")
        self.ask("/pay", self.app.another_browser())

    @property
    def ids(self) -> set[str]:
        """The session ids that were issued."""
        return {cookie.split(".")[0] for cookie in self.cookies}


def spellings_of_ids(report: Report) -> set[str]:
    return {text for one in report.ids for text in spellings_of_id(one)}


def spellings_of_digests(report: Report) -> set[str]:
    return {text for one in report.ids for text in spellings_of_digest(one)}


@with_and_without_secret
def test_no_secret_is_in_logs_tracebacks_or_events(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, secret: str | None
) -> None:
    """Ids, digests, signatures, the secret, tokens, and what a session holds, in all spellings."""
    caplog.set_level(logging.DEBUG)
    report = Report(make_app, secret)
    report.live_through_everything()
    ours = [r for r in caplog.records if r.name.startswith("pyramid_sqlsession")]
    texts = [logging.Formatter().format(record) for record in ours] + report.texts
    assert len(report.cookies) >= 4
    assert len(report.errors) >= 4
    assert ours
    secrets = [*spellings_of_ids(report), *spellings_of_digests(report), *report.cookies]
    assert found_in(texts, [*secrets, *report.tokens, SECRET, PAYLOAD]) == []


@with_and_without_secret
def test_an_error_report_with_local_variables_shows_no_session_id(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, secret: str | None
) -> None:
    """Services that collect errors show the variables of each frame by their `repr`."""
    made: list[str] = []

    def new_session_id() -> Any:
        session_id = session_ids.new_session_id()
        made.append(str(session_id))
        return session_id

    monkeypatch.setattr(saving, "new_session_id", new_session_id)
    report = Report(make_app, secret)
    report.live_through_everything()
    assert report.ids < set(made)  # some were never sent, as they could not be saved
    report.cookies.update(made)
    shown = [text for error in report.errors for text in variables_of(error)]
    assert shown
    assert found_in(shown, [*spellings_of_ids(report), *report.cookies, SECRET]) == []


@without_echo("the engines of this test log for themselves, as an application's do")
@pytest.mark.parametrize("hides", [False, True], ids=["shown", "hidden"])
@pytest.mark.parametrize("echo", [True, "debug"])
def test_what_sqlalchemy_logs_holds_no_session_id(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, echo: Any, hides: bool
) -> None:
    """It holds what is bound, unless that is hidden; and at DEBUG what is fetched."""
    caplog.set_level(logging.DEBUG)
    report = Report(make_app, SECRET, engine_options={"echo": echo, "hide_parameters": hides})
    report.live_through_everything()
    texts = [logging.Formatter().format(record) for record in caplog.records]
    assert any("UPDATE sessions" in text for text in texts)
    assert found_in(texts, [*spellings_of_ids(report), *report.cookies, SECRET]) == []
    bound = [text for text in texts if not text.startswith("Row ")]
    assert (PAYLOAD in "".join(bound)) is not hides
    fetched = [text for text in texts if text.startswith("Row ")]
    assert (PAYLOAD in "".join(fetched)) is (echo == "debug")
    if hides:
        assert found_in(bound, [*spellings_of_digests(report), *report.tokens]) == []


TOOLBAR = {
    "debugtoolbar.includes": "pyramid_sqlsession.toolbar",
    "debugtoolbar.intercept_exc": "false",
    "debugtoolbar.panels": "sqlsession",  # others cannot show a request that has raised
    "debugtoolbar.max_request_history": "1000",
}


@pytest.fixture
def _toolbar_listens() -> Iterator[None]:
    with listening_toolbar():
        yield
    statements.stop_listening()


def pages_of_the_panel(app: App) -> Iterator[str]:
    """The HTML of our panel, for each request that was answered."""
    here = {"REMOTE_ADDR": "127.0.0.1"}
    for request_id, _ in app.registry.pdtb_history.last(1000):
        page = app.another_browser().get(f"/_debug_toolbar/{request_id}", extra_environ=here).text
        if our_panel(page) is not None:  # the toolbar has no panels of a request that raised
            yield searchable(page)


@pytest.mark.usefixtures("_toolbar_listens")
def test_the_panel_of_the_toolbar_shows_no_secret_whatever_went_wrong(make_app: MakeApp) -> None:
    """Of every request, in its HTML."""
    report = Report(make_app, SECRET, includes=["pyramid_debugtoolbar"], settings=TOOLBAR)
    report.live_through_everything()
    pages = list(pages_of_the_panel(report.app))
    assert len(pages) > 10
    assert found_in(pages, ["_csrft_"])
    secrets = [*spellings_of_ids(report), *spellings_of_digests(report), *report.cookies]
    assert found_in(pages, [*secrets, *report.tokens, SECRET]) == []


@only_on_sqlite
def test_settings_show_that_there_is_a_secret_and_not_which(make_app: MakeApp) -> None:
    """In what they say of themselves, in introspection, and when they are refused."""
    app = attacked_app(make_app, secret=SECRET)
    factory = app.registry.getUtility(ISessionFactory)
    [(_, introduced)] = [
        found for found in app.registry.introspector.categorized() if found[0] == CATEGORY
    ]
    shown = [repr(factory), repr(vars(factory)), repr(factory.settings)]
    shown += [repr(dict(entry["introspectable"])) for entry in introduced]
    assert "(not shown)" in "".join(shown)
    with pytest.raises(ConfigurationError) as refused:
        attacked_app(make_app, secret=f"{SECRET}\nshort")
    shown.append(traceback_of(refused.value))
    assert found_in(shown, [SECRET, "short\n", "'short'"]) == []
