"""What stands around the session factory: scripts, tweens, toolbar, callbacks, and their order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.events import NewResponse
from pyramid.exceptions import ConfigurationConflictError
from pyramid.interfaces import ISessionFactory, ITweens
from pyramid.response import Response
from pyramid.scripting import prepare
from pyramid.scripts.pshell import PShellCommand
from pyramid.security import forget, remember
from pyramid.session import SignedCookieSessionFactory
from pyramid.tweens import EXCVIEW

from pyramid_sqlsession import SQLSession, SQLSessionFactory
from pyramid_sqlsession.toolbar import statements
from tests import cookiecutter
from tests.cookiecutter import models
from tests.harness import App, Database, MakeApp, Note, only_on_sqlite, over_both_managers
from tests.harness.marks import THREAD_LOCAL
from tests.harness.rows import committed_rows
from tests.harness.toolbars import listening_toolbar

THREAD_LOCAL_ONLY = pytest.mark.parametrize("manager", [THREAD_LOCAL])
WARNING = logging.WARNING


def warnings_of_ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the package warned about."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("pyramid_sqlsession") and record.levelno >= WARNING
    ]


# Scripts


def test_a_script_saves_what_it_writes_in_a_transaction(make_app: MakeApp) -> None:
    """`with request.tm:` commits the session together with the script's data."""
    app = make_app()
    with prepare(registry=app.registry) as env:
        request = env["request"]
        with request.tm:
            request.dbsession.add(Note(text="by a script"))
            request.session["x"] = 1
        assert app.notes() == ["by a script"]
        assert [row.data for row in app.rows()] == [{"x": 1}]


def test_each_transaction_of_a_script_saves_what_was_written_since(make_app: MakeApp) -> None:
    """The session stays the same object and the same row."""
    app = make_app()
    with prepare(registry=app.registry) as env:
        request = env["request"]
        with request.tm:
            request.session["x"] = 1
        with request.tm:
            request.session["y"] = 2
        assert [row.data for row in app.rows()] == [{"x": 1, "y": 2}]


def write_and_fail(request: Any) -> None:
    with request.tm:
        request.dbsession.add(Note(text="by a script"))
        request.session["x"] = 1 / 0


def test_a_script_that_fails_saves_nothing(make_app: MakeApp) -> None:
    """Neither its data nor the session."""
    app = make_app()
    with prepare(registry=app.registry) as env, pytest.raises(ZeroDivisionError):
        write_and_fail(env["request"])
    assert app.notes() == []
    assert app.rows() == []


def test_a_script_may_read_a_visitors_session_without_a_transaction(make_app: MakeApp) -> None:
    """Through a connection that is given back at once."""
    app = make_app()
    app.get("/write?x=1")
    with prepare(registry=app.registry) as env:
        env["request"].cookies["session"] = app.browser.cookie
        assert env["request"].session == {"x": "1"}


@over_both_managers
def test_what_a_script_writes_outside_of_a_transaction_is_not_saved_and_warned_about(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody commits it."""
    app = make_app()
    with prepare(registry=app.registry) as env:
        env["request"].session["x"] = 1
    assert app.rows() == []
    (warning,) = warnings_of_ours(caplog)
    assert "request.tm" in warning


@THREAD_LOCAL_ONLY
def test_with_the_thread_local_manager_a_script_saves_in_its_own_transactions_too(
    make_app: MakeApp,
) -> None:
    """Though the session cannot tell when one begins, it is told when one ends."""
    app = make_app()
    with prepare(registry=app.registry) as env:
        request = env["request"]
        with request.tm:
            request.dbsession.add(Note(text="by a script"))
            request.session["x"] = 1
        assert app.notes() == ["by a script"]
        assert [row.data for row in app.rows()] == [{"x": 1}]


@only_on_sqlite
def test_a_quiet_script_is_not_warned(make_app: MakeApp, caplog: pytest.LogCaptureFixture) -> None:
    """One that reads, or saves in a transaction, has done nothing wrong."""
    app = make_app()
    with prepare(registry=app.registry) as env:
        request = env["request"]
        assert request.session == {}
        with request.tm:
            request.session["x"] = 1
    assert warnings_of_ours(caplog) == []


def test_what_is_written_in_pshell_is_there_after_its_commit(
    database: Database, tmp_path: Path
) -> None:
    """A person types `request.tm.begin()`, works, and types `request.tm.commit()`."""
    models.Base.metadata.create_all(database.probe())
    ini = tmp_path / "development.ini"
    text = Path(cookiecutter.__file__).with_name("development.ini").read_text()
    ini.write_text(text.replace("sqlite:///%(here)s/guestbook.sqlite", database.url))

    def shell(env: dict[str, Any], _help: str) -> None:
        request = env["request"]
        request.tm.begin()
        request.session["x"] = 1
        request.tm.commit()
        request.registry["dbsession_factory"].kw["bind"].dispose()

    PShellCommand(["pshell", str(ini)]).run(shell)
    rows = committed_rows(database.probe(), "web_sessions")
    assert [row.data for row in rows] == [{"x": 1}]


# The debug toolbar


TOOLBARS = {
    "without": [],
    "inactive": ["pyramid_debugtoolbar"],
    "active": ["pyramid_debugtoolbar"],
    "with ours": ["pyramid_debugtoolbar"],
}
VISIT = ["/untouched", "/write?x=1", "/read", "/flash", "/write?y=2", "/leave", "/fail", "/read"]


def visit(make_app: MakeApp, toolbar: str) -> list[Any]:
    """What a visitor and the database see of some requests, with a toolbar or without."""

    def fail(request: Any) -> None:
        request.session["never"] = 1
        raise ZeroDivisionError

    def failed(request: Any) -> str:
        request.session.flash("failed")
        return "failed"

    app = make_app(
        includes=TOOLBARS[toolbar],
        views={
            "/flash": lambda request: request.session.flash("hello"),
            "/leave": lambda request: request.session.invalidate(),
            "/fail": fail,
        },
        exception_views={ZeroDivisionError: failed},
        settings={
            "debugtoolbar.active_panels": "" if toolbar == "inactive" else "session",
            "debugtoolbar.includes": "pyramid_sqlsession.toolbar" if "ours" in toolbar else "",
            "debugtoolbar.intercept_exc": "false",
            "panel is active": toolbar != "inactive",
        },
    )
    app.execute("DELETE FROM sessions")
    return [look(app, path) for path in VISIT]


def look(app: App, path: str) -> list[Any]:
    with app.statements() as seen:
        response = app.get(path, extra_environ={"REMOTE_ADDR": "127.0.0.1"})
    # A second look at the session, when the transaction is over, asks the database nothing.
    assert "COMMIT" not in seen.log or "SELECT" not in "".join(
        seen.log[seen.log.index("COMMIT") :]
    )
    rows = [(row.data, row.version) for row in app.rows()]
    assert is_session_panel_active(app) in (None, app.registry.settings["panel is active"])
    return [response.json, [c.deletes for c in app.set_cookies(response)], rows]


def is_session_panel_active(app: App) -> bool | None:
    """Tell what the toolbar did in the last request, None when there is no toolbar."""
    for _, toolbar in getattr(app.registry, "pdtb_history", []):
        return any(panel.name == "session" and panel.is_active for panel in toolbar.panels)
    return None


@over_both_managers
@pytest.mark.parametrize("toolbar", ["inactive", "active", "with ours"])
def test_the_debug_toolbar_changes_nothing(make_app: MakeApp, toolbar: str) -> None:
    """The same responses, cookies and rows with the session panel active or not."""
    with listening_toolbar():
        shown = visit(make_app, toolbar)
    statements.stop_listening()
    assert shown == visit(make_app, "without")


# Tweens, callbacks, subscribers, bodies


def around_tween_factory(handler: Callable[[Any], Any], registry: Any) -> Callable[[Any], Any]:
    """Call what the application left in its registry before and after everything else."""

    def around_tween(request: Any) -> Any:
        registry["before"](request)
        response = handler(request)
        registry["after"](request)
        return response

    return around_tween


def app_with_tween_above_tm(
    make_app: MakeApp,
    before: Callable[[Any], Any] = lambda request: None,
    after: Callable[[Any], Any] = lambda request: None,
) -> App:
    def configure(config: Any) -> None:
        config.registry["before"], config.registry["after"] = before, after
        config.add_tween(
            "tests.test_surroundings.around_tween_factory", over="pyramid_tm.tm_tween_factory"
        )

    return make_app(configure=configure)


@over_both_managers
def test_a_tween_above_pyramid_tm_may_read_before_the_transaction(make_app: MakeApp) -> None:
    """One SELECT, which the view does not repeat."""
    app = app_with_tween_above_tm(make_app, before=lambda request: request.session.get("x"))
    app.get("/write?x=1")
    with app.statements() as seen:
        assert app.get("/read").json == {"x": "1"}
    assert seen.of_session == {"SELECT": 1}
    with app.statements() as seen:
        assert app.get("/write?y=2").json == {"x": "1", "y": "2"}
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}


@over_both_managers
def test_a_tween_above_pyramid_tm_may_write_before_the_transaction(make_app: MakeApp) -> None:
    """It is saved with what the view writes, and alone."""
    app = app_with_tween_above_tm(make_app, before=lambda request: request.session.update(early=1))
    assert len(app.set_cookies(app.get("/untouched"))) == 1
    assert app.get("/write?x=1").json == {"early": 1, "x": "1"}
    assert [row.data for row in app.rows()] == [{"early": 1, "x": "1"}]


@over_both_managers
def test_a_tween_above_pyramid_tm_may_read_after_the_transaction(make_app: MakeApp) -> None:
    """What was loaded stays readable, and what was not is read then."""
    found: list[dict[str, Any]] = []
    app = app_with_tween_above_tm(make_app, after=lambda request: found.append(request.session))
    app.get("/write?x=1")
    app.get("/untouched")
    assert found == [{"x": "1"}, {"x": "1"}]


@over_both_managers
@pytest.mark.parametrize("path", ["/untouched", "/read", "/write?x=1"])
def test_a_tween_above_pyramid_tm_may_write_after_the_transaction(
    make_app: MakeApp, path: str
) -> None:
    """It is saved in a transaction of its own, for a new visitor and for a known one."""
    app = app_with_tween_above_tm(
        make_app, after=lambda request: request.session.update(late=len(request.session))
    )
    response = app.get(path)
    (row,) = app.rows()
    assert "late" in row.data
    assert len(app.set_cookies(response)) == 1
    app.execute("UPDATE sessions SET data = :data", data='{"y": 2}')
    assert app.set_cookies(app.get(path)) == []
    (row,) = app.rows()
    assert row.data["y"] == 2
    assert "late" in row.data


def late(request: Any, _response: Any = None) -> None:
    """Write into the session when the transaction is over."""
    request.session["late"] = 1


def callback_before_ours(request: Any) -> None:
    request.add_response_callback(late)
    request.session["x"] = 1


def callback_after_ours(request: Any) -> None:
    request.session["x"] = 1
    request.add_response_callback(late)


def callback_only(request: Any) -> None:
    request.add_response_callback(late)


@over_both_managers
@pytest.mark.parametrize("view", [callback_before_ours, callback_after_ours, callback_only])
def test_a_response_callback_may_write(make_app: MakeApp, view: Callable[[Any], None]) -> None:
    """Registered before the session was used or after; also when it is the first to use it."""
    app = make_app(views={"/": view})
    response = app.get("/")
    assert len(app.set_cookies(response)) == 1
    assert response.headers["Vary"] == "Cookie"
    assert app.get("/read").json["late"] == 1
    assert len(app.rows()) == 1


@over_both_managers
@pytest.mark.parametrize("path", ["/untouched", "/read", "/write?x=1"])
def test_a_subscriber_to_new_response_may_write(make_app: MakeApp, path: str) -> None:
    """The cookie and Vary are on the response that the browser gets."""

    def configure(config: Any) -> None:
        config.add_subscriber(lambda event: late(event.request), NewResponse)

    app = make_app(configure=configure)
    response = app.get(path)
    assert len(app.set_cookies(response)) == 1
    assert response.headers["Vary"] == "Cookie"
    assert [row.data["late"] for row in app.rows()] == [1]
    assert app.get("/read").json["late"] == 1


@over_both_managers
def test_a_streaming_body_may_read(make_app: MakeApp) -> None:
    """The session outlives the request's transaction, and holds no connection for that."""

    def stream(request: Any) -> Response:
        session = request.session

        def body() -> Iterator[bytes]:
            for key, value in session.items():
                yield f"{key}={value};".encode()

        return Response(app_iter=body())

    app = make_app(views={"/": stream})
    app.get("/write?x=1&y=2")
    assert app.get("/").text == "x=1;y=2;"


@over_both_managers
def test_a_streaming_body_may_be_the_first_to_read(make_app: MakeApp) -> None:
    """When the request is over, a connection is taken for the moment of loading."""

    def stream(request: Any) -> Response:
        def body() -> Iterator[bytes]:
            yield request.session["x"].encode()

        return Response(app_iter=body())

    app = make_app(views={"/": stream})
    app.get("/write?x=1")
    assert app.get("/").text == "1"


# Authentication


class Policy:
    """A security policy that keeps the user's id in the session."""

    def __init__(self) -> None:
        self.helper = SessionAuthenticationHelper()

    def identity(self, request: Any) -> Any:
        return self.helper.authenticated_userid(request)

    authenticated_userid = identity

    def permits(self, request: Any, context: Any, permission: str) -> bool:
        return self.identity(request) is not None

    def remember(self, request: Any, userid: str, **kw: Any) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = self.helper.remember(request, userid, **kw)
        return headers

    def forget(self, request: Any, **kw: Any) -> list[tuple[str, str]]:
        headers: list[tuple[str, str]] = self.helper.forget(request, **kw)
        return headers


def app_with_login(make_app: MakeApp, annotate_user: str) -> App:
    return make_app(
        views={
            "/login": lambda request: remember(request, request.params["who"]),
            "/logout": lambda request: forget(request),  # noqa: PLW0108  # a name for its view
            "/who": lambda request: request.authenticated_userid,
        },
        settings={"tm.annotate_user": annotate_user},
        includes=[lambda config: config.set_security_policy(Policy())],
    )


@over_both_managers
@pytest.mark.parametrize("annotate_user", ["true", "false"])
def test_a_login_is_remembered_until_the_logout(make_app: MakeApp, annotate_user: str) -> None:
    """Whether pyramid_tm asks for the user id in every request or not."""
    app = app_with_login(make_app, annotate_user)
    assert app.get("/who").json is None
    app.get("/write?x=1")
    app.get("/login?who=Ann")
    assert [app.get("/who").json, app.get("/who").json] == ["Ann", "Ann"]
    app.get("/logout")
    assert app.get("/who").json is None
    assert app.get("/read").json == {"x": "1"}
    assert len(app.rows()) == 1


@pytest.mark.parametrize(("annotate_user", "selects"), [("true", 1), ("false", 0)])
def test_annotate_user_loads_a_session_based_login_in_every_request(
    make_app: MakeApp, annotate_user: str, selects: int
) -> None:
    """That is pyramid_tm's doing, and one SELECT at most."""
    app = app_with_login(make_app, annotate_user)
    app.get("/login?who=Ann")
    with app.statements() as seen:
        app.get("/untouched")
    assert seen.of_session.get("SELECT", 0) == selects
    with app.statements() as seen:
        assert app.get("/who").json == "Ann"
    assert seen.of_session == {"SELECT": 1}


# Including it


def tweens(app: App) -> list[str]:
    """The names of the tweens from the outside in."""
    return [name for name, _ in app.registry.getUtility(ITweens).implicit()]


SAVING = "pyramid_sqlsession.tweens.saving_tween_factory"
WATCHING = "pyramid_sqlsession.tweens.watching_tween_factory"
OURS, TM = "pyramid_sqlsession", "pyramid_tm"


@pytest.mark.parametrize(
    "includes", [[TM, OURS], [OURS, TM], [OURS, OURS, TM], [TM, OURS, TM, OURS]]
)
@pytest.mark.parametrize("by_setting", [False, True])
@only_on_sqlite
def test_the_order_of_the_tweens_does_not_depend_on_the_order_of_the_includes(
    make_app: MakeApp, includes: list[str], by_setting: bool
) -> None:
    """Included early, late or twice, by hand or by `pyramid.includes`: the same application."""
    app = make_app(
        tm=False,
        sqlsession=False,
        includes=[] if by_setting else includes,
        settings={"pyramid.includes": " ".join(includes) if by_setting else None},
    )
    assert tweens(app) == ["pyramid_tm.tm_tween_factory", SAVING, EXCVIEW, WATCHING]
    factories = list(app.registry.getUtilitiesFor(ISessionFactory))
    assert [type(factory) for _, factory in factories] == [SQLSessionFactory]
    app.get("/write?x=1")
    assert app.get("/read").json == {"x": "1"}


@only_on_sqlite
def test_without_pyramid_tm_the_tweens_stand_around_the_exception_views(
    make_app: MakeApp,
) -> None:
    """Their order needs nobody else."""
    assert tweens(make_app(tm=False)) == [SAVING, EXCVIEW, WATCHING]


@only_on_sqlite
def test_an_applications_own_session_factory_wins(make_app: MakeApp) -> None:
    """What an application sets itself is not overridden by what it includes."""

    def view(request: Any) -> list[Any]:
        return [isinstance(request.session, SQLSession), request.session.get("x")]

    own = SignedCookieSessionFactory("a secret of the tests")
    app = make_app(views={"/": view}, configure=lambda config: config.set_session_factory(own))
    app.get("/write?x=1")
    assert app.get("/").json == [False, "1"]
    assert app.rows() == []


def set_and_commit(config: Any) -> None:
    """Set a session factory as `Configurator(session_factory=...)` does."""
    config.set_session_factory(SignedCookieSessionFactory("a secret of the tests"))
    config.commit()


@only_on_sqlite
def test_a_session_factory_that_the_configurator_was_given_wins(make_app: MakeApp) -> None:
    """It is registered before anything is included, where Pyramid sees no conflict."""
    app = make_app(includes=[set_and_commit])
    assert not isinstance(app.registry.getUtility(ISessionFactory), SQLSessionFactory)
    app.get("/write?x=1")
    assert app.rows() == []


def other_add_on(config: Any) -> None:
    """Set a session factory by an include, as other add-ons do."""
    config.set_session_factory(SignedCookieSessionFactory("a secret of the tests"))


@only_on_sqlite
def test_two_session_add_ons_conflict(make_app: MakeApp) -> None:
    """Pyramid says so, instead of letting the order of includes decide."""
    with pytest.raises(ConfigurationConflictError):
        make_app(includes=[other_add_on])


EXPLICIT_TWEENS = f"pyramid_tm.tm_tween_factory {EXCVIEW}"


@over_both_managers
def test_explicit_tweens_without_ours_warn_and_still_save(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """The hook before the commit stands in for the tween that is missing."""

    def view(request: Any) -> None:
        request.dbsession.add(Note(text="hello"))
        request.session["x"] = 1

    app = make_app(views={"/": view}, settings={"pyramid.tweens": EXPLICIT_TWEENS})
    (warning,) = warnings_of_ours(caplog)
    assert "pyramid.tweens" in warning
    assert SAVING in warning
    assert WATCHING in warning
    with app.statements() as seen:
        response = app.get("/")
    assert seen.commits == 1
    assert app.notes() == ["hello"]
    assert len(app.set_cookies(response)) == 1
    assert app.get("/write?y=2").json == {"x": 1, "y": "2"}
    assert app.get("/read").json == {"x": 1, "y": "2"}


@only_on_sqlite
def test_explicit_tweens_with_ours_do_not_warn(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that lists them knows what it does."""
    listed = f"pyramid_tm.tm_tween_factory {SAVING} {EXCVIEW} {WATCHING}"
    app = make_app(settings={"pyramid.tweens": listed})
    app.get("/write?x=1")
    assert app.get("/read").json == {"x": "1"}
    assert warnings_of_ours(caplog) == []
