"""When the session cannot be saved: the request fails as if its view had raised."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response
from sqlalchemy.exc import DBAPIError

from pyramid_sqlsession import JSONSerializer, SQLSessionError, UnstorableValueError
from tests.harness import App, Database, MakeApp, Note, only_on_sqlite, over_both_managers
from tests.harness.endings import KNOWN, and_raise
from tests.harness.marks import VETO, on_every_on_abort, with_and_without_veto

View = Callable[..., Any]


def already(known: bool) -> list[dict[str, Any]]:
    """What the database held of the visitor's session before."""
    return [KNOWN] if known else []


def data_of_rows(app: App) -> list[Any]:
    return [row.data for row in app.rows()]


# Ways to fail


class Failure:
    """Why a session cannot be saved."""

    error: type[Exception]
    settings: Mapping[str, Any] = MappingProxyType({})

    def prepare(self, app: App, database: Database) -> None:
        """Change something behind the application's back."""

    def write(self, session: Any) -> None:
        """Write what cannot be saved."""
        session["y"] = 2


class AnObject(Failure):
    """A value that is no JSON."""

    error = UnstorableValueError

    def write(self, session: Any) -> None:
        session["y"] = {"deep": [object()]}


class NotANumber(Failure):
    """A value that JSON does not know."""

    error = UnstorableValueError

    def write(self, session: Any) -> None:
        session["y"] = float("nan")


class BrokenSerializer(JSONSerializer):
    """Fails for a reason of its own."""

    def dumps(self, value: Any) -> bytes:
        if "y" in value:
            raise ConnectionError
        return super().dumps(value)


class ASerializer(Failure):
    """A serializer that fails."""

    error = UnstorableValueError
    settings = MappingProxyType({"sqlsession.serializer": BrokenSerializer()})


TRIGGERS: dict[str, str] = {
    "sqlite": """
        CREATE TRIGGER no_{0} BEFORE {0} ON sessions
        BEGIN SELECT RAISE(ABORT, 'no'); END""",
    "mariadb": """
        CREATE TRIGGER no_{0} BEFORE {0} ON sessions FOR EACH ROW
        SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'""",
    "postgresql": """
        CREATE FUNCTION refuse_{0}() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
        CREATE TRIGGER no_{0} BEFORE {0} ON sessions FOR EACH ROW
            EXECUTE FUNCTION refuse_{0}()""",
}


class ATrigger(Failure):
    """A database that refuses the row."""

    error = DBAPIError

    def prepare(self, app: App, database: Database) -> None:
        for verb in ("INSERT", "UPDATE"):
            app.execute(TRIGGERS[database.name].format(verb))


FAILURES = {"object": AnObject, "NaN": NotANumber, "serializer": ASerializer, "trigger": ATrigger}


@pytest.fixture(params=FAILURES.values(), ids=list(FAILURES))
def failure(request: pytest.FixtureRequest) -> Failure:
    """Why the session cannot be saved."""
    made: Failure = request.param()
    return made


# Applications


class Scene:
    """An application whose view `/` writes a note, and into the session what cannot be saved."""

    def __init__(self, make_app: MakeApp, database: Database, failure: Failure) -> None:
        self.make_app = make_app
        self.database = database
        self.failure = failure
        self.caught: list[Any] = []

    def write(self, request: Any) -> None:
        request.dbsession.add(Note(text="note"))
        self.failure.write(request.session)

    def catch(self, error: Any, request: Any) -> None:
        """Remember what an exception view is given, and the session that it sees."""
        self.caught.append((error, dict(request.session)))

    def app(
        self, view: View | None = None, exception_view: View | None = None, **more: Any
    ) -> App:
        """Build it, with an exception view for the error of this failure if one is given."""
        settings = {**self.failure.settings, **more.pop("settings", {})}
        return self.make_app(
            views={"/": view or self.write},
            exception_views={self.failure.error: exception_view} if exception_view else {},
            settings=settings,
            **more,
        )

    def visit(self, app: App, known: bool) -> Any:
        """What the browser gets at `/`, once the failure is prepared."""
        if known:
            app.get("/write?x=1")
        self.failure.prepare(app, self.database)
        return app.get("/", status="*")


@pytest.fixture
def scene(make_app: MakeApp, database: Database, failure: Failure) -> Scene:
    """A scene with every failure."""
    return Scene(make_app, database, failure)


@pytest.fixture
def unstorable(make_app: MakeApp, database: Database) -> Scene:
    """A scene with a value that cannot be stored."""
    return Scene(make_app, database, AnObject())


# With an exception view, and without


@over_both_managers
@pytest.mark.parametrize(
    ("status", "veto"),
    [(200, {}), (200, VETO), (302, VETO), (500, VETO)],
    ids=["200", "200, veto", "302, veto", "500, veto"],
)
def test_an_error_in_our_save_reaches_the_exception_view(
    scene: Scene, known: bool, status: int, veto: dict[str, str]
) -> None:
    """Its answer replaces the view's; nothing is committed though its status may pass a veto."""

    def answer(error: Any, request: Any) -> Response:
        scene.catch(error, request)
        location = {"Location": "/read"} if status == 302 else {}
        return Response("sorry", status=status, headers=location)

    app = scene.app(exception_view=answer, settings=veto)
    response = scene.visit(app, known)
    ((error, seen),) = scene.caught
    assert isinstance(error, scene.failure.error)
    assert seen == (KNOWN if known else {})
    assert (response.text, response.status_int) == ("sorry", status)
    assert app.notes() == []
    assert data_of_rows(app) == already(known)
    assert app.set_cookies(response) == []


@over_both_managers
@with_and_without_veto
def test_an_error_in_our_save_that_nobody_handles_propagates(
    scene: Scene, known: bool, veto: dict[str, str]
) -> None:
    """The application's data are rolled back with the session."""
    app = scene.app(settings=veto)
    with pytest.raises(scene.failure.error):
        scene.visit(app, known)
    assert app.notes() == []
    assert data_of_rows(app) == already(known)


@over_both_managers
@with_and_without_veto
def test_an_exception_view_that_fails_over_our_error_raises_its_own(
    scene: Scene, known: bool, veto: dict[str, str]
) -> None:
    """As it does when a view fails."""

    def fail_again(error: Any, request: Any) -> None:
        request.session["z"] = 3
        raise LookupError

    app = scene.app(exception_view=fail_again, settings=veto)
    with pytest.raises(LookupError):
        scene.visit(app, known)
    assert app.notes() == []
    assert data_of_rows(app) == already(known)


@over_both_managers
@with_and_without_veto
@on_every_on_abort
def test_an_exception_view_may_write_into_the_session_that_could_not_be_saved(
    unstorable: Scene, known: bool, veto: dict[str, str], on_abort: str
) -> None:
    """What cannot be stored is gone, under `keep` too; what it adds is kept unless discarded."""

    def flash(error: Any, request: Any) -> HTTPFound:
        request.session["z"] = 3
        return HTTPFound("/read")

    app = unstorable.app(exception_view=flash, settings={"sqlsession.on_abort": on_abort, **veto})
    response = unstorable.visit(app, known)
    expected = {**(KNOWN if known else {}), **({} if on_abort == "discard" else {"z": 3})}
    assert app.notes() == []
    assert data_of_rows(app) == ([expected] if expected else [])
    assert len(app.set_cookies(response)) == (0 if known or on_abort == "discard" else 1)
    assert app.get("/read").json == expected


@over_both_managers
def test_the_views_wishes_are_gone_with_its_data(unstorable: Scene) -> None:
    """The cookie that the browser holds stays good."""

    def wish(request: Any) -> None:
        request.session.regenerate_id()
        request.session.set_expiration(60)
        unstorable.write(request)

    app = unstorable.app(wish, exception_view=unstorable.catch)
    response = unstorable.visit(app, known=True)
    (row,) = app.rows()
    assert app.set_cookies(response) == []
    assert (row.version, row.columns["lifetime"]) == (1, None)
    assert app.get("/read").json == KNOWN


@over_both_managers
@pytest.mark.parametrize("handled", [False, True])
def test_a_logout_sticks_though_what_was_written_after_it_cannot_be_saved(
    scene: Scene, handled: bool
) -> None:
    """Nobody gets in again, whatever else fails."""

    def leave(request: Any) -> None:
        request.session.invalidate()
        scene.write(request)

    app = scene.app(leave, exception_view=scene.catch if handled else None)
    if handled:
        (cookie,) = app.set_cookies(scene.visit(app, known=True))
        assert cookie.deletes
    else:
        with pytest.raises(scene.failure.error):
            scene.visit(app, known=True)
    assert app.rows() == []
    assert app.notes() == []


@over_both_managers
@with_and_without_veto
def test_a_doomed_request_asks_for_nothing_to_be_stored(
    unstorable: Scene, known: bool, veto: dict[str, str]
) -> None:
    """What is rolled back anyway is no error."""

    def doom(request: Any) -> str:
        unstorable.write(request)
        request.tm.doom()
        return "done"

    app = unstorable.app(doom, settings=veto)
    assert unstorable.visit(app, known).json == "done"
    assert data_of_rows(app) == already(known)


# Saved by the hook before the commit


@over_both_managers
def test_an_error_in_the_hook_rolls_the_data_back_too(scene: Scene, known: bool) -> None:
    """A raised redirect that passes a veto is committed, so its session must be storable."""

    def redirect(request: Any) -> None:
        scene.write(request)
        raise HTTPFound("/read")

    app = scene.app(redirect, settings=VETO)
    with pytest.raises(scene.failure.error):
        scene.visit(app, known)
    assert app.notes() == []
    assert data_of_rows(app) == already(known)


@over_both_managers
def test_an_error_in_the_hook_reaches_the_exception_view(scene: Scene, known: bool) -> None:
    """pyramid_tm offers it the errors of the commit; it sees the session as it was loaded."""

    def redirect(request: Any) -> None:
        scene.write(request)
        raise HTTPFound("/read")

    def answer(error: Any, request: Any) -> str:
        scene.catch(error, request)
        return "sorry"

    app = scene.app(redirect, exception_view=answer, settings=VETO)
    response = scene.visit(app, known)
    ((_, seen),) = scene.caught
    assert response.json == "sorry"
    assert seen == (KNOWN if known else {})
    assert app.notes() == []
    assert data_of_rows(app) == already(known)
    assert app.set_cookies(response) == []


@over_both_managers
def test_an_error_in_a_commit_of_the_views_own_is_raised_there(scene: Scene, known: bool) -> None:
    """The view may abort and go on; what could not be saved is rolled back."""

    def view(request: Any) -> str:
        scene.write(request)
        with pytest.raises(scene.failure.error):
            request.tm.commit()
        request.tm.abort()
        request.tm.begin()
        request.dbsession.add(Note(text="second try"))
        return "went on"

    app = scene.app(view)
    response = scene.visit(app, known)
    assert response.json == "went on"
    assert app.notes() == ["second try"]
    assert data_of_rows(app) == already(known)
    assert app.set_cookies(response) == []


# Saved after the response


def errors_of_ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith("pyramid_sqlsession") and record.levelname == "ERROR"
    ]


@over_both_managers
def test_an_error_after_the_response_is_logged_and_the_response_delivered(
    scene: Scene, known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody could handle it any more; no cookie is sent for a row that is not there."""

    def answer(error: Any, request: Any) -> str:
        scene.failure.write(request.session)
        return "delivered"

    app = scene.app(and_raise, configure=lambda config: _handle_division(config, answer))
    response = scene.visit(app, known)
    assert response.json == "delivered"
    assert response.headers["Vary"] == "Cookie"
    assert data_of_rows(app) == already(known)
    assert app.set_cookies(response) == []
    assert errors_of_ours(caplog) != []


def _handle_division(config: Any, view: View) -> None:
    config.add_exception_view(view, context=ZeroDivisionError, renderer="json")


@over_both_managers
def test_a_logout_sticks_though_the_exception_views_changes_cannot_be_saved(scene: Scene) -> None:
    """The row is deleted though nothing can be put in its place."""

    def leave(error: Any, request: Any) -> None:
        request.session.invalidate()
        scene.failure.write(request.session)

    app = scene.app(and_raise, configure=lambda config: _handle_division(config, leave))
    (cookie,) = app.set_cookies(scene.visit(app, known=True))
    assert cookie.deletes
    assert app.rows() == []


@over_both_managers
def test_a_logout_sticks_though_what_is_kept_cannot_be_saved(scene: Scene) -> None:
    """With `on_abort = keep` the failed view's changes are saved, or not, after the response."""

    def leave(request: Any) -> None:
        request.session.invalidate()
        scene.failure.write(request.session)
        raise ZeroDivisionError

    app = scene.app(
        leave,
        settings={"sqlsession.on_abort": "keep"},
        configure=lambda config: _handle_division(config, lambda error, request: "sorry"),
    )
    (cookie,) = app.set_cookies(scene.visit(app, known=True))
    assert cookie.deletes
    assert app.rows() == []


# A table that is not there


@over_both_managers
@with_and_without_veto
@pytest.mark.parametrize("handled", [False, True], ids=["no exception view", "exception view"])
def test_a_missing_table_is_an_error_that_says_what_to_do(
    make_app: MakeApp, veto: dict[str, str], known: bool, handled: bool
) -> None:
    """Whether it is found out by reading or by writing; the application's data are not saved."""
    caught: list[str] = []

    def view(request: Any) -> None:
        request.dbsession.add(Note(text="note"))
        request.session["y"] = 2

    def answer(error: Any, request: Any) -> Response:
        caught.append(str(error))
        return Response("sorry", status=500)

    app = make_app(
        views={"/": view},
        exception_views={SQLSessionError: answer} if handled else {},
        settings=veto,
    )
    if known:
        app.get("/write?x=1")
    app.execute("DROP TABLE sessions")
    if handled:
        response = app.get("/", status=500)
        assert response.text == "sorry"
        assert app.set_cookies(response) == []
    else:
        with pytest.raises(SQLSessionError) as raised:
            app.get("/")
        caught.append(str(raised.value))
    (message,) = caught
    assert "'sessions'" in message
    assert "create_table" in message
    assert app.notes() == []


@over_both_managers
def test_an_exception_view_may_ask_for_the_session_again_that_could_not_be_loaded(
    make_app: MakeApp,
) -> None:
    """It gets the same error, no half-made session, and no connection is lost."""

    def read(request: Any) -> None:
        request.session.get("x")

    def read_again(error: Any, request: Any) -> str:
        with pytest.raises(SQLSessionError):
            read(request)
        return "sorry"

    app = make_app(views={"/": read}, exception_views={SQLSessionError: read_again})
    app.get("/write?x=1")
    app.execute("DROP TABLE sessions")
    response = app.get("/")
    assert response.json == "sorry"
    assert app.set_cookies(response) == []


# What the error says


@only_on_sqlite
def test_the_error_names_the_key_and_not_the_value(unstorable: Scene) -> None:
    """It may end in a log that more people read than should read the session."""

    def write(request: Any) -> None:
        request.session["basket"] = {"secret word": {1, 2}}

    app = unstorable.app(write)
    with pytest.raises(UnstorableValueError, match=r"session\['basket'\]") as caught:
        unstorable.visit(app, known=True)
    assert "{1, 2}" not in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, TypeError)


@over_both_managers
def test_an_error_of_the_database_shows_no_digest_and_no_data(
    make_app: MakeApp, database: Database, known: bool
) -> None:
    """SQLAlchemy would quote the parameters of the statement."""
    scene = Scene(make_app, database, ATrigger())

    def write(request: Any) -> None:
        request.session["y"] = "payload"

    app = scene.app(write)
    with pytest.raises(DBAPIError) as caught:
        scene.visit(app, known)
    assert "payload" not in str(caught.value)
