"""The setting `additional_fields`: columns that the generated class gets besides ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import Column
from sqlalchemy.types import TypeEngine

from pyramid_sqlsession.converters import Converter, Refused
from pyramid_sqlsession.model import ATTRIBUTES, STORE_WORDS

RESERVED = ("metadata", "registry", *STORE_WORDS)  # the first two are SQLAlchemy's


def _columns(value: Any) -> Mapping[str, Column[Any]]:
    fields = _called(value) if callable(value) else value
    if not isinstance(fields, Mapping):
        raise Refused(f"it is a {type(fields).__name__}, not a mapping")
    columns = {name: _column(name, field) for name, field in fields.items()}
    _check_names(columns)
    return MappingProxyType(columns)


def _called(function: Any) -> Any:
    try:
        return function()
    except Exception as error:  # whatever it is, start-up has to report it
        raise Refused(f"calling it without arguments raised {type(error).__name__}") from error


def _column(name: Any, field: Any) -> Column[Any]:
    if not isinstance(name, str) or not name.isidentifier() or name.startswith("_"):
        raise Refused(f"{name!r} cannot be the name of an attribute")
    if isinstance(field, type) and issubclass(field, TypeEngine):
        field = _made(name, field)
    if isinstance(field, TypeEngine):
        return Column(field)
    if not isinstance(field, Column):
        raise Refused(
            f"{name!r} is a {type(field).__name__}, not a Column or a type of SQLAlchemy"
        )
    if field.primary_key:
        raise Refused(f"{name!r} is a primary key, and the table has one")
    return field


def _made(name: str, type_class: type[TypeEngine[Any]]) -> TypeEngine[Any]:
    try:
        return type_class()
    except Exception as error:  # whatever it is, start-up has to report it
        raise Refused(
            f"{name!r} is the type {type_class.__name__}, which cannot be made without arguments"
        ) from error


def _check_names(columns: Mapping[str, Column[Any]]) -> None:
    for name, column in columns.items():
        for taken in (name, column.name):
            if taken in ATTRIBUTES or taken in RESERVED:
                raise Refused(f"the name {taken!r} is taken")
    names = [column.name or name for name, column in columns.items()]
    if len({name.lower() for name in names}) < len(names):
        raise Refused("two columns have one name")


ADDITIONAL_FIELDS = Converter(
    "a mapping from names to SQLAlchemy's columns or types, a callable that returns one, or the "
    "dotted name of either",
    _columns,
)
