"""What a driver alone would send wrongly is sent by SQLAlchemy, or in the way it would be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    bindparam,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.exc import PendingRollbackError

from pyramid_sqlsession import statements
from pyramid_sqlsession.statements import Statement
from tests.harness.databases import Database
from tests.leaks.marks import without_echo

pytestmark = without_echo("what is logged is not sent directly")

SHIFT = 1000


class Veiled(TypeDecorator[str]):
    """Text that the database veils and unveils, as pgcrypto does, with words of the type's own."""

    impl = String(20)
    cache_ok = True

    def bind_expression(self, bindparam: Any) -> Any:
        return func.replace(bindparam, "plain", "veiled")

    def column_expression(self, column: Any) -> Any:
        return func.replace(column, "veiled", "plain")


class Shifted(TypeDecorator[int]):
    """A number that the application knows as another."""

    impl = BigInteger().with_variant(Integer, "sqlite")
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else value - SHIFT

    def process_result_value(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else value + SHIFT


ODD = Table(
    "odd",
    MetaData(),
    Column("id", Shifted, primary_key=True),
    Column("word", Veiled),
    Column("100 %", String(20)),
    Column("made_by", String(20), default=func.lower("A DEFAULT")),
    Column("changed_by", String(20), onupdate=func.lower("AN UPDATE")),
)
WORD: BindParameter[str] = bindparam("word")
ADD = Statement(insert(ODD).values(word=WORD))
FIND = Statement(select(ODD.c.id, ODD.c.word).where(ODD.c.id == bindparam("wanted")))
CHANGE = Statement(update(ODD).where(ODD.c.id == bindparam("wanted")).values(word=WORD))


@pytest.fixture
def engine(database: Database) -> Iterator[Engine]:
    """An engine whose connections come back as they are, to a database that has the table."""
    engine = database.engine(pool_size=1, max_overflow=0, pool_reset_on_return=None)
    ODD.create(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction."""
    with engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


@pytest.fixture
def directly(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is handed to the driver."""
    sent: list[str] = []
    send = statements._send

    def note(connection: Connection, prepared: Any, *rest: Any) -> Any:
        sent.append(prepared.text)
        return send(connection, prepared, *rest)

    monkeypatch.setattr(statements, "_send", note)
    return sent


# What types and columns add


def test_what_a_type_adds_to_a_statement_is_sent(connection: Connection) -> None:
    """Values of its own among ours, as of a type that encrypts in the database."""
    key = ADD.key(connection, {"word": "a plain word"})
    (row,) = FIND.rows(connection, {"wanted": key})
    assert row[1] == "a plain word"
    raw = connection.execute(text("SELECT word, made_by FROM odd")).all()
    assert raw == [("a veiled word", "a default")]


def test_what_an_update_adds_to_a_statement_is_sent(connection: Connection) -> None:
    """An expression with values of its own."""
    key = ADD.key(connection, {"word": "a plain word"})
    assert CHANGE.count(connection, {"wanted": key, "word": "so plain"}) == 1
    raw = connection.execute(text("SELECT word, changed_by FROM odd")).all()
    assert raw == [("so veiled", "an update")]


def test_a_key_is_known_as_its_type_says(connection: Connection, directly: list[str]) -> None:
    """The same as SQLAlchemy's, whether the database tells it or the driver."""
    add = Statement(insert(ODD).values({name: bindparam(name) for name in ("made_by",)}))
    key = add.key(connection, {"made_by": "me"})
    assert directly
    assert key == connection.execute(select(ODD.c.id)).scalar_one()
    assert key > SHIFT


def test_a_value_may_have_an_odd_name(connection: Connection) -> None:
    """Drivers do not take every name, and SQLAlchemy calls such values otherwise."""
    values: dict[Any, BindParameter[Any]] = {
        ODD.c["100 %"]: bindparam("new_100 %"),
        ODD.c.made_by: bindparam("by(me):x"),
    }
    key = Statement(insert(ODD).values(values)).key(
        connection, {"new_100 %": "sure", "by(me):x": "me"}
    )
    odd = Statement(select(ODD.c["100 %"]).where(ODD.c.id == bindparam("by(me):x")))
    assert [row[0] for row in odd.rows(connection, {"by(me):x": key})] == ["sure"]


# Who else may have a hand in it


def hear(engine: Engine, heard: list[Any]) -> None:
    event.listen(engine, "do_execute", lambda *rest: heard.append(rest))


def have_another_context(engine: Engine, heard: list[Any]) -> None:
    class Context(engine.dialect.execution_ctx_cls):  # type: ignore[misc, name-defined]
        def pre_exec(self) -> None:
            heard.append(self)

    engine.dialect.execution_ctx_cls = Context


def have_another_dialect(engine: Engine, heard: list[Any]) -> None:
    class Context(engine.dialect.execution_ctx_cls):  # type: ignore[misc, name-defined]
        def post_exec(self) -> None:
            heard.append(self)

    derived = {"execution_ctx_cls": Context, "supports_statement_cache": True}
    kind = type(engine.dialect)
    engine.dialect.__class__ = type("Dialect", (kind,), derived)


@pytest.mark.parametrize("meddle", [hear, have_another_context, have_another_dialect])
def test_a_dialect_that_somebody_has_changed_is_left_to_sqlalchemy(
    engine: Engine, meddle: Callable[[Engine, list[Any]], None]
) -> None:
    """By a listener, or one made from SQLAlchemy's, with more to do for each statement."""
    heard: list[Any] = []
    meddle(engine, heard)
    find = Statement(select(ODD.c.id).where(ODD.c.id == bindparam("wanted")))
    with engine.connect() as connection:
        find.rows(connection, {"wanted": 1})
    assert len(heard) == 1


def test_who_begins_to_listen_is_heard_at_once_and_no_longer_than_that(engine: Engine) -> None:
    """Statements were prepared before."""
    heard: list[str] = []

    def listen(_1: Any, _2: Any, statement: str, *_: Any) -> None:
        heard.append(statement)

    with engine.connect() as connection:
        FIND_ID.rows(connection, {"wanted": 1})
        for target in (engine, connection, Engine):
            event.listen(target, "before_cursor_execute", listen)
            FIND_ID.rows(connection, {"wanted": 1})
            if target is not connection:  # SQLAlchemy removes none from a connection
                event.remove(target, "before_cursor_execute", listen)
    assert len(heard) >= 3


FIND_ID = Statement(select(ODD.c.id).where(ODD.c.id == bindparam("wanted")))


# The transaction


def test_what_is_read_belongs_to_a_transaction(engine: Engine, directly: list[str]) -> None:
    """Otherwise nobody would end the one that the database has begun for it."""
    with engine.connect() as connection:
        assert FIND_ID.rows(connection, {"wanted": SHIFT + 1}) == []
        assert connection.in_transaction()
    with engine.connect() as connection, connection.begin():
        connection.execute(text("SELECT 1"))
    assert directly


def test_the_next_who_reads_sees_what_was_committed_meanwhile(
    engine: Engine, database: Database
) -> None:
    """Also when the pool leaves connections as they are."""
    with engine.connect() as connection:
        assert FIND_ID.rows(connection, {"wanted": SHIFT + 1}) == []
    with database.probe().begin() as other:
        other.execute(insert(ODD).values(word="x"))
    with engine.connect() as connection:
        assert len(FIND_ID.rows(connection, {"wanted": SHIFT + 1})) == 1


def test_who_listens_to_the_beginning_of_transactions_hears_it(
    engine: Engine, directly: list[str]
) -> None:
    """Before the first statement, which may need what they do."""
    heard: list[int] = []
    event.listen(engine, "begin", lambda _: heard.append(len(directly)))
    with engine.connect() as connection:
        FIND_ID.rows(connection, {"wanted": 1})
        FIND_ID.rows(connection, {"wanted": 1})
    assert heard == [0]
    assert len(directly) == 2


def test_after_a_commit_that_failed_nothing_is_sent_before_a_rollback(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what of it is in the database."""

    def fail(_: Any) -> None:
        raise BrokenPipeError

    with engine.connect() as connection:
        connection.begin()
        monkeypatch.setattr(engine.dialect, "do_commit", fail)
        with pytest.raises(BrokenPipeError):
            connection.commit()
        with pytest.raises(PendingRollbackError):
            FIND_ID.rows(connection, {"wanted": 1})
        connection.rollback()
        assert FIND_ID.rows(connection, {"wanted": 1}) == []


def test_after_a_lost_connection_nothing_is_sent_before_a_rollback(engine: Engine) -> None:
    """What was written before is gone, which must not be taken for an error of the database."""
    with engine.connect() as connection:
        connection.begin()
        connection.invalidate()
        with pytest.raises(PendingRollbackError):
            FIND_ID.rows(connection, {"wanted": 1})
        connection.rollback()
        assert FIND_ID.rows(connection, {"wanted": 1}) == []
