"""The messages that the README quotes come as it quotes them."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import sqlalchemy
import webtest
from pyramid.request import Request
from pyramid.response import Response
from pyramid.scripting import prepare
from sqlalchemy import (
    Column,
    DateTime,
    ForeignKey,
    Integer,
    String,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

from pyramid_sqlsession import (
    SessionConflict,
    SessionMixin,
    SettingsError,
    SQLSessionError,
    UnstorableValueError,
    session_factory_from_settings,
)
from pyramid_sqlsession.session_id import new_session_id
from tests.harness import MakeApp
from tests.readme.applications import begin, store_app
from tests.readme.document import quoted_messages, squeezed, write

KEY = "k" * 42 + "A"


class Scene(NamedTuple):
    """What a provocation may use."""

    make_app: MakeApp
    folder: Path
    caplog: pytest.LogCaptureFixture

    def get_error(self, kind: type[Exception], view: Callable[[Any], Any], **options: Any) -> str:
        """Make a request to a view, and return the message of the error that comes out."""
        app = self.make_app(views={"/": view}, **options)
        with pytest.raises(kind) as info:
            app.get("/")
        return str(info.value)

    def logged(self) -> str:
        """Return the one message of the package, however often it came."""
        records = [r for r in self.caplog.records if r.name.startswith("pyramid_sqlsession")]
        [message] = {record.getMessage() for record in records}
        return message


def refused(settings: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as info:
        session_factory_from_settings(settings)
    return str(info.value)


def two_wrong_settings(scene: Scene) -> str:
    return refused({"sqlsession.expiration": "1 day", "sqlsession.cookie_htponly": "true"})


def a_dotted_name_that_leads_nowhere(scene: Scene) -> str:
    write(scene.folder / "myapp/__init__.py", "")
    return refused({"sqlsession.model": "myapp.model.WebSession"})


def a_class_that_is_not_mapped(scene: Scene) -> str:
    return refused({"sqlsession.model": type("Cart", (), {"__module__": "myapp.views"})})


def a_mapped_class_without_a_column(scene: Scene) -> str:
    base: Any = type("Base", (DeclarativeBase,), {})
    content = {"__module__": "myapp.models", "__tablename__": "pages", "accessed": None}
    return refused({"sqlsession.model": type("Page", (SessionMixin, base), content)})


def columns_that_are_mapped_otherwise(scene: Scene) -> str:
    columns = {"created": mapped_column(DateTime), "keep": mapped_column(Integer)}
    return refused({"sqlsession.model": visit(columns)})


def a_column_that_nobody_fills(scene: Scene) -> str:
    column = mapped_column(String, nullable=False)
    return refused({"sqlsession.model": visit({"tenant": column})})


def visit(content: dict[str, Any]) -> Any:
    base: Any = type("Base", (DeclarativeBase,), {})
    content = {"__module__": "myapp.models", "__tablename__": "visits", **content}
    return type("Visit", (SessionMixin, base), content)


def a_foreign_key_by_name(scene: Scene) -> str:
    fields: dict[str, Any] = {"user_id": Column(ForeignKey("users.id"))}
    return refused({"sqlsession.additional_fields": fields})


def a_serializer_for_another_column(scene: Scene) -> str:
    return refused({"sqlsession.model": visit({}), "sqlsession.serializer": pickle})


def a_json_column_for_what_is_encrypted(scene: Scene) -> str:
    columns = {"data": mapped_column(sqlalchemy.JSON)}
    return refused({"sqlsession.model": visit(columns), "sqlsession.encryption_keys": KEY})


def a_table_that_cannot_be_created(scene: Scene) -> str:
    url = f"sqlite:///{scene.folder}/missing/sessions.sqlite"
    with pytest.raises(SQLSessionError) as info:
        scene.make_app(settings={"sqlsession.sqlalchemy.url": url})
    return str(info.value)


def a_request_without_dbsession(scene: Scene) -> str:
    settings = {"sqlsession.create_table": "false"}
    return scene.get_error(SQLSessionError, begin, dbsession=False, settings=settings)


def a_missing_table(scene: Scene) -> str:
    settings = {"sqlsession.create_table": "false"}
    return scene.get_error(SQLSessionError, begin, settings=settings)


def a_value_that_cannot_be_stored(scene: Scene) -> str:
    def view(request: Any) -> None:
        request.session["cart"] = [{"since": datetime.now(timezone.utc)}]

    return scene.get_error(UnstorableValueError, view)


def of_the_callback(scene: Scene, callback: Callable[..., Any], *, nullable: bool = True) -> str:
    settings = {
        "sqlsession.additional_fields": {"user_id": Column(Integer, nullable=nullable)},
        "sqlsession.extend_default_fields": callback,
    }
    return scene.get_error(SQLSessionError, begin, settings=settings)


def a_callback_that_returns_a_list(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: [])


def a_callback_that_fills_what_is_not_there(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: {"usr_id": 5})


def a_callback_that_fills_what_is_ours(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: {"version": 5})


def a_callback_that_leaves_a_column_unfilled(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: {}, nullable=False)


def a_callback_that_changes_the_session(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session: session.clear())


def a_callback_that_commits(scene: Scene) -> str:
    return of_the_callback(scene, lambda defaults, session, request: request.tm.commit())


def a_faster_request(scene: Scene) -> str:
    settings = {"sqlsession.on_conflict": "retry"}

    def view(request: Any) -> None:
        request.session["x"] = 2
        request.environ["tests.app"].execute("UPDATE sessions SET version = version + 1")

    app = scene.make_app(views={"/": view}, settings=settings)
    app.get("/write?x=1")
    with pytest.raises(SessionConflict) as info:
        app.get("/", extra_environ={"tests.app": app})
    return str(info.value)


def a_locked_database(scene: Scene) -> str:
    file = scene.folder / "locked.sqlite"
    settings = {
        "sqlsession.sqlalchemy.url": f"sqlite:///{file}",
        "sqlsession.sqlalchemy.connect_args": {"timeout": 0},
    }
    app = scene.make_app(views={"/": begin}, settings=settings)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionConflict) as info:
            app.get("/")
    return str(info.value)


def an_expiration_of_nothing(scene: Scene) -> str:
    return scene.get_error(ValueError, lambda request: request.session.set_expiration(0))


def a_value_of_the_wrong_type(scene: Scene) -> str:
    return refused_by_the_store(scene, {"user_id": "42"})


def an_unknown_column(scene: Scene) -> str:
    return refused_by_the_store(scene, {"usr_id": 42})


def refused_by_the_store(scene: Scene, fields: dict[str, Any]) -> str:
    app = store_app(scene.make_app)
    with prepare(registry=app.registry) as env, pytest.raises(TypeError) as error:
        env["request"].session_store.revoke_all(**fields)
    return str(error.value)


def a_store_without_a_transaction(scene: Scene) -> str:
    app = scene.make_app()
    with prepare(registry=app.registry) as env, pytest.raises(SQLSessionError) as error:
        env["request"].session_store.clear()
    return str(error.value)


def a_public_response(scene: Scene) -> str:
    def view(request: Any) -> None:
        request.session["x"] = 1
        request.response.cache_control = "public"

    scene.make_app(views={"/": view}).get("/")
    return scene.logged()


def an_insecure_cookie(scene: Scene) -> str:
    scene.make_app(settings={"sqlsession.cookie_secure": "false"})
    return scene.logged()


def no_limit(scene: Scene) -> str:
    scene.make_app(settings={"sqlsession.expiration": "none"})
    return scene.logged()


def a_proxy_that_does_not_say_https(scene: Scene) -> str:
    app = scene.make_app()
    app.get("/write?x=1", extra_environ={"HTTP_X_FORWARDED_FOR": "192.0.2.1"})
    return scene.logged()


def a_script_without_a_transaction(scene: Scene) -> str:
    with prepare(registry=scene.make_app().registry) as env:
        env["request"].session["x"] = 1
    return scene.logged()


def a_logout_in_a_streaming_body(scene: Scene) -> str:
    def view(request: Request) -> Response:
        session = request.session
        return Response(app_iter=(session.invalidate() or b"" for _ in range(1)))

    scene.make_app(views={"/": view}).get("/")
    return scene.logged()


def a_list_of_tweens_without_ours(scene: Scene) -> str:
    tweens = "pyramid_tm.tm_tween_factory pyramid.tweens.excview_tween_factory"
    scene.make_app(settings={"pyramid.tweens": tweens})
    return scene.logged()


def a_row_that_cannot_be_read(scene: Scene) -> str:
    app = scene.make_app()
    app.get("/write?x=1")
    app.execute("UPDATE sessions SET data = '?'")
    app.get("/read")
    return scene.logged()


def a_row_that_no_key_opens(scene: Scene) -> str:
    app = scene.make_app(settings={"sqlsession.encryption_keys": KEY})
    app.get("/write?x=1")
    app.execute("UPDATE sessions SET data = '{}'")
    app.get("/read")
    return scene.logged()


def two_cookies_of_live_sessions(scene: Scene) -> str:
    app = scene.make_app()
    browsers = [app.browser, app.another_browser()]
    for browser in browsers:
        browser.get("/write?x=1")
    both = "; ".join(f"session={browser.cookie}" for browser in browsers)
    webtest.TestApp(app.wsgi).get("/read", headers={"Cookie": both})
    return scene.logged()


def many_cookies(scene: Scene) -> str:
    many = "; ".join(f"session={new_session_id()}" for _ in range(5))
    scene.make_app().get("/read", headers={"Cookie": many})
    return scene.logged()


def a_late_change_that_is_refused(scene: Scene) -> str:
    def view(request: Request) -> None:
        request.add_response_callback(late)

    def late(request: Request, response: Any) -> None:
        request.session["x"] = object()

    scene.make_app(views={"/": view}).get("/")
    return scene.logged()


PROVOCATIONS: list[Callable[[Scene], str]] = [
    two_wrong_settings,
    a_dotted_name_that_leads_nowhere,
    a_class_that_is_not_mapped,
    a_mapped_class_without_a_column,
    columns_that_are_mapped_otherwise,
    a_column_that_nobody_fills,
    a_foreign_key_by_name,
    a_serializer_for_another_column,
    a_json_column_for_what_is_encrypted,
    a_table_that_cannot_be_created,
    a_request_without_dbsession,
    a_missing_table,
    a_value_that_cannot_be_stored,
    a_callback_that_returns_a_list,
    a_callback_that_fills_what_is_not_there,
    a_callback_that_fills_what_is_ours,
    a_callback_that_leaves_a_column_unfilled,
    a_callback_that_changes_the_session,
    a_callback_that_commits,
    a_faster_request,
    a_locked_database,
    an_expiration_of_nothing,
    a_value_of_the_wrong_type,
    an_unknown_column,
    a_store_without_a_transaction,
    a_public_response,
    an_insecure_cookie,
    no_limit,
    a_proxy_that_does_not_say_https,
    a_script_without_a_transaction,
    a_logout_in_a_streaming_body,
    a_list_of_tweens_without_ours,
    a_row_that_cannot_be_read,
    a_row_that_no_key_opens,
    two_cookies_of_live_sessions,
    many_cookies,
    a_late_change_that_is_refused,
]


@pytest.fixture
def scene(make_app: MakeApp, folder: Path, caplog: pytest.LogCaptureFixture) -> Scene:
    """Applications, files and the log."""
    return Scene(make_app, folder, caplog)


@pytest.mark.parametrize("provoke", PROVOCATIONS, ids=lambda provoke: provoke.__name__)
def test_each_error_is_quoted_as_it_comes(scene: Scene, provoke: Callable[[Scene], str]) -> None:
    """Word for word, in the order of the README."""
    quoted = quoted_messages()[PROVOCATIONS.index(provoke)]
    assert squeezed(provoke(scene)) == quoted


def test_each_quoted_error_is_provoked() -> None:
    """None is quoted that nobody can meet."""
    assert len(quoted_messages()) == len(PROVOCATIONS)
