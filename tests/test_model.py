"""The mapped class: the mixin's columns, the generated class, and the application's own."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import ISessionFactory
from pyramid.scripting import prepare
from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PickleType,
    String,
    Table,
    Uuid,
    create_mock_engine,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from pyramid_sqlsession import (
    SessionMixin,
    SettingsError,
    SQLSessionFactory,
    UnstorableValueError,
    session_factory_from_settings,
)
from pyramid_sqlsession.model import check_model, generate_model
from tests.harness import App, Clock, MakeApp, only_on_sqlite
from tests.harness.endings import and_doom
from tests.harness.notes import Base as NotesBase
from tests.harness.rows import committed_rows

ORDER = [
    "id",
    "digest",
    "previous",
    "rotated",
    "created",
    "lifetime",
    "expires",
    "accessed",
    "version",
    "data",
]
URLS = {
    "sqlite": "sqlite://",
    "postgresql": "postgresql+psycopg://",
    "mysql": "mysql+pymysql://",
    "mariadb": "mariadb+pymysql://",
}


def ddl(table: Table, dialect: str) -> str:
    """The statements that create the table."""
    statements: list[str] = []

    def note(statement: Any, *_: Any, **__: Any) -> None:
        statements.append(str(statement.compile(dialect=engine.dialect)))

    engine = create_mock_engine(URLS[dialect], note)
    table.create(engine, checkfirst=False)
    return " ".join(" ".join(statements).split())


def table_of(model: type) -> Table:
    mapper: Any = inspect(model)
    found = mapper.local_table
    assert isinstance(found, Table)
    return found


def generated() -> Table:
    return table_of(generate_model("sessions", None))


# The columns


def test_what_changes_stands_together_and_the_data_last() -> None:
    """The order matters for the write-ahead log."""
    assert [column.name for column in generated().columns] == ORDER


def test_an_applications_own_columns_stand_before_what_changes() -> None:
    """Extra fields change seldom."""

    class Base(DeclarativeBase):
        pass

    class Visit(SessionMixin, Base):
        __tablename__ = "visits"
        user_id: Mapped[int | None]

    names = [column.name for column in table_of(Visit).columns]
    assert names == [*ORDER[:6], "user_id", *ORDER[6:]]


TYPES = {
    "sqlite": {"id": "INTEGER", "digest": "BLOB", "previous": "BLOB", "data": "TEXT"},
    "postgresql": {"id": "BIGSERIAL", "digest": "BYTEA", "previous": "BYTEA", "data": "TEXT"},
    "mysql": {
        "id": "BIGINT",
        "digest": "BINARY(32)",
        "previous": "BINARY(32)",
        "data": "MEDIUMTEXT",
    },
}
TYPES["mariadb"] = TYPES["mysql"]
EVERYWHERE = {
    **dict.fromkeys(["rotated", "created", "expires", "accessed"], "BIGINT"),
    **dict.fromkeys(["lifetime", "version"], "INTEGER"),
}


@pytest.mark.parametrize("dialect", TYPES)
def test_each_column_has_the_type_that_its_content_needs(dialect: str) -> None:
    """BLOB and TEXT would mean 64 KB on MySQL; a digest has 32 bytes."""
    statement = ddl(generated(), dialect)
    for name, kind in {**EVERYWHERE, **TYPES[dialect]}.items():
        assert f" {name} {kind}" in statement.replace("(id", "( id")


def test_only_the_facts_that_may_be_missing_are_nullable() -> None:
    """A row without the others would be no session."""
    nullable = [column.name for column in generated().columns if column.nullable]
    assert nullable == ["previous", "rotated", "lifetime"]


@pytest.mark.parametrize("dialect", TYPES)
def test_the_digest_is_unique_and_what_is_sought_by_is_indexed(dialect: str) -> None:
    """`accessed` is not: every touch would have to update the index."""
    statement = ddl(generated(), dialect)
    assert "UNIQUE (digest)" in statement
    assert "ON sessions (previous)" in statement
    assert "ON sessions (expires)" in statement
    assert statement.count("CREATE INDEX") == 2


@pytest.mark.parametrize("dialect", TYPES)
def test_the_index_of_previous_ids_leaves_rows_out_where_it_can(dialect: str) -> None:
    """Most sessions were never rotated."""
    partial = "WHERE previous IS NOT NULL" in ddl(generated(), dialect)
    assert partial is (dialect in {"postgresql", "sqlite"})


@pytest.mark.parametrize(
    ("dialect", "counter"),
    [("sqlite", "AUTOINCREMENT"), ("mysql", "AUTO_INCREMENT"), ("postgresql", "BIGSERIAL")],
)
def test_the_database_counts_the_public_id(dialect: str, counter: str) -> None:
    """A random primary key would make inserts slow where the table is clustered by it."""
    assert counter in ddl(generated(), dialect)


def test_a_public_id_is_not_given_out_again(make_app: MakeApp) -> None:
    """A note of it in a log must not come to mean another visitor."""
    app = make_app(views={"/leave": lambda request: request.session.invalidate()})
    app.get("/write?x=1")
    (first,) = app.rows()
    app.get("/leave")
    app.get("/write?x=1")
    (second,) = app.rows()
    assert second.id > first.id


def test_a_live_database_has_the_columns_and_the_indexes(make_app: MakeApp) -> None:
    """What `create_table` made is what the mixin says."""
    app = make_app()
    found = inspect(app.session_probe)
    assert [column["name"] for column in found.get_columns("sessions")] == ORDER
    indexed = [index["column_names"] for index in found.get_indexes("sessions")]
    assert ["previous"] in indexed
    assert ["expires"] in indexed
    assert ["accessed"] not in indexed


def test_the_row_notes_the_facts(make_app: MakeApp, clock: Clock) -> None:
    """In seconds of the application's clock; what did not happen is NULL."""
    app = make_app()
    app.get("/write?x=1")
    began = clock()
    clock.advance(100)
    app.get("/write?y=2")
    (row,) = app.rows()
    facts = ("created", "accessed", "version", "previous", "rotated", "lifetime")
    assert [row.columns[name] for name in facts] == [began, clock(), 2, None, None, None]
    assert row.columns["expires"] >= clock() + 24 * 60 * 60


def test_the_applications_naming_convention_holds_for_the_mixin() -> None:
    """Migrations find every constraint and index by its name."""
    convention = {"ix": "ix__%(table_name)s__%(column_0_name)s", "uq": "uq__%(column_0_name)s"}

    class Base(DeclarativeBase):
        metadata = MetaData(naming_convention=convention)

    class Visit(SessionMixin, Base):
        __tablename__ = "visits"

    statement = ddl(table_of(Visit), "postgresql")
    for name in ("uq__digest", "ix__visits__previous", "ix__visits__expires"):
        assert name in statement


# Classes that cannot hold sessions


class OtherBase(DeclarativeBase):
    pass


class Halfway(OtherBase):
    """Lacks columns, and its digest is not unique."""

    __tablename__ = "halfway"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    created: Mapped[int]
    expires: Mapped[int]
    lifetime: Mapped[int | None]


class NotUnique(SessionMixin, OtherBase):
    __tablename__ = "not_unique"
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))


class AnotherKey(SessionMixin, OtherBase):
    __tablename__ = "another_key"
    id: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    name: Mapped[str] = mapped_column(primary_key=True)


class NotMapped(SessionMixin):
    pass


def overridden(**columns: Any) -> type:
    """A class that maps these columns otherwise than the mixin does."""
    name = f"With{''.join(columns)}"
    return type(name, (SessionMixin, OtherBase), {"__tablename__": name, **columns})


ODD = overridden(
    digest=mapped_column(String(64), unique=True),
    created=mapped_column(DateTime),
    previous=mapped_column(LargeBinary(32), nullable=False),
    data=mapped_column(Integer),
    keep=mapped_column(Integer),
)
ODD_FAULTS = [
    "'digest' holds str, not bytes",
    "'created' holds datetime, not int",
    "'previous' must not be NOT NULL",
    "'data' holds int, not str or bytes or dict",
    "'keep' is a word of request.session_store",
]

FAULTS: list[tuple[type, list[str]]] = [
    (NotMapped, ["not a mapped class", "SessionMixin"]),
    (NotUnique, ["'digest'", "unique"]),
    (AnotherKey, ["'id'", "primary key", "'digest'", "unique"]),
    (Halfway, ["'previous'", "'rotated'", "'accessed'", "'version'", "'data'"]),
    (Halfway, ["'data'", "'digest' is not unique"]),
    (ODD, ODD_FAULTS),
    (overridden(id=mapped_column(Uuid, primary_key=True)), ["'id' holds UUID, not int"]),
    (overridden(lifetime=mapped_column(Integer, nullable=False)), ["'lifetime' must not be"]),
]


@pytest.mark.parametrize(("model", "faults"), FAULTS)
def test_all_faults_of_a_class_are_told_in_one_message(model: type, faults: list[str]) -> None:
    """With its name and the remedy; nobody has to start the application once per fault."""
    with pytest.raises(SettingsError) as caught:
        check_model(model)
    message = str(caught.value)
    assert model.__name__ in message
    assert "SessionMixin" in message
    for fault in faults:
        assert fault in message


def test_a_class_on_the_mixin_can_hold_sessions() -> None:
    """The check is silent."""

    class Base(DeclarativeBase):
        pass

    class Visit(SessionMixin, Base):
        __tablename__ = "visits"

    check_model(Visit)


def test_a_type_that_does_not_tell_what_it_holds_is_let_be() -> None:
    """Only the application's own type knows what it makes of text, such as something encrypted."""
    check_model(overridden(data=mapped_column(PickleType)))


def test_a_unique_index_makes_the_digest_unique_too() -> None:
    """Migrations may have made one instead of a constraint."""

    class Base(DeclarativeBase):
        pass

    class Visit(SessionMixin, Base):
        __tablename__ = "visits"
        digest: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True, index=True)

    check_model(Visit)


@only_on_sqlite
def test_a_class_that_cannot_hold_sessions_stops_start_up(make_app: MakeApp) -> None:
    """Not the first visitor."""
    with pytest.raises(ConfigurationError, match="'digest' is not unique"):
        make_app(settings={"sqlsession.model": NotUnique})


# The application's own class


class RenamedBase(DeclarativeBase):
    pass


class Renamed(SessionMixin, RenamedBase):
    """Every attribute that a mixin lets one rename, and a binary column for the data."""

    __tablename__ = "visitor_sessions"

    digest: Mapped[bytes] = mapped_column(
        "key_hash", LargeBinary(32).with_variant(mysql.BINARY(32), "mysql", "mariadb"), unique=True
    )
    expires: Mapped[int] = mapped_column("prunable_from", BigInteger, index=True)
    version: Mapped[int] = mapped_column("saves")
    data: Mapped[bytes] = mapped_column(  # type: ignore[assignment]  # bytes instead of text
        "pickle", LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
    )


class Pickling:
    """A serializer whose bytes are no text."""

    def dumps(self, value: Any) -> bytes:
        return pickle.dumps(value)

    def loads(self, data: bytes) -> Any:
        return pickle.loads(data)


def regenerate(request: Any) -> None:
    request.session.regenerate_id()


def leave(request: Any) -> None:
    request.session.invalidate()


def renamed_app(make_app: MakeApp, **settings: Any) -> App:
    return make_app(
        table="visitor_sessions",
        settings={"sqlsession.model": Renamed, **settings},
        views={"/regenerate": regenerate, "/leave": leave},
    )


def test_a_class_with_renamed_columns_serves_a_whole_life(make_app: MakeApp) -> None:
    """Created, saved, rotated, read, invalidated: only its own names are used."""
    app = renamed_app(make_app)
    app.get("/write?x=1")
    app.get("/write?y=2")
    app.get("/regenerate")
    assert app.get("/read").json == {"x": "1", "y": "2"}
    (row,) = app.rows()
    assert row.columns["saves"] == 3
    assert not {"digest", "expires", "version", "data"} & set(row.columns)
    app.get("/leave")
    assert app.rows() == []


def test_a_binary_column_holds_what_no_text_column_could(make_app: MakeApp) -> None:
    """The type of the column decides whether bytes or text are bound."""
    app = renamed_app(make_app, **{"sqlsession.serializer": Pickling()})
    app.get("/write?x=1")
    assert app.get("/read").json == {"x": "1"}
    (row,) = app.rows()
    assert pickle.loads(row.columns["pickle"]) == {"x": "1"}


def test_a_binary_column_holds_json_as_well(make_app: MakeApp) -> None:
    """As ASCII bytes."""
    app = renamed_app(make_app)
    app.get("/write?x=1")
    (row,) = app.rows()
    assert bytes(row.columns["pickle"]) == b'{"x":"1"}'


def test_the_application_may_query_its_class(make_app: MakeApp) -> None:
    """By the public id, within the request's transaction."""

    def look(request: Any) -> Any:
        row = request.dbsession.get(Renamed, request.session.id)
        return [row.id, row.version, row.data.decode()]

    app = make_app(
        table="visitor_sessions", settings={"sqlsession.model": Renamed}, views={"/": look}
    )
    app.get("/write?x=1")
    (row,) = app.rows()
    assert app.get("/").json == [row.id, 1, '{"x":"1"}']


# JSON columns


class DocumentBase(DeclarativeBase):
    pass


class Document(SessionMixin, DocumentBase):
    __tablename__ = "documents"
    data: Mapped[Any] = mapped_column(JSON)


class BinaryDocument(SessionMixin, DocumentBase):
    """On PostgreSQL such a column keeps neither the order of keys nor the spaces."""

    __tablename__ = "documents_b"
    data: Mapped[Any] = mapped_column(JSON().with_variant(JSONB(), "postgresql"))


def put_unordered(request: Any) -> None:
    request.session["zebra"] = {"bb": 1, "a": [1.5, None, True]}
    request.session["ox"] = "é \\u0000 \U0001f600"


def put_again(request: Any) -> None:
    request.session["ox"] = "é \\u0000 \U0001f600"
    request.session["zebra"] = {"a": [1.5, None, True], "bb": 1}


DOCUMENTS = pytest.mark.parametrize("model", [Document, BinaryDocument])


def document_app(make_app: MakeApp, model: Any, **views: Callable[[Any], Any]) -> App:
    return make_app(
        table=model.__tablename__,
        settings={"sqlsession.model": model},
        views={"/put": put_unordered, "/again": put_again, "/leave": leave}
        | {f"/{name}": view for name, view in views.items()},
    )


@DOCUMENTS
def test_a_json_column_holds_the_session_as_an_object(make_app: MakeApp, model: Any) -> None:
    """Not as a text within JSON: the application may query it."""

    def look(request: Any) -> Any:
        row = request.dbsession.get(model, request.session.id)
        found = request.dbsession.scalar(
            select(model.id).where(model.data["x"].as_string() == "1")
        )
        return [row.data["x"], found]

    app = document_app(make_app, model, look=look)
    app.get("/write?x=1")
    (row,) = app.rows()
    assert app.get("/look").json == ["1", row.id]
    app.get("/leave")
    assert app.rows() == []


@DOCUMENTS
def test_what_the_database_makes_of_json_is_no_change(make_app: MakeApp, model: Any) -> None:
    """Only content counts, in whatever order the keys come back."""
    app = document_app(make_app, model)
    app.get("/put")
    with app.statements() as seen:
        read = app.get("/read").json
        app.get("/again")
    assert read == {"zebra": {"bb": 1, "a": [1.5, None, True]}, "ox": "é \\u0000 \U0001f600"}
    assert seen.of_session == {"SELECT": 2}


@DOCUMENTS
def test_parallel_requests_are_merged_in_a_json_column(make_app: MakeApp, model: Any) -> None:
    """As in any other."""

    def meanwhile(request: Any) -> None:
        request.session["y"] = 1
        app.get("/write?x=2")

    app = document_app(make_app, model)
    app.get("/write?x=1")
    slow = document_app(make_app, model, meanwhile=meanwhile)
    slow.browser.plant(str(app.browser.cookie))
    slow.get("/meanwhile")
    assert app.get("/read").json == {"x": "2", "y": 1}


UNFIT = [float("nan"), "\x00", "\\\x00", "\ud800", {"\x00": 1}, [object()]]


@pytest.mark.parametrize("value", UNFIT, ids=range(len(UNFIT)))
def test_what_json_cannot_hold_is_refused_by_its_key(make_app: MakeApp, value: Any) -> None:
    """Before the database does, whose message would show the content."""

    def put(request: Any) -> None:
        request.session["fine"] = 1
        request.session["guilty"] = value

    app = document_app(make_app, BinaryDocument, put=put)
    with pytest.raises(UnstorableValueError, match="'guilty'"):
        app.get("/put")
    assert app.rows() == []


class NaNWriting:
    """A serializer that writes what it calls JSON."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


@only_on_sqlite
def test_a_serializer_that_lets_nan_through_does_not_get_it_into_json(make_app: MakeApp) -> None:
    """The databases would refuse it."""
    app = make_app(
        table="documents",
        settings={"sqlsession.model": Document, "sqlsession.serializer": NaNWriting()},
        views={"/": lambda request: request.session.update(x=float("nan"))},
    )
    with pytest.raises(UnstorableValueError, match="'x'"):
        app.get("/")


@pytest.mark.parametrize(
    ("settings", "kind"), [({"sqlsession.model": Document}, "JSON"), ({}, "text")]
)
def test_a_serializer_that_does_not_suit_the_column_stops_start_up(
    settings: dict[str, Any], kind: str
) -> None:
    """Not the first save."""
    given = {**settings, "sqlsession.serializer": Pickling()}
    with pytest.raises(SettingsError, match=f"serializer.*not {kind}.*'data'.*binary column"):
        session_factory_from_settings(given)


# Among the application's other tables


class ShopBase(DeclarativeBase):
    metadata = MetaData()


class User(ShopBase):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    sessions: Mapped[list[ShopSession]] = relationship(
        back_populates="user", order_by="ShopSession.id", passive_deletes=True
    )


class ShopSession(SessionMixin, ShopBase):
    __tablename__ = "shop_sessions"
    __table_args__ = (
        Index("ix_by_user", "user_id"),
        {"comment": "visitors", "mysql_charset": "latin1", "mariadb_charset": "latin1"},
    )
    user_id: Mapped[int | None] = mapped_column(ForeignKey(User.id, ondelete="CASCADE"))
    user: Mapped[User | None] = relationship(back_populates="sessions")
    carts: Mapped[list[Cart]] = relationship(back_populates="session", passive_deletes=True)


class Cart(ShopBase):
    __tablename__ = "carts"
    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey(ShopSession.id, ondelete="CASCADE"))
    session: Mapped[ShopSession] = relationship(back_populates="carts")


def fill_user(defaults: dict[str, Any], session: Any) -> None:
    defaults["user_id"] = session.get("auth.userid")


SHOP = {"sqlsession.model": ShopSession, "sqlsession.extend_default_fields": fill_user}


def fill_cart(request: Any) -> None:
    request.dbsession.add(Cart(session_id=request.session.id))


def log_in(request: Any) -> None:
    user = request.dbsession.get(User, 1) or User(id=1)
    request.dbsession.add(user)
    request.dbsession.flush()
    request.session["auth.userid"] = user.id


def look_around(request: Any) -> Any:
    user = request.dbsession.get(User, 1)
    return [
        [session.id for session in user.sessions],
        [cart.session.user.id for session in user.sessions for cart in session.carts],
    ]


@pytest.fixture
def shop(make_app: MakeApp, database: Any) -> App:
    """An application whose tables refer to each other."""
    ShopBase.metadata.create_all(database.probe())
    views = {"/cart": fill_cart, "/login": log_in, "/look": look_around, "/leave": leave}
    return make_app(table="shop_sessions", settings=SHOP, views=views)


def test_foreign_keys_and_relationships_lead_both_ways(shop: App) -> None:
    """From the user to the sessions, from these to what belongs to them, and back."""
    shop.get("/write?x=1")
    shop.get("/cart")
    shop.get("/login")
    (row,) = shop.rows()
    assert row.columns["user_id"] == 1
    assert shop.get("/look").json == [[row.id], [1]]


def test_what_refers_to_a_session_goes_with_it(shop: App) -> None:
    """Where the foreign key says so; SQLite is not asked to obey."""
    shop.get("/login")
    shop.get("/cart")
    if shop.engine.dialect.name != "sqlite":
        shop.get("/leave")
        with shop.probe.connect() as connection:
            assert connection.execute(select(func.count(Cart.id))).scalar_one() == 0


def test_table_args_of_the_application_are_kept(shop: App) -> None:
    """Its indexes, and its choice of a character set."""
    names = {index["name"] for index in inspect(shop.probe).get_indexes("shop_sessions")}
    assert "ix_by_user" in names
    for dialect in ("mysql", "mariadb"):
        statement = ddl(table_of(ShopSession), dialect)
        assert "latin1" in statement
        assert "utf8mb4" not in statement


@pytest.mark.parametrize("dialect", ["mysql", "mariadb"])
def test_text_columns_of_mysql_hold_all_of_unicode(dialect: str) -> None:
    """The default of a database may be a narrower one."""
    statement = ddl(generated(), dialect)
    assert re.search(r"CHARSET ?= ?utf8mb4", statement)


ROOM = "SET (fillfactor = 80)"


@pytest.mark.parametrize("dialect", sorted(URLS))
def test_only_postgresql_leaves_room_for_updates_in_its_pages(dialect: str) -> None:
    """Others update in place, or have no such choice."""
    has_room = f"ALTER TABLE sessions {ROOM}" in ddl(generated(), dialect)
    assert has_room == (dialect == "postgresql")


OPTIONS: list[dict[str, Any]] = [{"postgresql_partition_by": "RANGE (id)"}]
if "with" in Table("any", MetaData()).dialect_options["postgresql"]:  # since SQLAlchemy 2.1
    OPTIONS.append({"postgresql_with": {"fillfactor": 60}})


@pytest.mark.parametrize("options", OPTIONS)
def test_the_application_may_choose_otherwise(options: dict[str, Any]) -> None:
    """Its own fillfactor holds; a partitioned table cannot have one."""

    class Base(DeclarativeBase):
        pass

    class Visit(SessionMixin, Base):
        __tablename__ = "visits"
        __table_args__ = options

    assert ROOM not in ddl(table_of(Visit), "postgresql")


def test_a_payload_of_16_mb_is_stored_and_comes_back(make_app: MakeApp) -> None:
    """Nearly what MEDIUMTEXT can hold."""
    size = 16_000_000
    app = make_app(
        views={
            "/put": lambda request: request.session.update(x="x" * size),
            "/size": lambda request: len(request.session["x"]),
        }
    )
    app.get("/put")
    assert app.get("/size").json == size


def test_an_application_hears_of_the_creation_of_the_table(make_app: MakeApp) -> None:
    """SQLAlchemy's own event, once, with the table that is there by then."""

    class Base(DeclarativeBase):
        pass

    class Visit(SessionMixin, Base):
        __tablename__ = "visits"

    heard: list[Any] = []

    def note(target: Any, connection: Any, **_: Any) -> None:
        heard.append((target.name, inspect(connection).has_table(target.name)))

    event.listen(table_of(Visit), "after_create", note)
    for _ in range(2):
        make_app(settings={"sqlsession.model": Visit}, table="visits")
    assert heard == [("visits", True)]


# The generated class


def factory_of(app: App) -> SQLSessionFactory:
    factory = app.registry.getUtility(ISessionFactory)
    assert isinstance(factory, SQLSessionFactory)
    return factory


@only_on_sqlite
def test_the_generated_class_has_a_metadata_of_its_own(make_app: MakeApp) -> None:
    """Reachable from the class; the application's own knows nothing of it."""
    metadata = table_of(factory_of(make_app()).model).metadata
    assert list(metadata.tables) == ["sessions"]
    assert metadata is not NotesBase.metadata


@only_on_sqlite
def test_two_factories_do_not_meet(make_app: MakeApp) -> None:
    """Each has its class and its metadata, though both tables have one name."""
    one, other = (factory_of(make_app()).model for _ in range(2))
    assert one is not other
    assert table_of(one).metadata is not table_of(other).metadata


def test_two_applications_in_one_process_keep_their_sessions_apart(make_app: MakeApp) -> None:
    """With tables of their own in one database: the cookie of one opens nothing in the other."""
    one, other = make_app(table="one"), make_app(table="other")
    one.get("/write?x=1")
    other.get("/write?x=2")
    assert [row.data for row in one.rows()] == [{"x": "1"}]
    assert [row.data for row in other.rows()] == [{"x": "2"}]
    stray = other.another_browser()
    stray.plant(str(one.browser.cookie))
    assert stray.get("/read").json == {}


def let_be(request: Any) -> None:
    pass


@pytest.mark.parametrize(("end", "kept"), [(let_be, 1), (and_doom, 0)])
def test_two_session_factories_in_one_request_commit_together(
    make_app: MakeApp, end: Callable[[Any], Any], kept: int
) -> None:
    """An application may keep a second kind of session beside the first."""
    second = session_factory_from_settings(
        {"sqlsession.table": "second", "sqlsession.cookie_name": "second"}
    )

    def write_both(request: Any) -> None:
        request.session["x"] = 1
        second(request)["y"] = 2
        end(request)

    app = make_app(views={"/": write_both})
    with prepare(registry=app.registry) as env:
        second.create_table(env["request"])
    response = app.get("/")
    assert [row.data for row in app.rows()] == [{"x": 1}] * kept
    rows_of_second = committed_rows(app.session_probe, "second")
    assert [row.data for row in rows_of_second] == [{"y": 2}] * kept
    assert len(response.headers.getall("Set-Cookie")) == 2 * kept
