"""What was sent to the database."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine

PROBE = "harness_probe"  # execution option of the harness's own connections
ENDS = COMMIT, ROLLBACK = "COMMIT", "ROLLBACK"


class Statements:
    """The statements and commits of some stretch of a test, over all engines and threads."""

    def __init__(self, table: str) -> None:
        self.log: list[str] = []
        self._on_table = re.compile(rf"(?<!\w){re.escape(table)}(?!\w)")

    @property
    def texts(self) -> list[str]:
        """The statements."""
        return [text for text in self.log if text not in ENDS]

    @property
    def commits(self) -> int:
        """How often something was committed."""
        return self.log.count(COMMIT)

    @property
    def session_texts(self) -> list[str]:
        """The statements on the session table."""
        return [text for text in self.texts if self._on_table.search(text)]

    @property
    def of_session(self) -> dict[str, int]:
        """How many statements of each kind there were on the session table."""
        return dict(Counter(_kind(text) for text in self.session_texts))


def _kind(text: str) -> str:
    statement = re.sub("^SET STATEMENT .*? FOR ", "", text)  # which MariaDB has before another
    return statement.split()[0].upper()


_recorders: list[Statements] = []


@contextmanager
def recorded(table: str) -> Iterator[Statements]:
    """Record what is sent to the database meanwhile; `table` is the session table's name.

    Nobody listens at other times: a request is not the same when somebody does.
    """
    seen = Statements(table)
    _recorders.append(seen)
    if len(_recorders) == 1:
        _call_for_all(event.listen)
    try:
        yield seen
    finally:
        _recorders.remove(seen)
        if not _recorders:
            _call_for_all(event.remove)


def _call_for_all(change: Callable[..., None]) -> None:
    change(Engine, "before_cursor_execute", _note_statement)
    change(Engine, "commit", _note_commit)
    change(Engine, "rollback", _note_rollback)


def _note_statement(connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
    _note(connection, statement)


def _note_commit(connection: Connection) -> None:
    _note(connection, COMMIT)


def _note_rollback(connection: Connection) -> None:
    _note(connection, ROLLBACK)


def _note(connection: Connection, what: str) -> None:
    if PROBE not in connection.get_execution_options():
        for seen in _recorders:
            seen.log.append(what)
