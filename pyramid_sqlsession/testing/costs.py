"""How many statements sessions cost."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

from pyramid.registry import Registry
from sqlalchemy import Engine, event, inspect

from pyramid_sqlsession.factory import factory_of
from pyramid_sqlsession.testing.visits import is_visiting, registry_behind

WHERE_TABLES_ARE_NAMED = r"(?:\b(?:FROM|INTO|UPDATE|JOIN)|,)\s+"


@contextmanager
def session_costs(
    testapp: Any,
    *,
    select: int = 0,
    insert: int = 0,
    update: int = 0,
    delete: int = 0,
    registry: Registry | None = None,
) -> Iterator[list[str]]:
    """Raise `AssertionError` unless sessions cost exactly so many statements meanwhile.

    Counted is what this thread sends to any database about a table that is called as that of the
    sessions, by `request.session_store` too, but not by this package's `begin_session` and
    `session_of`. `with` gives the list of the statements, without their values; the message has it
    as well. `testapp` may be the application itself. `registry` is that of the application, None
    to find it behind `testapp`. Raises `SQLSessionError` when no application with our session
    factory is found.
    """
    model = factory_of(registry or registry_behind(testapp)).model
    with _statements_on(inspect(model).columns["id"].table.name) as seen:
        yield seen
    expected = Counter(SELECT=select, INSERT=insert, UPDATE=update, DELETE=delete)
    found = Counter(statement.split()[0].upper() for statement in seen)
    if found != expected:
        said = f"the session was to cost {_counts(expected)}, and has cost {_counts(found)}"
        raise AssertionError("\n  ".join([said, *seen]))


def _counts(kinds: Counter[str]) -> str:
    return ", ".join(f"{number} {kind}" for kind, number in kinds.items() if number) or "nothing"


@contextmanager
def _statements_on(table: str) -> Iterator[list[str]]:
    """Note the statements that this thread sends about tables of this name, in any schema."""
    name = rf'(?:[\w"`]+\.)?["`]?{re.escape(table)}["`]?(?![\w."`])'
    is_on_table = re.compile(WHERE_TABLES_ARE_NAMED + name, re.IGNORECASE)
    seen: list[str] = []
    thread = get_ident()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        is_meant = get_ident() == thread and not is_visiting.get()
        if is_meant and is_on_table.search(statement):
            seen.append(" ".join(statement.split()))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
