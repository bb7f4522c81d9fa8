"""The kit for the tests of applications, with applications that commit what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import webtest
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.session import SignedCookieSessionFactory
from pyramid.threadlocal import get_current_request
from sqlalchemy import Integer, select, text

from pyramid_sqlsession import SQLSessionError, UnstorableValueError, expiry
from pyramid_sqlsession.events import SessionCreated
from pyramid_sqlsession.testing import begin_session, clock_ahead, session_costs, session_of
from tests.engines import connecting_engines
from tests.harness import MakeApp, Note, only_on_sqlite, over_both_managers

HOUR = 60 * 60
DAY = 24 * HOUR
SECRET = "a secret of the test kit"
HTTPS = {"wsgi.url_scheme": "https"}


class Policy:
    """Keeps the login in the session, as most security policies do."""

    helper = SessionAuthenticationHelper()

    def authenticated_userid(self, request: Any) -> Any:
        return self.helper.authenticated_userid(request)


def fill_user(defaults: dict[str, Any], session: Any, request: Any) -> None:
    """Ask whatever may be asked in a request; outside of a transaction, the second would leak."""
    assert get_current_request() is request
    assert request.dbsession.scalar(select(Note.id)) is None
    defaults["user_id"] = request.authenticated_userid


WITH_USER: dict[str, Any] = {
    "settings": {
        "sqlsession.additional_fields": {"user_id": Integer},
        "sqlsession.extend_default_fields": fill_user,
    },
    "configure": lambda config: config.set_security_policy(Policy()),
}


@pytest.fixture(autouse=True)
def _engines_are_ended() -> Iterator[None]:
    """Those of the package's own as well."""
    with connecting_engines():
        yield


# A session is begun


SHAPES: dict[str, dict[str, Any]] = {
    "plain": {},
    "own engine": {"own_engine": True},
    "own engine in memory": {"settings": {"sqlsession.sqlalchemy.url": "sqlite://"}},
    "no pyramid_tm": {"tm": False},
    "secret": {"settings": {"sqlsession.secret": SECRET}},
    "cookie_name": {"settings": {"sqlsession.cookie_name": "shop"}},
    "cookie_path": {"settings": {"sqlsession.cookie_path": "/read"}},
    "__Host-": {
        "settings": {"sqlsession.cookie_name": "__Host-s", "sqlsession.cookie_secure": "true"}
    },
    "cookie_domain": {"settings": {"sqlsession.cookie_domain": "example.com"}},
}
ENVIRONS = {"__Host-": HTTPS, "cookie_domain": {"HTTP_HOST": "www.example.com"}}


@over_both_managers
@pytest.mark.parametrize("shape", SHAPES)
def test_a_view_finds_what_the_session_was_begun_with(make_app: MakeApp, shape: str) -> None:
    """Whatever the cookie is called, looks like and is sent with, wherever the row is."""
    app = make_app(**SHAPES[shape])
    testapp = webtest.TestApp(app.wsgi, extra_environ=ENVIRONS.get(shape))
    begun = begin_session(testapp, {"auth.userid": 7})
    assert testapp.get("/read").json == begun == session_of(testapp) == {"auth.userid": 7}


def test_it_is_committed_and_has_its_public_id(make_app: MakeApp) -> None:
    """Rows of the test may refer to it."""
    app = make_app()
    begun = begin_session(app.browser, {"x": 1})
    assert [(row.id, row.data) for row in app.rows()] == [(begun.id, {"x": 1})]


def test_without_data_it_is_there_and_empty(make_app: MakeApp) -> None:
    """Unlike that of a visitor who has done nothing yet."""
    app = make_app()
    begin_session(app.browser)
    assert [row.data for row in app.rows()] == [{}]
    assert session_of(app.browser) == {}


def test_it_may_have_a_life_of_its_own(make_app: MakeApp) -> None:
    """As after "remember me"."""
    app = make_app()
    with clock_ahead() as clock:
        begun = begin_session(app.browser, {"x": 1}, expiration=14 * DAY)
        assert begun.expires == clock() + 14 * DAY
        clock.advance(days=13)
        assert session_of(app.browser) == {"x": 1}


@over_both_managers
def test_columns_of_the_application_are_filled(make_app: MakeApp) -> None:
    """By its callback, which may ask who is logged in."""
    app = make_app(**WITH_USER)
    begin_session(app.browser, {"auth.userid": 7})
    assert [row.columns["user_id"] for row in app.rows()] == [7]


@over_both_managers
def test_what_is_changed_when_the_response_is_made_is_saved_too(make_app: MakeApp) -> None:
    """By a callback of the application, when the transaction is over."""

    def greet_later(defaults: Any, session: Any, request: Any) -> None:
        request.add_response_callback(lambda request, response: request.session.flash("Hello!"))

    app = make_app(settings={"sqlsession.extend_default_fields": greet_later})
    begin_session(app.browser, {"x": 1})
    assert [row.data for row in app.rows()] == [{"x": 1, "_f_": ["Hello!"]}]


def test_subscribers_hear_of_it(make_app: MakeApp) -> None:
    """As of any other."""
    heard: list[Any] = []
    app = make_app(configure=lambda config: config.add_subscriber(heard.append, SessionCreated))
    begun = begin_session(app.browser, {"x": 1})
    assert [event.session.id for event in heard] == [begun.id]


def test_the_visitor_has_one_session_only(make_app: MakeApp) -> None:
    """The one before does not end, as it may be open in another browser."""
    app = make_app()
    app.browser.set_cookie("locale", "de")
    begin_session(app.browser, {"x": 1})
    app.browser.plant(str(app.browser.cookie))  # under another domain, as WebTest does it
    begin_session(app.browser, {"x": 2})
    assert session_of(app.browser) == {"x": 2}
    assert [row.data for row in app.rows()] == [{"x": 1}, {"x": 2}]
    assert "locale" in app.browser.cookies


def test_each_testapp_is_a_visitor(make_app: MakeApp) -> None:
    """They do not meet."""
    app = make_app()
    other = app.another_browser()
    begin_session(app.browser, {"x": 1})
    begin_session(other, {"x": 2})
    assert [session_of(app.browser), session_of(other)] == [{"x": 1}, {"x": 2}]


@over_both_managers
@pytest.mark.parametrize(
    ("tm", "expected"), [(True, UnstorableValueError), (False, SQLSessionError)]
)
def test_what_cannot_be_stored_is_refused(
    make_app: MakeApp, tm: bool, expected: type[Exception]
) -> None:
    """Nothing is left of the attempt, and the application answers again."""
    app = make_app(tm=tm)
    with pytest.raises(expected):
        begin_session(app.browser, {"x": object()})
    assert app.rows() == []
    assert app.browser.app is app.wsgi
    assert app.get("/write?x=1").json == {"x": "1"}


def test_the_error_of_a_callback_is_raised(make_app: MakeApp) -> None:
    """Instead of a test that goes on without a session."""

    def refuse(defaults: Any, session: Any) -> None:
        raise ZeroDivisionError

    app = make_app(settings={"sqlsession.extend_default_fields": refuse})
    with pytest.raises(ZeroDivisionError):
        begin_session(app.browser, {"x": 1})
    assert app.rows() == []


def test_a_cookie_that_is_not_sent_back_is_told(make_app: MakeApp) -> None:
    """With the domain that the tests should ask."""
    app = make_app(settings={"sqlsession.cookie_domain": "example.com"})
    with pytest.raises(SQLSessionError, match=r"'session', whose domain is 'example\.com'"):
        begin_session(app.browser, {"x": 1})


# It is looked at


def test_a_visitor_without_a_cookie_has_no_session(make_app: MakeApp) -> None:
    """Which costs no query."""
    app = make_app()
    with app.statements() as seen:
        assert session_of(app.browser) is None
    assert seen.log == []


def test_what_a_view_has_done_is_seen(make_app: MakeApp) -> None:
    """Its data, its public id, its messages; none when it has ended."""
    app = make_app(views={"/leave": lambda request: request.session.invalidate()})
    app.get("/write?x=1")
    found = session_of(app.browser)
    assert found is not None
    assert (found, found.id) == ({"x": "1"}, app.rows()[0].id)
    app.get("/write?y=2")
    assert session_of(app.browser) == {"x": "1", "y": "2"}
    app.get("/leave")
    assert session_of(app.browser) is None


def test_a_session_that_was_ended_from_outside_is_none(make_app: MakeApp) -> None:
    """Though its cookie is still there."""
    app = make_app()
    begin_session(app.browser, {"x": 1})
    app.execute("DELETE FROM sessions")
    assert session_of(app.browser) is None
    assert app.browser.cookie is not None


def test_a_look_changes_nothing(make_app: MakeApp) -> None:
    """It is no use of the session, and what is put into what it found is not saved."""
    app = make_app()
    begin_session(app.browser, {"x": 1})
    [before] = app.rows()
    with clock_ahead(hours=23):
        found = session_of(app.browser)
    assert found is not None
    found["y"] = 2
    found.invalidate()
    assert app.rows() == [before]


def test_a_secure_cookie_is_found_by_a_testapp_that_speaks_http(make_app: MakeApp) -> None:
    """Only its requests by https carry it."""
    app = make_app(settings={"sqlsession.cookie_secure": "true"})
    begin_session(app.browser, {"x": 1})
    assert session_of(app.browser) == {"x": 1}
    assert app.get("https://localhost/read").json == {"x": 1}
    assert app.get("/read").json == {}


# The application is found


class Middleware:
    """Calls an application, which it keeps under a name."""

    def __init__(self, name: str, app: Any) -> None:
        self._app = app
        setattr(self, name, app)

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return self._app(environ, start_response)


def test_the_application_is_found_behind_middleware(make_app: MakeApp) -> None:
    """That keeps it under one of the usual names."""
    app = make_app()
    testapp = webtest.TestApp(Middleware("app", Middleware("application", app.wsgi)))
    begin_session(testapp, {"x": 1})
    with session_costs(testapp, select=1):
        assert testapp.get("/read").json == {"x": 1}


@pytest.mark.parametrize("act", [begin_session, session_of], ids=lambda act: str(act.__name__))
def test_a_registry_can_be_handed_over(make_app: MakeApp, act: Callable[..., Any]) -> None:
    """Where the application hides, which is told."""
    app = make_app()
    testapp = webtest.TestApp(Middleware("_hidden", app.wsgi))
    with pytest.raises(SQLSessionError, match=r"registry=app\.registry"):
        act(testapp)
    act(testapp, registry=app.registry)
    with session_costs(testapp, registry=app.registry):
        pass


@pytest.mark.parametrize("act", [begin_session, session_of, session_costs])
def test_another_session_factory_is_told(make_app: MakeApp, act: Callable[..., Any]) -> None:
    """The application has set it itself, or has not included ours."""
    other = SignedCookieSessionFactory("secret")
    app = make_app(configure=lambda config: config.set_session_factory(other))
    with pytest.raises(SQLSessionError, match=r'config\.include\("pyramid_sqlsession"\)'):
        act(app.browser).__enter__()


# Its statements are counted


def add_and_write(request: Any) -> None:
    request.dbsession.add(Note(text="sessions"))
    request.session["x"] = 1


def test_the_statements_of_the_session_are_counted_and_no_others(make_app: MakeApp) -> None:
    """The application's own are its own affair."""
    app = make_app(views={"/": add_and_write})
    with session_costs(app.browser, insert=1) as seen:
        app.get("/")
    assert [statement.split()[:3] for statement in seen] == [["INSERT", "INTO", "sessions"]]
    with session_costs(app.wsgi, select=1, update=1):
        app.get("/write?y=1")
    with session_costs(app.browser):
        app.get("/untouched")


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({}, "nothing, and has cost 1 SELECT, 1 UPDATE\n"),
        ({"select": 1}, "1 SELECT, and has cost 1 SELECT, 1 UPDATE\n"),
        ({"select": 1, "update": 2}, "1 SELECT, 2 UPDATE, and has cost 1 SELECT, 1 UPDATE\n"),
        ({"select": 1, "update": 1, "delete": 1}, "1 DELETE, and has cost 1 SELECT, 1 UPDATE\n"),
    ],
)
def test_another_cost_is_an_error_that_lists_the_statements(
    make_app: MakeApp, expected: dict[str, int], said: str
) -> None:
    """Without what they carry."""
    app = make_app()
    app.get("/write?x=1")
    with pytest.raises(AssertionError) as info, session_costs(app.browser, **expected):
        app.get("/write?x=payload")
    message = str(info.value)
    assert said in message
    assert "\n  SELECT sessions.id, " in message
    assert "\n  UPDATE sessions SET " in message
    assert "payload" not in message


def test_missing_statements_are_an_error_too(make_app: MakeApp) -> None:
    """There are none to list."""
    app = make_app()
    with pytest.raises(AssertionError) as info, session_costs(app.browser, delete=1):
        app.get("/untouched")
    assert str(info.value) == "the session was to cost 1 DELETE, and has cost nothing"


def test_what_a_view_asks_of_the_store_is_counted(make_app: MakeApp) -> None:
    """It is about the same table."""
    app = make_app(views={"/count": lambda request: request.session_store.count()})
    with session_costs(app.browser, select=1):
        app.get("/count")


def test_the_kit_does_not_count_itself(make_app: MakeApp) -> None:
    """One may look at the session in between."""
    app = make_app()
    with session_costs(app.browser, select=1):
        begin_session(app.browser, {"x": 1})
        app.get("/read")
        session_of(app.browser)


def test_what_others_send_meanwhile_is_not_counted(make_app: MakeApp) -> None:
    """Expired sessions may be pruned in the background."""
    app = make_app()
    begin_session(app.browser, {"x": 1})
    with session_costs(app.browser):
        thread = Thread(target=app.get, args=["/read"])
        thread.start()
        thread.join()


def test_a_test_that_fails_meanwhile_fails_for_its_own_reason(make_app: MakeApp) -> None:
    """The statements would hide it."""

    def fail(request: Any) -> None:
        assert request.session.get("x") == "1"
        raise ZeroDivisionError

    app = make_app(views={"/fail": fail})
    app.get("/write?x=1")
    with pytest.raises(ZeroDivisionError), session_costs(app.browser):
        app.get("/fail")


OTHERS = [
    "SELECT x AS sessions FROM (SELECT 1 AS x) AS y",
    "SELECT old_sessions.x FROM (SELECT 1 AS x) AS old_sessions",
    "SELECT sessions.x, sessions.x FROM (SELECT 1 AS x) AS sessions",
    "SELECT 1 FROM (SELECT 1 AS x) AS a, (SELECT 1 AS y) AS sessions_archive",
]


@pytest.mark.parametrize("statement", OTHERS)
def test_what_is_only_called_alike_is_not_counted(make_app: MakeApp, statement: str) -> None:
    """A column, an alias, or a table of which the name is a part."""
    app = make_app(views={"/": lambda request: request.dbsession.scalar(text(statement))})
    with session_costs(app.browser):
        app.get("/")


@only_on_sqlite
@pytest.mark.parametrize(
    "statement",
    [
        'SELECT count(*)\nFROM "sessions"',
        "SELECT count(*) FROM main.sessions",
        'SELECT 1 FROM (SELECT 1 AS x) AS y, "main"."sessions"',
        "SELECT 1 FROM (SELECT 1 AS x) AS y JOIN sessions ON sessions.id = y.x",
        "select 1 from sessions",
    ],
)
def test_the_table_is_recognised_wherever_it_is_named(make_app: MakeApp, statement: str) -> None:
    """In SQL that the application has written itself, too."""
    app = make_app(views={"/": lambda request: request.dbsession.scalar(text(statement))})
    with session_costs(app.browser, select=1):
        app.get("/")


@pytest.mark.parametrize("table", ["Web Sessions", "order"])
def test_a_name_that_must_be_quoted_is_recognised(make_app: MakeApp, table: str) -> None:
    """In whatever quotes the database has."""
    app = make_app(table=table)
    with session_costs(app.browser, insert=1):
        app.get("/write?x=1")
    with session_costs(app.browser, select=1, update=1):
        app.get("/write?x=2")


# Time passes


def test_a_session_ends_when_the_clock_is_ahead(make_app: MakeApp) -> None:
    """To the second, as the clock stands still."""
    app = make_app()
    with clock_ahead():
        begin_session(app.browser, {"x": 1})
        with clock_ahead(hours=24, seconds=-1):
            assert session_of(app.browser) == {"x": 1}
        with clock_ahead(days=1):
            assert session_of(app.browser) is None
            assert app.get("/read").json == {}
        assert session_of(app.browser) == {"x": 1}


def test_the_clock_can_be_moved_on(make_app: MakeApp) -> None:
    """Whoever uses the session keeps it."""
    app = make_app()
    with clock_ahead() as clock:
        begin_session(app.browser, {"x": 1})
        for _ in range(3):
            clock.advance(hours=23, minutes=30)
            assert app.get("/read").json == {"x": 1}
        clock.advance(hours=24)
        assert app.get("/read").json == {}


def test_the_time_is_as_before_afterwards() -> None:
    """Also when the test fails."""
    before = expiry.now
    with suppress(ZeroDivisionError), clock_ahead(days=1):
        assert expiry.now is not before
        raise ZeroDivisionError
    assert expiry.now is before


def test_clocks_add_up() -> None:
    """The inner one begins at the time of the outer one."""
    with clock_ahead(minutes=1) as outer, clock_ahead(minutes=2, seconds=30) as inner:
        assert inner() - outer() == 150
        inner.advance(minutes=-1)
        assert inner() - outer() == 90


def test_the_kit_needs_no_more_of_a_testapp_than_it_says(make_app: MakeApp) -> None:
    """Whoever has written their own can use it."""
    app = make_app()
    browser = SimpleNamespace(app=app.wsgi, get=app.get, cookiejar=app.browser.cookiejar)

    def get(url: str, *, extra_environ: Any) -> Any:
        return webtest.TestApp(browser.app, cookiejar=browser.cookiejar).get(
            url, extra_environ=extra_environ
        )

    browser.get = get
    begin_session(browser, {"x": 1})
    assert session_of(browser) == {"x": 1}
