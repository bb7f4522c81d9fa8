"""A page that only reads its session begins no transaction, unless it would miss something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import sqlalchemy
import zope.sqlalchemy
from sqlalchemy import Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tests.harness import (
    App,
    MakeApp,
    available_databases,
    checked_out,
    only_on_sqlite,
    over_both_managers,
)

only_on_postgresql = pytest.mark.parametrize(
    "database_name", [name for name in available_databases() if name == "postgresql"]
)


def read(request: Any) -> dict[str, Any]:
    """Say what the session holds, and what the request holds on account of that."""
    found = dict(request.session)
    return {
        "session": found,
        "is_in_transaction": request.dbsession.in_transaction(),
        "taken": checked_out(),
        "joined": len(request.tm.get()._resources),
    }


def read_with(make_app: MakeApp, method: str = "get", **options: Any) -> dict[str, Any]:
    """Read the session of a visitor who has one."""
    app = make_app(views={"/": read}, **options)
    app.get("/write?x=1")
    found: dict[str, Any] = getattr(app, method)("/").json
    assert found.pop("session") == {"x": "1"}
    return found


SQLALCHEMY = tuple(map(int, sqlalchemy.__version__.split(".")[:2]))
OVERWRITE = text("""UPDATE sessions SET data = '{"x"\\:"2"}'""")
NOTHING = {"is_in_transaction": False, "taken": 0, "joined": 0}


@over_both_managers
def test_a_page_that_only_reads_its_session_begins_no_transaction(make_app: MakeApp) -> None:
    """The connection that was read with is back in the pool before the view goes on."""
    assert read_with(make_app) == NOTHING


def test_a_form_is_read_in_the_transaction_that_will_save_it(make_app: MakeApp) -> None:
    """There will be one anyway, and a second connection would cost more."""
    assert read_with(make_app, "post") == {"is_in_transaction": True, "taken": 1, "joined": 1}


# What would be missed


def test_what_the_request_has_written_before_is_read(make_app: MakeApp) -> None:
    """It is in the transaction of the dbsession, and nowhere else yet."""

    def overwrite_and_read(request: Any) -> Any:
        request.dbsession.execute(text('UPDATE sessions SET data = \'{"x": "2"}\''))
        return dict(request.session)

    app = make_app(views={"/": overwrite_and_read})
    app.get("/write?x=1")
    assert app.get("/").json == {"x": "2"}


@pytest.mark.parametrize("moment", ["after_begin", "after_transaction_create"])
def test_what_the_application_does_to_each_transaction_is_done_before_the_session_is_read(
    make_app: MakeApp, moment: str
) -> None:
    """It may choose the tenant whose rows are to be seen."""

    def choose_tenant(config: Any) -> None:
        def dbsession_of_tenant(request: Any) -> Any:
            dbsession = request.dbsession
            event.listen(dbsession, moment, lambda *_: None)
            return dbsession

        config.add_request_method(dbsession_of_tenant, name="tenant", reify=True)

    found = read_with(
        make_app, includes=[choose_tenant], settings={"sqlsession.dbsession": "tenant"}
    )
    assert found["is_in_transaction"]


class TenantEvents(zope.sqlalchemy.ZopeTransactionEvents):  # type: ignore[misc]  # it is untyped
    """Joins a dbsession to the transaction, and may choose the tenant then."""


class TenantSession(Session):
    """May choose the tenant for each connection that it hands out."""

    def connection(self, *args: Any, **kw: Any) -> Any:
        return super().connection(*args, **kw)


def joined_by_a_subclass(request: Any) -> Session:
    dbsession = Session(request.dbsession.get_bind())
    events = TenantEvents(transaction_manager=request.tm)
    for moment in ("after_begin", "after_attach", "after_flush", "before_commit"):
        event.listen(dbsession, moment, getattr(events, moment))
    return dbsession


def of_a_subclass(request: Any) -> Session:
    dbsession = TenantSession(request.dbsession.get_bind())
    zope.sqlalchemy.register(dbsession, transaction_manager=request.tm)
    return dbsession


@pytest.mark.parametrize("make_dbsession", [joined_by_a_subclass, of_a_subclass])
def test_what_the_application_has_derived_reads_for_itself(
    make_app: MakeApp, make_dbsession: Any
) -> None:
    """It may do there what others do in a listener."""

    def read_as_tenant(request: Any) -> bool:
        assert request.session == {"x": "1"}
        return bool(request.tenant.in_transaction())

    app = make_app(
        views={"/": read_as_tenant},
        configure=lambda config: config.add_request_method(make_dbsession, "tenant", reify=True),
        settings={"sqlsession.dbsession": "tenant"},
    )
    app.get("/write?x=1")
    assert app.get("/").json is True


@over_both_managers
@pytest.mark.parametrize("leave", ["rollback", "close"])
@pytest.mark.parametrize("look", [True, False])
def test_a_session_is_saved_though_the_application_has_left_what_it_had_begun_itself(
    make_app: MakeApp, leave: str, look: bool
) -> None:
    """Its dbsession would begin another transaction, which nobody commits."""

    def leave_and_write(request: Any) -> None:
        if look:
            dict(request.session)
        request.dbsession.execute(text("SELECT 1"))
        getattr(request.dbsession, leave)()
        request.session["y"] = 2

    app = make_app(views={"/": leave_and_write})
    app.get("/write?x=1")
    app.get("/")
    assert app.get("/read").json == {"x": "1", "y": 2}


def test_a_dbsession_on_a_connection_reads_what_was_written_to_that(make_app: MakeApp) -> None:
    """A test may keep everything in one transaction, which it rolls back."""
    app = make_app(views={"/": read})
    app.get("/write?x=1")
    with app.engine.connect() as connection:
        connection.execute(OVERWRITE)
        with Session(connection) as dbsession:
            response = app.get("/", extra_environ={"app.dbsession": dbsession})
    assert response.json["session"] == {"x": "2"}


@only_on_sqlite
def test_a_pool_that_keeps_no_connection_is_not_asked_for_a_second_one(make_app: MakeApp) -> None:
    """To open one takes longer than to begin a transaction."""

    def unpooled(request: Any) -> Session:
        engine = create_engine(request.dbsession.get_bind().url, poolclass=NullPool)
        dbsession = Session(engine)
        zope.sqlalchemy.register(dbsession, transaction_manager=request.tm)
        return dbsession

    app = make_app(
        views={"/": lambda request: request.session and request.unpooled.in_transaction()},
        configure=lambda config: config.add_request_method(unpooled, reify=True),
        settings={"sqlsession.dbsession": "unpooled"},
    )
    app.get("/write?x=1")
    assert app.get("/").json is True


@only_on_postgresql
def test_a_statement_that_failed_does_not_hide_the_session(make_app: MakeApp) -> None:
    """PostgreSQL refuses whatever follows in that transaction; what is committed is still read."""

    def fail_and_read(request: Any) -> Any:
        with suppress(DBAPIError):
            request.dbsession.execute(text("SELECT nonsense"))
        return dict(request.session)

    app = make_app(views={"/": fail_and_read})
    app.get("/write?x=1")
    assert app.get("/").json == {"x": "1"}


def test_another_dbsession_of_the_request_makes_no_difference(make_app: MakeApp) -> None:
    """It is the one of the sessions that must not be in use."""

    def read_after_another(request: Any) -> dict[str, Any]:
        other = Session(request.dbsession.get_bind())
        zope.sqlalchemy.register(other, transaction_manager=request.tm)
        other.connection()
        return read(request)

    app = make_app(views={"/": read_after_another})
    app.get("/write?x=1")
    found = app.get("/").json
    assert found == {"session": {"x": "1"}, "is_in_transaction": False, "taken": 1, "joined": 1}


@pytest.mark.skipif(SQLALCHEMY < (2, 1), reason="a dbsession has no options there")
def test_what_a_dbsession_tells_its_connections_is_heeded(make_app: MakeApp) -> None:
    """Such as the schema of a tenant."""

    def optional(request: Any) -> Session:
        dbsession = Session(request.dbsession.get_bind(), execution_options={"tenant": "a"})
        zope.sqlalchemy.register(dbsession, transaction_manager=request.tm)
        return dbsession

    app = make_app(
        views={"/": lambda request: request.session and request.optional.in_transaction()},
        configure=lambda config: config.add_request_method(optional, reify=True),
        settings={"sqlsession.dbsession": "optional"},
    )
    app.get("/write?x=1")
    assert app.get("/").json is True


# How it is read


@contextmanager
def noting_autocommit(engine: Engine) -> Iterator[list[bool]]:
    """Note for each statement whether its connection commits by itself."""
    seen: list[bool] = []

    def note(connection: Any, *_rest: Any) -> None:
        seen.append(connection.connection.dbapi_connection.autocommit)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def ways_to_read(app: App) -> list[bool]:
    """Tell how a session is read aside, and how it is then written."""
    app.get("/write?x=1")
    with noting_autocommit(app.engine) as seen:
        app.get("/write?x=2")
    return seen


@only_on_postgresql
def test_a_single_select_is_not_put_between_begin_and_rollback(make_app: MakeApp) -> None:
    """That would be two more messages to the server; the connection is lent again as it was."""
    assert ways_to_read(make_app()) == [True, False]


@only_on_postgresql
def test_what_the_application_does_when_its_engine_begins_is_done(make_app: MakeApp) -> None:
    """Its `SET LOCAL` would say nothing outside a transaction."""
    app = make_app()
    event.listen(app.engine, "begin", lambda connection: None)
    assert ways_to_read(app) == [False, False]


SOMETHING: dict[str, Callable[..., Any]] = {
    "connect": lambda connection, record: connection.cursor().execute("SELECT 1"),
    "checkout": lambda connection, record, proxy: connection.cursor().execute("SELECT 1"),
    "engine_connect": lambda connection: connection.scalar(text("SELECT 1")),
}


@pytest.mark.parametrize("moment", SOMETHING)
def test_what_the_application_does_to_each_connection_is_no_obstacle(
    make_app: MakeApp, moment: str
) -> None:
    """It may set a time zone, and so begin a transaction that cannot be turned off any more."""
    app = make_app()
    app.get("/write?x=1")
    app.engine.dispose()
    event.listen(app.engine, moment, SOMETHING[moment])
    assert app.get("/read").json == {"x": "1"}
    assert app.get("/write?y=2").json == {"x": "1", "y": "2"}
