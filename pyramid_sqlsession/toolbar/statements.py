"""The statements that a request sends about the table of its sessions, and their time."""

from __future__ import annotations

from typing import Any, NamedTuple

from pyramid.interfaces import ISessionFactory
from pyramid.registry import Registry
from pyramid.threadlocal import get_current_request
from sqlalchemy import Engine, Table, event, inspect
from sqlalchemy.sql.util import find_tables

from pyramid_sqlsession import expiry
from pyramid_sqlsession.factory import SQLSessionFactory

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
    if noted is not None and _is_on(_table_of(request.registry), context):
        taken = (expiry.stopwatch() - context.sqlsession_sent) * 1000
        noted.append(Statement(" ".join(statement.split()), taken))


def _table_of(registry: Registry) -> Table | None:
    factory = registry.queryUtility(ISessionFactory)
    if not isinstance(factory, SQLSessionFactory):
        return None
    table: Table = inspect(factory.model).columns["id"].table
    return table


def _is_on(table: Table | None, context: Any) -> bool:
    if table is None or context.compiled is None:
        return False
    return table in find_tables(context.compiled.statement, include_crud=True)
