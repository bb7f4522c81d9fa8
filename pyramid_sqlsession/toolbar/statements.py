"""The statements that a request sends about the table of its sessions, and their time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from pyramid.interfaces import ISessionFactory
from pyramid.registry import Registry
from pyramid.threadlocal import get_current_request
from sqlalchemy import Engine, Table, event, inspect
from sqlalchemy.sql.util import find_tables

from pyramid_sqlsession import expiry
from pyramid_sqlsession.factory import SQLSessionFactory
from pyramid_sqlsession.model import SessionMixin

NOTED = "_sqlsession_statements"  # on a request that somebody wants to know it of


class Statement(NamedTuple):
    """What was sent, without its values, and how long the database took, in milliseconds."""

    text: str
    milliseconds: float


def note_statements(request: Any) -> list[Statement]:
    """Return a list that is filled with what this request sends from now on."""
    noted: list[Statement] = []
    request.__dict__[NOTED] = noted
    return noted


def is_listening() -> bool:
    """Whether the statements of all engines are heard of."""
    return event.contains(Engine, "before_cursor_execute", _before)


def listen() -> None:
    """Hear of the statements of all engines, once."""
    if not is_listening():
        event.listen(Engine, "before_cursor_execute", _before)
        event.listen(Engine, "after_cursor_execute", _after)


def stop_listening() -> None:
    """Hear of nothing any more."""
    if is_listening():
        event.remove(Engine, "before_cursor_execute", _before)
        event.remove(Engine, "after_cursor_execute", _after)


def _before(_1: Any, _2: Any, _statement: str, _3: Any, context: Any, _many: bool) -> None:
    context.sqlsession_sent = expiry.stopwatch()


def _after(_1: Any, _2: Any, statement: str, _3: Any, context: Any, _many: bool) -> None:
    request = get_current_request()
    noted = getattr(request, "__dict__", {}).get(NOTED)
    if noted is not None and _is_on(_tables_of(request.registry), context):
        taken = (expiry.stopwatch() - context.sqlsession_sent) * 1000
        noted.append(Statement(" ".join(statement.split()), taken))


def _tables_of(registry: Registry) -> set[str]:
    """Return the names of the tables that hold sessions, of whatever factory."""
    models: list[type] = list(_derived_from(SessionMixin))
    factory = registry.queryUtility(ISessionFactory)
    if isinstance(factory, SQLSessionFactory):
        models.append(factory.model)
    mappers: list[Any] = [inspect(model, raiseerr=False) for model in models]
    tables = [mapper.local_table for mapper in mappers if mapper is not None]
    return {table.fullname for table in tables if isinstance(table, Table)}


def _derived_from(model: type) -> Iterator[type]:
    derived: type
    for derived in model.__subclasses__():
        yield derived
        yield from _derived_from(derived)


def _is_on(names: set[str], context: Any) -> bool:
    if context.compiled is None:
        return False
    tables = find_tables(context.compiled.statement, include_crud=True)
    return any(table.fullname in names for table in tables)
