"""The mapped class: a mixin for the application's own models, or a class generated for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, Table, Text, event, inspect
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Mapped, Mapper, mapped_column, registry
from sqlalchemy.schema import ExecutableDDLElement, UniqueConstraint

from pyramid_sqlsession.exceptions import SettingsError

MYSQL = ("mysql", "mariadb")
FIRST, LAST = -10, 10  # extra fields stand between; what every save changes stands together, last


def _digest_type() -> LargeBinary:
    return LargeBinary(32).with_variant(mysql.BINARY(32), *MYSQL)


class SessionMixin:
    """The columns of a session, for a declarative class of the application.

    Times are seconds since the epoch, UTC; `lifetime` is the session's own idle life in seconds,
    NULL for the one in the settings.
    """

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, sort_order=FIRST
    )
    digest: Mapped[bytes] = mapped_column(_digest_type(), unique=True, sort_order=FIRST + 1)
    previous: Mapped[bytes | None] = mapped_column(
        _digest_type(), index=True, sort_order=FIRST + 2
    )
    rotated: Mapped[int | None] = mapped_column(BigInteger, sort_order=FIRST + 3)
    created: Mapped[int] = mapped_column(BigInteger, sort_order=FIRST + 4)
    lifetime: Mapped[int | None] = mapped_column(Integer, sort_order=FIRST + 5)
    expires: Mapped[int] = mapped_column(BigInteger, index=True, sort_order=LAST)
    accessed: Mapped[int] = mapped_column(BigInteger, sort_order=LAST + 1)
    version: Mapped[int] = mapped_column(Integer, sort_order=LAST + 2)
    data: Mapped[str] = mapped_column(
        Text().with_variant(mysql.MEDIUMTEXT(), *MYSQL), sort_order=LAST + 3
    )


ATTRIBUTES = tuple(SessionMixin.__annotations__)
MAY_BE_NULL = ("previous", "rotated", "lifetime")
HELD = {"digest": (bytes,), "previous": (bytes,), "data": (str, bytes, dict)}  # elsewhere int
STORE_WORDS = ("keep", "include_expired")  # arguments of SessionStore, which takes fields beside


class _RoomForUpdates(ExecutableDDLElement):
    """Leaves room in each page of a table, so that PostgreSQL updates in place.

    SQLAlchemy's `DDL` doubles a % in the table's name once too often, and a name that it is given
    does not follow `schema_translate_map`.
    """


@compiles(_RoomForUpdates)
def _compile_room(element: Any, compiler: Any, **_: Any) -> str:
    return f"ALTER TABLE {compiler.preparer.format_table(element.target)} SET (fillfactor = 80)"


def _has_room_to_give(ddl: Any, target: Any, *_: Any, **__: Any) -> bool:  # noqa: ARG001
    """Whether the application has not chosen itself, and the table has pages of its own."""
    options = target.dialect_options["postgresql"]
    chosen = options.get("with") or {}  # which SQLAlchemy has since 2.1
    return "fillfactor" not in chosen and not options.get("partition_by")


ROOM_FOR_UPDATES = _RoomForUpdates().execute_if(dialect="postgresql", callable_=_has_room_to_give)


@event.listens_for(SessionMixin, "after_mapper_constructed", propagate=True)
def _suit_dialects(mapper: Mapper[Any], _model: type) -> None:
    table, previous = _table(mapper), mapper.columns.get("previous")
    table.dialect_kwargs["sqlite_autoincrement"] = True  # never give out a public id twice
    event.listen(table, "after_create", ROOM_FOR_UPDATES)
    for index in table.indexes:
        if previous is not None and list(index.columns) == [previous]:
            for dialect in ("postgresql", "sqlite"):
                index.dialect_kwargs[f"{dialect}_where"] = previous.is_not(None)
    _choose_character_set(table)


def _choose_character_set(table: Table) -> None:
    """Have all of Unicode in MySQL's text columns, unless the application chose otherwise."""
    for dialect in MYSQL:
        chosen = [name for name in table.dialect_kwargs if name.startswith(f"{dialect}_")]
        if not any("char" in name or "collat" in name for name in chosen):
            table.dialect_kwargs[f"{dialect}_default_charset"] = "utf8mb4"


def _table(mapper: Mapper[Any]) -> Table:
    return cast("Table", mapper.local_table)


def generate_model(
    table: str, schema: str | None, fields: Mapping[str, Column[Any]] = MappingProxyType({})
) -> type[SessionMixin]:
    """Map a class of our own on `table`, in a `MetaData` of its own, with copies of `fields`.

    Raises `SettingsError` when a foreign key among them leads nowhere.
    """
    base = registry().generate_base()
    for target in {target for column in fields.values() for target in _targets(column)}:
        target.to_metadata(base.metadata)  # so that copied keys find it; it is never created
    mixin = type("AdditionalFields", (), dict(fields))  # SQLAlchemy copies what mixins have
    names = {"__tablename__": table, "__table_args__": {"schema": schema}}
    return type("Session", (mixin, SessionMixin, base), names)


def _targets(column: Column[Any]) -> list[Table]:
    try:
        return [key.column.table for key in column.foreign_keys]
    except InvalidRequestError as error:
        raise SettingsError(
            "sqlsession.additional_fields: a foreign key leads nowhere, as the generated class "
            "does not know your tables by name: name the attribute, as in ForeignKey(User.id), or "
            "map a class of your own (sqlsession.model)"
        ) from error


def extra_columns(model: type) -> dict[str, Column[Any]]:
    """Return the columns that a callback may fill, by attribute: not ours, nor any left out."""
    mapper: Mapper[Any] = inspect(model)
    return {
        name: column
        for name, column in mapper.columns.items()
        if name not in ATTRIBUTES and _is_filled_by_callback(column, mapper)
    }


def _is_filled_by_callback(column: Any, mapper: Mapper[Any]) -> bool:
    is_plain = isinstance(column, Column) and column.computed is None
    is_ours = is_plain and column.table is mapper.local_table
    return is_ours and column.info.get("sqlsession") is not False


def fills_itself(column: Column[Any]) -> bool:
    """Whether the column gets a value when it is given none."""
    sources = (column.default, column.server_default, column.onupdate, column.server_onupdate)
    return any(source is not None for source in sources)


def is_required(column: Column[Any]) -> bool:
    """Whether a row needs a value there that somebody must give."""
    return not column.nullable and not fills_itself(column)


def check_model(model: type, *, is_filled: bool = True) -> None:
    """Raise `SettingsError`, with all faults, when `model` cannot hold sessions.

    `is_filled` tells whether there is a callback for the columns of the application.
    """
    mapper: Any = inspect(model, raiseerr=False)
    if not isinstance(mapper, Mapper):
        raise SettingsError(
            f"sqlsession.model: {model!r} is not a mapped class; "
            "derive it from your declarative base and pyramid_sqlsession.SessionMixin"
        )
    faults = [*_missing_attributes(mapper), *_key_faults(mapper), *_column_faults(mapper)]
    faults += [] if is_filled else _unfilled(model)
    if faults:
        raise SettingsError(
            f"sqlsession.model: {model!r} cannot hold sessions: {'; '.join(faults)}. "
            "Derive it from pyramid_sqlsession.SessionMixin"
        )


def _missing_attributes(mapper: Mapper[Any]) -> list[str]:
    columns = mapper.columns
    return [f"no column is mapped as {name!r}" for name in ATTRIBUTES if name not in columns]


def _key_faults(mapper: Mapper[Any]) -> Iterator[str]:
    columns = mapper.columns
    if "id" in columns and list(mapper.primary_key) != [columns["id"]]:
        yield "'id' is not the primary key"
    if "digest" in columns and not _is_unique(columns["digest"], _table(mapper)):
        yield "'digest' is not unique"


def _column_faults(mapper: Mapper[Any]) -> Iterator[str]:
    columns = mapper.columns
    for name in (name for name in ATTRIBUTES if name in columns):
        held, wanted = python_type(columns[name]), HELD.get(name, (int,))
        if held is not None and held not in wanted:
            yield f"{name!r} holds {held.__name__}, not {' or '.join(t.__name__ for t in wanted)}"
        if name in MAY_BE_NULL and not columns[name].nullable:
            yield f"{name!r} must not be NOT NULL"
    for name in (name for name in STORE_WORDS if name in columns):
        yield f"{name!r} is a word of request.session_store: give the attribute another name"


def python_type(column: Column[Any]) -> type | None:
    """Return the type of the column's values, None when only the column itself knows."""
    try:
        found = column.type.python_type
    except NotImplementedError:
        return None
    return None if found is object else found


def _unfilled(model: type) -> list[str]:
    return [
        f"nobody fills {name!r}, which must not be NULL: set sqlsession.extend_default_fields"
        for name, column in extra_columns(model).items()
        if is_required(column)
    ]


def _is_unique(column: Column[Any], table: Table) -> bool:
    constraints = [item for item in table.constraints if isinstance(item, UniqueConstraint)]
    indexes = [index for index in table.indexes if index.unique]
    keys = [list(item.columns) for item in constraints] + [list(item.columns) for item in indexes]
    return [column] in keys
