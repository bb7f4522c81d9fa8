"""Statements that are sent again and again: prepared once, and handed to the driver directly.

That takes half the time, and less. It is done with the drivers that are tested, while nobody
listens to what is sent; everything else is sent by SQLAlchemy, to the same effect.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Dialect
from sqlalchemy.engine.default import DefaultDialect

DRIVERS = {"pysqlite", "psycopg", "pymysql"}
HEARD = ("before_execute", "after_execute", "before_cursor_execute", "after_cursor_execute")
DIALECTS = 100  # for which a statement is kept; each engine has its own

Values = Mapping[str, Any]
Processor = Callable[[Any], Any]
Taken = TypeVar("Taken")


class Prepared(NamedTuple):
    """A statement as a driver takes it, and what its types make of values on their way."""

    text: str
    places: Sequence[str] | None  # the names of the values in order; None where they are named
    bound: Mapping[str, Processor]
    fetched: Mapping[int, Processor]

    def parameters(self, values: Values) -> Any:
        """Return the values as the driver takes them."""
        if self.bound:
            bound = {name: make(values[name]) for name, make in self.bound.items()}
            values = {**values, **bound}
        return values if self.places is None else [values[name] for name in self.places]

    def row(self, found: Sequence[Any]) -> Sequence[Any]:
        """Return a row as SQLAlchemy would."""
        if not self.fetched:
            return found
        return [self.fetched.get(place, _same)(value) for place, value in enumerate(found)]


def _same(value: Any) -> Any:
    return value


class Statement:
    """One statement, for any database; its values are given by the names of its parameters."""

    def __init__(self, executable: Any) -> None:
        self.executable = executable  # as SQLAlchemy makes it
        self._prepared = lru_cache(maxsize=DIALECTS)(self._prepare)

    def rows(self, connection: Connection, values: Values) -> Sequence[Sequence[Any]]:
        """Return what a SELECT finds."""
        prepared = self._for(connection)
        if prepared is None:
            return connection.execute(self.executable, values).all()
        found = _send(connection, prepared, values, _all_rows)
        return [prepared.row(row) for row in found]

    def count(self, connection: Connection, values: Values) -> int:
        """Return to how many rows an UPDATE or a DELETE applies."""
        prepared = self._for(connection)
        if prepared is None:
            return connection.execute(self.executable, values).rowcount
        return _send(connection, prepared, values, _row_count)

    def key(self, connection: Connection, values: Values) -> int:
        """Return the primary key of the row that an INSERT makes."""
        prepared = self._for(connection)
        if prepared is None:
            made = connection.execute(self.executable, values).inserted_primary_key
            return int(made[0])  # type: ignore[index]  # an insert of one row has a key
        (key,) = prepared.row([_send(connection, prepared, values, _key)])
        return int(key)

    def _for(self, connection: Connection) -> Prepared | None:
        """Return it for the connection's driver; None when it is not to be sent directly."""
        transaction = connection.get_transaction()
        has_failed = transaction is not None and not transaction.is_active
        if has_failed or _is_watched(connection):
            return None
        prepared = self._prepared(connection.dialect)
        if prepared is not None and transaction is None:
            connection.begin()  # as SQLAlchemy does; somebody decides about its end
        return prepared

    def _prepare(self, dialect: Dialect) -> Prepared | None:
        if not _is_known(dialect):
            return None
        compiled = self.executable.compile(dialect=dialect)
        if not _is_plain(compiled):
            return None
        binds = {name: bind.type for bind, name in compiled.bind_names.items()}
        columns = _answered(self.executable)
        return Prepared(
            text=str(compiled),
            places=compiled.positiontup,
            bound=_present({name: _on_the_way_in(kind, dialect) for name, kind in binds.items()}),
            fetched=_present(
                {place: _on_the_way_out(one.type, dialect) for place, one in enumerate(columns)}
            ),
        )


def _is_known(dialect: Dialect) -> bool:
    """Whether it sends statements as SQLAlchemy's own do, to a driver that is tested."""
    kinds = (type(dialect), dialect.execution_ctx_cls)
    is_own = all(kind.__module__.startswith("sqlalchemy.") for kind in kinds)
    is_plain = getattr(dialect.do_execute, "__func__", None) is DefaultDialect.do_execute
    return is_own and is_plain and not dialect.is_async and dialect.driver in DRIVERS


def _is_plain(compiled: Any) -> bool:
    """Whether the text is always the same, and wants no values but those that are given."""
    return not (
        compiled.post_compile_params  # a list, whose length differs
        or compiled.prefetch  # columns with defaults of the application
        or compiled.escaped_bind_names  # which are called otherwise in the text
        or any(not bind.required for bind in compiled.bind_names)  # what a column's type adds
    )


def _answered(executable: Any) -> Any:
    """Return the columns of the row that is answered: those of a SELECT, else the key."""
    return executable.selected_columns if executable.is_select else executable.table.primary_key


def _is_watched(connection: Connection) -> bool:
    """Whether somebody wants to see what is sent, changes it on the way, or may forbid it."""
    return (
        _is_heard(connection)
        or connection.engine.logger.isEnabledFor(logging.INFO)
        or connection.in_nested_transaction()
        or "schema_translate_map" in connection.get_execution_options()
    )


def _is_heard(connection: Connection) -> bool:
    """Whether somebody listens; it takes long to ask, unless nobody ever did."""
    dialect = connection.dialect
    if dialect._has_events and dialect.dispatch.do_execute:  # noqa: SLF001 - no other way
        return True
    if not (connection._has_events or connection.engine._has_events):  # noqa: SLF001 - no other way
        return False
    return any(getattr(connection.dispatch, name) for name in HEARD)


def _on_the_way_in(kind: Any, dialect: Dialect) -> Processor | None:
    made: Processor | None = kind.dialect_impl(dialect).bind_processor(dialect)
    return made


def _on_the_way_out(kind: Any, dialect: Dialect) -> Processor | None:
    made: Processor | None = kind.dialect_impl(dialect).result_processor(dialect, None)
    return made


Name = TypeVar("Name")


def _present(processors: Mapping[Name, Processor | None]) -> dict[Name, Processor]:
    return {name: make for name, make in processors.items() if make is not None}


def _send(
    connection: Connection, prepared: Prepared, values: Values, take: Callable[[Any], Taken]
) -> Taken:
    lent, cursor, parameters = connection.connection, None, values
    try:
        parameters = prepared.parameters(values)
        cursor = lent.cursor()
        cursor.execute(prepared.text, parameters)
        taken = take(cursor)
        cursor.close()
    except BaseException as error:  # noqa: BLE001 - it is raised again, as SQLAlchemy's
        # Nobody else knows whether the connection is lost, and whom to tell.
        connection._handle_dbapi_exception(error, prepared.text, parameters, cursor, None)  # noqa: SLF001
    return taken


def _all_rows(cursor: Any) -> Sequence[Sequence[Any]]:
    found: Sequence[Sequence[Any]] = cursor.fetchall()
    return found


def _row_count(cursor: Any) -> int:
    count: int = cursor.rowcount
    return count


def _key(cursor: Any) -> Any:
    """Return it as the database has sent it, or as the driver knows it."""
    return cursor.fetchone()[0] if cursor.description else cursor.lastrowid
