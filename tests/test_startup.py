"""Start-up: what is refused there, and how our table comes into being."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from sqlalchemy import Connection, Engine, MetaData, event, func, inspect, select, table, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from pyramid_sqlsession import SessionMixin, SQLSessionError
from tests.engines import connecting_engines
from tests.harness import App, Database, MakeApp, only_on_sqlite
from tests.harness.marks import only_on_postgresql

NO_TABLE = {"sqlsession.create_table": "false"}
UNKNOWN = "A" * 43


def count(app: App, name: str, schema: str | None = None) -> int:
    """The number of committed rows in a table, whatever its name."""
    query = select(func.count()).select_from(table(name, schema=schema))
    with app.probe.connect() as connection:
        return connection.execute(query).scalar_one()


def tables(app: App) -> set[str]:
    """The names of the tables in the application's database."""
    return set(inspect(app.probe).get_table_names())


# Wrong settings


class NotMapped(SessionMixin):
    pass


REFUSED: list[tuple[str, Any, list[str]]] = [
    ("model", "nowhere.models.Session", ["nowhere.models.Session", "nowhere"]),
    ("model", "tests.test_startup.Missing", ["tests.test_startup.Missing"]),
    ("model", ".notes.Missing", [".notes.Missing"]),
    ("model", "tests.test_startup:NotMapped", ["NotMapped", "not a mapped class", "SessionMixin"]),
    ("model", NotMapped, ["NotMapped", "not a mapped class", "SessionMixin"]),
    ("model", ".notes.Note", ["Note", "'digest'", "SessionMixin"]),
    ("model", 1, ["1", "mapped class"]),
    ("serializer", "nowhere.Serializer", ["nowhere.Serializer"]),
    ("dbsession", "nowhere.dbsession", ["nowhere.dbsession"]),
    ("expires", "1h", ["sqlsession.expires", "unknown", "sqlsession.expiration"]),
    ("Expiration", "1h", ["sqlsession.Expiration", "unknown", "sqlsession.expiration"]),
    ("cookie.name", "s", ["sqlsession.cookie.name", "unknown", "sqlsession.cookie_name"]),
    ("create_table", "tru", ["'tru'", "true or false"]),
]


@pytest.mark.parametrize(("name", "value", "said"), REFUSED)
@only_on_sqlite
def test_a_wrong_setting_stops_start_up_with_the_remedy(
    make_app: MakeApp, name: str, value: Any, said: list[str]
) -> None:
    """The setting, the value received and what to write instead."""
    with pytest.raises(ConfigurationError) as caught:
        make_app(settings={f"sqlsession.{name}": value})
    for words in said:
        assert words in str(caught.value)


@only_on_sqlite
def test_all_wrong_settings_are_told_at_once(make_app: MakeApp) -> None:
    """One start, one message."""
    wrong = {"model": "nowhere.Session", "expiration": "soon", "expires": "1h", "on_abort": "pray"}
    with pytest.raises(ConfigurationError) as caught:
        make_app(settings={f"sqlsession.{name}": value for name, value in wrong.items()})
    for name in wrong:
        assert f"sqlsession.{name}" in str(caught.value)


@only_on_sqlite
def test_a_dbsession_that_requests_do_not_have_stops_start_up(make_app: MakeApp) -> None:
    """Where the table is created through it, it is missed there already."""
    with pytest.raises(SQLSessionError) as caught:
        make_app(settings={"sqlsession.dbsession": "db"})
    for words in ("'db'", "sqlsession.dbsession", "sqlsession.sqlalchemy.url"):
        assert words in str(caught.value)


# A missing table


def read_unknown(app: App) -> None:
    app.browser.plant(UNKNOWN)
    app.get("/read")


def write(app: App) -> None:
    app.get("/write?x=1")


@pytest.mark.parametrize("use", [read_unknown, write])
def test_a_missing_table_is_named_with_the_remedy(
    make_app: MakeApp, use: Callable[[App], None]
) -> None:
    """Whichever statement misses it first."""
    app = make_app(settings=NO_TABLE, table="visits")
    with pytest.raises(SQLSessionError) as caught:
        use(app)
    for words in ("'visits'", "migrations", "sqlsession.create_table"):
        assert words in str(caught.value)


def test_what_is_logged_of_a_missing_table_shows_no_payload(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Without pyramid_tm nobody is left to raise to; the database's own error is told as well."""
    app = make_app(
        settings=NO_TABLE,
        views={"/": lambda request: request.session.update(x="payload")},
        tm=False,
    )
    app.get("/")
    assert "sqlsession.create_table" in caplog.text
    assert "INSERT INTO sessions" in caplog.text
    assert "payload" not in caplog.text


def test_without_create_table_nothing_is_created(make_app: MakeApp) -> None:
    """Nor is anything asked of the database at start-up."""
    with sent() as statements:
        app = make_app(settings=NO_TABLE)
    assert tables(app) == {"notes"}
    assert statements == []


@contextmanager
def sent() -> Iterator[list[str]]:
    """The statements of the application's engines meanwhile."""
    statements: list[str] = []

    def note(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if not connection.get_execution_options().get("harness_probe"):
            statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


# create_table


class ApplicationBase(DeclarativeBase):
    """An application with a table besides that of the sessions."""


class Visit(SessionMixin, ApplicationBase):
    __tablename__ = "visits"


class Order(ApplicationBase):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


def test_create_table_creates_our_table_and_no_other(make_app: MakeApp) -> None:
    """The rest of the application's metadata is the application's business."""
    app = make_app(settings={"sqlsession.model": Visit}, table="visits")
    assert tables(app) == {"notes", "visits"}


def test_a_table_that_is_there_is_left_as_it_is(make_app: MakeApp) -> None:
    """The sessions outlive the restart, and nothing is created."""
    first = make_app()
    first.get("/write?x=1")
    with sent() as statements:
        second = make_app()
    assert not [statement for statement in statements if "CREATE" in statement]
    second.browser.plant(str(first.browser.cookie))
    assert second.get("/read").json == {"x": "1"}


@pytest.mark.parametrize("own_engine", [False, True])
def test_no_connection_is_left_for_processes_that_are_forked_later(
    make_app: MakeApp, own_engine: bool
) -> None:
    """A pre-forking server that loads the application first would hand it to all of them."""
    opened: list[object] = []
    with connecting_engines() as engines:
        make_app(own_engine=own_engine)
        (engine,) = engines
        event.listen(engine, "connect", lambda connection, _record: opened.append(connection))
        engine.connect().close()
    assert len(opened) == 1


NAMES = [
    "http_session_table",
    "session",
    "order",
    "user",
    "select",
    "HttpSession",
    "web sessions",
    "web-sessions",
    "100%",
    "séances",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_the_table_is_used_verbatim(make_app: MakeApp, name: str) -> None:
    """Never pluralised or folded; quoted where it must be, in every statement."""

    def leave(request: Any) -> None:
        request.session.invalidate()

    app = make_app(table=name, views={"/leave": leave})
    assert tables(app) == {"notes", name}
    app.get("/write?x=1")
    app.get("/write?y=2")
    assert app.get("/read").json == {"x": "1", "y": "2"}
    assert count(app, name) == 1
    app.get("/leave")
    assert count(app, name) == 0


@pytest.fixture
def web_schema(database: Database) -> Iterator[str]:
    """The name of another schema than the default one, in mixed case."""
    with database.probe().begin() as connection:
        connection.execute(text('CREATE SCHEMA "Web"'))
    yield "Web"
    with database.probe().begin() as connection:
        connection.execute(text('DROP SCHEMA "Web" CASCADE'))


@only_on_postgresql
def test_the_table_may_live_in_a_schema(make_app: MakeApp, web_schema: str) -> None:
    """Created there, found there at the next start, used there."""
    for _ in range(2):
        app = make_app(settings={"sqlsession.schema": "Web"})
    assert inspect(app.probe).get_table_names(schema="Web") == ["sessions"]
    assert tables(app) == {"notes"}
    app.get("/write?x=1")
    app.get("/write?y=2")
    assert app.get("/read").json == {"x": "1", "y": "2"}
    assert count(app, "sessions", schema="Web") == 1


@only_on_postgresql
def test_a_table_of_our_name_in_another_schema_is_not_taken_for_ours(
    make_app: MakeApp, web_schema: str
) -> None:
    """Each schema has its own."""
    make_app()
    app = make_app(settings={"sqlsession.schema": "Web"})
    assert inspect(app.probe).get_table_names(schema="Web") == ["sessions"]


@only_on_postgresql
def test_a_schema_may_be_translated(make_app: MakeApp, web_schema: str) -> None:
    """As applications do that have a schema for each tenant and create all their tables."""
    app = make_app(settings=NO_TABLE)

    class Base(DeclarativeBase):
        metadata = MetaData(schema="tenant")

    class Visit(SessionMixin, Base):
        __tablename__ = "visits"

    Base.metadata.create_all(app.probe.execution_options(schema_translate_map={"tenant": "Web"}))
    options = text("SELECT reloptions FROM pg_class WHERE oid = '\"Web\".visits'::regclass")
    with app.probe.connect() as connection:
        assert connection.execute(options).scalar_one() == ["fillfactor=80"]


@only_on_postgresql
def test_a_schema_that_is_missing_stops_start_up(make_app: MakeApp) -> None:
    """The message names the table that could not be created, and the database's reason."""
    refused = pytest.raises(SQLSessionError, match=r"create_table.*nowhere\.sessions.*nowhere")
    with connecting_engines(), refused:
        make_app(settings={"sqlsession.schema": "nowhere"})


@only_on_postgresql
def test_a_name_that_the_database_cannot_have_stops_start_up(make_app: MakeApp) -> None:
    """SQLAlchemy refuses it before the database does."""
    refused = pytest.raises(SQLSessionError, match=r"create_table.*'x{64}' .*maximum length")
    with connecting_engines(), refused:
        make_app(table="x" * 64)


@only_on_sqlite
def test_a_database_that_cannot_be_opened_stops_start_up(
    make_app: MakeApp, tmp_path: Path
) -> None:
    """A server that cannot save sessions does not start to serve."""
    url = f"sqlite:///{tmp_path}/missing/sessions.sqlite"
    with pytest.raises(SQLSessionError, match=r"create_table.*sessions.*unable to open"):
        make_app(settings={"sqlsession.sqlalchemy.url": url})


def test_of_two_creators_the_slower_one_finds_the_table_made(make_app: MakeApp) -> None:
    """Another process may have created it between the look and the statement."""
    made: list[App] = []

    def be_faster(_: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "CREATE TABLE sessions" in statement.replace("\n", "") and not made:
            made.append(None)  # type: ignore[arg-type]  # so that the faster one is left alone
            made[0] = make_app()

    event.listen(Engine, "before_cursor_execute", be_faster)
    try:
        slower = make_app()
    finally:
        event.remove(Engine, "before_cursor_execute", be_faster)
    (faster,) = made
    for app in (slower, faster):
        app.get("/write?x=1")
    assert len(slower.rows()) == 2
    assert {("previous",), ("expires",)} <= {
        tuple(index["column_names"]) for index in inspect(slower.probe).get_indexes("sessions")
    }


def test_many_creators_at_once_all_start(make_app: MakeApp) -> None:
    """The workers of a server start together."""
    workers = 4
    together = Barrier(workers, timeout=30)

    def start(_: int) -> App:
        together.wait()
        return make_app()

    with ThreadPoolExecutor(workers) as threads:
        apps = list(threads.map(start, range(workers)))
    for app in apps:
        app.get("/write?x=1")
    assert len(apps[0].rows()) == workers
