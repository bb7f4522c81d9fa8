"""Statements are handed to the driver directly, and nobody can tell who is not looking."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Connection,
    Engine,
    ExceptionContext,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    bindparam,
    delete,
    event,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError, StatementError

from pyramid_sqlsession import statements
from pyramid_sqlsession.statements import Statement
from tests.harness import App, MakeApp, only_on_sqlite
from tests.harness.databases import Database
from tests.harness.marks import only_on_servers
from tests.harness.statements import PROBE
from tests.leaks.marks import without_echo

pytestmark = without_echo("what is logged is not sent directly")


@pytest.fixture
def by_sqlalchemy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What SQLAlchemy sends to the table of the sessions, and not the driver alone."""
    sent: list[str] = []
    execute = Connection.execute

    def note(self: Connection, statement: Any, *rest: Any, **kw: Any) -> Any:
        kind, *words = str(statement).split()
        is_ours = kind not in {"ALTER", "CREATE"} and PROBE not in self.get_execution_options()
        if is_ours and "sessions" in " ".join(words):
            sent.append(kind)
        return execute(self, statement, *rest, **kw)

    monkeypatch.setattr(Connection, "execute", note)
    return sent


# A page of each kind, and what a visitor's session goes through on them.
VIEWS = {
    "/append": lambda request: request.session.setdefault("cart", []).append("a pear"),
    "/rotate": lambda request: request.session.regenerate_id(),
    "/leave": lambda request: request.session.invalidate(),
}
VISIT = ["/write?x=1", "/read", "/append", "/rotate", "/append", "/read", "/leave", "/write?y=2"]


def visit(app: App) -> list[Any]:
    """What the visitor and the database see."""
    seen = []
    for path in VISIT:
        response = app.get(path)
        rows = [(row.id, row.data, row.version) for row in app.rows()]
        seen.append((response.json, len(app.set_cookies(response)), rows))
    return seen


SEEN = [
    ({"x": "1"}, 1, [(1, {"x": "1"}, 1)]),
    ({"x": "1"}, 0, [(1, {"x": "1"}, 1)]),
    (None, 0, [(1, {"x": "1", "cart": ["a pear"]}, 2)]),
    (None, 1, [(1, {"x": "1", "cart": ["a pear"]}, 3)]),
    (None, 0, [(1, {"x": "1", "cart": ["a pear", "a pear"]}, 4)]),
    ({"x": "1", "cart": ["a pear", "a pear"]}, 0, [(1, {"x": "1", "cart": ["a pear"] * 2}, 4)]),
    (None, 1, []),
    ({"y": "2"}, 1, [(2, {"y": "2"}, 1)]),
]


def test_requests_hand_their_statements_to_the_driver(
    make_app: MakeApp, by_sqlalchemy: list[str]
) -> None:
    """All of them, with every driver that is tested."""
    assert visit(make_app(views=VIEWS)) == SEEN
    assert by_sqlalchemy == []


Watch = Callable[[Engine, pytest.MonkeyPatch], None]


def listen(to: str) -> Watch:
    def watch(engine: Engine, _: pytest.MonkeyPatch) -> None:
        event.listen(engine, to, lambda *_: None)

    return watch


def know_no_driver(_: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statements, "DRIVERS", set())


def have_another_way(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(self: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        cursor.execute(statement, parameters)

    monkeypatch.setattr(type(engine.dialect), "do_execute", execute)


def log_statements(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "logger", logging.Logger("loud", logging.INFO))  # noqa: LOG001 - nobody else shall have it


WATCHES: dict[str, Watch] = {
    **{name: listen(name) for name in statements.HEARD},
    "a driver that is not tested": know_no_driver,
    "a dialect that executes otherwise": have_another_way,
    "statements are logged": log_statements,
}


@pytest.mark.parametrize("watch", WATCHES.values(), ids=WATCHES)
def test_whoever_watches_is_shown_everything(
    make_app: MakeApp, by_sqlalchemy: list[str], monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    """SQLAlchemy sends the statements then, and the sessions are the same."""
    app = make_app(views=VIEWS)
    watch(app.engine, monkeypatch)
    assert visit(app) == SEEN
    assert set(by_sqlalchemy) == {"SELECT", "INSERT", "UPDATE", "DELETE"}


@only_on_sqlite
def test_a_schema_that_is_translated_is_left_to_sqlalchemy(
    make_app: MakeApp, by_sqlalchemy: list[str]
) -> None:
    """It would be another text for each of them."""
    options = {"schema_translate_map": {"nobody's": "main"}}
    app = make_app(views=VIEWS, engine_options={"execution_options": options})
    assert visit(app) == SEEN
    assert by_sqlalchemy


# One statement by itself


class Reversed(TypeDecorator[str]):
    """Text that is stored the other way round."""

    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[::-1]

    def process_result_value(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value[::-1]


THINGS = Table(
    "things",
    MetaData(),
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("key", LargeBinary(32)),
    Column("document", JSON),
    Column("word", Reversed),
    Column("words", Text),
    Column("made_by", String(20), default=lambda: "a default"),
)
THING = {"key": b"\0\xff", "document": {"a": [1, None]}, "word": "äbc", "words": "%(x)s ? :y 😀"}
ADD = Statement(insert(THINGS).values({name: bindparam(name) for name in (*THING, "made_by")}))
FIND = Statement(select(THINGS).where(THINGS.c.id == bindparam("wanted")))
RENAME = Statement(
    update(THINGS).where(THINGS.c.id == bindparam("wanted")).values(word=bindparam("new"))
)
REMOVE = Statement(delete(THINGS).where(THINGS.c.word == bindparam("old")))


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    """A connection in a transaction, to a database that has the table."""
    engine = database.engine()
    with engine.connect() as connection, connection.begin() as transaction:
        THINGS.create(connection)
        yield connection
        transaction.rollback()
    engine.dispose()


def test_values_go_in_and_out_as_their_types_say(connection: Connection) -> None:
    """What is written directly is read by SQLAlchemy, and the other way round."""
    key = ADD.key(connection, THING | {"made_by": None})
    by_sqlalchemy = connection.execute(insert(THINGS), THING | {"made_by": None})
    expected = [(*THING.values(), None)]
    for wanted in (key, by_sqlalchemy.inserted_primary_key[0]):  # type: ignore[index]
        direct = [tuple(row[1:]) for row in FIND.rows(connection, {"wanted": wanted})]
        found = connection.execute(FIND.executable, {"wanted": wanted})
        assert direct == [tuple(row[1:]) for row in found] == expected


def test_a_statement_says_how_many_rows_it_was_about(connection: Connection) -> None:
    """Also those that it leaves as they were."""
    key = ADD.key(connection, THING | {"made_by": None})
    assert RENAME.count(connection, {"wanted": key, "new": "xyz"}) == 1
    assert RENAME.count(connection, {"wanted": key, "new": "xyz"}) == 1
    assert RENAME.count(connection, {"wanted": key + 1, "new": "xyz"}) == 0
    assert REMOVE.count(connection, {"old": "xyz"}) == 1
    assert FIND.rows(connection, {"wanted": key}) == []


def test_a_default_of_the_application_is_found(connection: Connection) -> None:
    """SQLAlchemy computes it for each row."""
    add = Statement(insert(THINGS).values({name: bindparam(name) for name in THING}))
    key = add.key(connection, THING)
    (row,) = FIND.rows(connection, {"wanted": key})
    assert row[-1] == "a default"


def test_a_list_may_have_any_length(connection: Connection) -> None:
    """Its text is another each time."""
    keys = [ADD.key(connection, THING | {"made_by": None}) for _ in range(3)]
    some = Statement(select(THINGS.c.id).where(THINGS.c.id.in_(bindparam("keys", expanding=True))))
    for wanted in (keys, keys[:1], []):
        found = some.rows(connection, {"keys": wanted})
        assert sorted(row[0] for row in found) == sorted(wanted)


def test_in_a_savepoint_everything_is_left_to_sqlalchemy(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knows whether the savepoint still stands."""
    monkeypatch.setattr(statements, "_send", None)
    savepoint = connection.begin_nested()
    ADD.key(connection, THING | {"made_by": None})
    savepoint.rollback()
    assert connection.execute(select(THINGS)).all() == []


def test_nothing_is_written_without_a_transaction(database: Database) -> None:
    """SQLAlchemy begins one, whose end somebody decides about."""
    engine = database.engine()
    with engine.connect() as connection:
        THINGS.create(connection)
        connection.commit()
        ADD.key(connection, THING | {"made_by": None})
        assert connection.in_transaction()
        connection.rollback()
        assert connection.execute(select(THINGS)).all() == []
    engine.dispose()


# What goes wrong


@pytest.mark.parametrize("is_direct", [True, False], ids=["directly", "by SQLAlchemy"])
def test_an_error_is_sqlalchemys(connection: Connection, is_direct: bool) -> None:
    """With the driver's behind it, whoever has sent the statement."""
    THINGS.drop(connection)
    if not is_direct:
        event.listen(connection, "before_execute", lambda *_: None)
    with pytest.raises(DBAPIError) as raised:
        FIND.rows(connection, {"wanted": 1})
    error = raised.value
    assert isinstance(error, ProgrammingError | OperationalError)
    assert isinstance(error.orig, connection.dialect.loaded_dbapi.Error)
    assert error.statement == str(FIND.executable.compile(dialect=connection.dialect))


def test_a_value_that_its_type_refuses_is_an_error_of_the_statement(
    connection: Connection,
) -> None:
    """Like SQLAlchemy's, which our errors are made of."""
    with pytest.raises(StatementError):
        RENAME.count(connection, {"wanted": 1, "new": 5})


SENDS: dict[str, Callable[[Connection], Any]] = {
    "SELECT": lambda connection: FIND.rows(connection, {"wanted": 1}),
    "INSERT": lambda connection: ADD.key(connection, THING | {"made_by": None}),
    "UPDATE": lambda connection: RENAME.count(connection, {"wanted": 1, "new": "xyz"}),
    "DELETE": lambda connection: REMOVE.count(connection, {"old": "xyz"}),
}
CUT = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    "mariadb": ("SELECT connection_id()", "KILL {}"),
}


@only_on_servers
@pytest.mark.parametrize("send", SENDS.values(), ids=SENDS)
def test_a_connection_that_was_cut_is_given_up(
    database: Database, send: Callable[[Connection], Any]
) -> None:
    """The pool will make another; who listens to errors hears of it."""
    ask, cut = CUT[database.name]
    engine = database.engine()
    heard: list[ExceptionContext] = []
    event.listen(engine, "handle_error", heard.append)
    with engine.connect() as connection:
        number = connection.execute(text(ask)).scalar_one()
        with database.probe().connect() as other:
            other.execute(text(cut.format(number)))
        with pytest.raises(DBAPIError) as raised:
            send(connection)
        assert raised.value.connection_invalidated
        assert connection.invalidated
    with engine.connect() as connection:
        assert connection.execute(text(ask)).scalar_one() != number
    assert [context.is_disconnect for context in heard] == [True]
    engine.dispose()


def test_an_interruption_passes(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what the driver was doing, so the connection is given up."""

    def interrupt(cursor: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(statements, "_all_rows", interrupt)
    with pytest.raises(KeyboardInterrupt):
        FIND.rows(connection, {"wanted": 1})
    assert connection.invalidated


@only_on_sqlite
def test_few_dialects_are_remembered(database: Database) -> None:
    """An application may make engines as it goes."""
    statement = Statement(select(THINGS))
    for _ in range(2 * statements.DIALECTS):
        engine = database.engine()
        with engine.connect() as connection:
            assert statement._for(connection) is not None
        engine.dispose()
    assert statement._prepared.cache_info().currsize == statements.DIALECTS
