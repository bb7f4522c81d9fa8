"""What it means when a database refuses a statement, and what is said of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from sqlalchemy import URL, Table
from sqlalchemy.exc import DBAPIError, StatementError

from pyramid_sqlsession.exceptions import SessionConflict, SQLSessionError

RETRYABLE_SQLSTATES = {"40001", "40P01", "55P03"}  # serialisation, deadlock, lock not available
# A record has changed, a lock was waited for too long, a deadlock, a node has left its cluster.
RETRYABLE_MYSQL_ERRORS = {1020, 1205, 1213, 1047}
ROLLED_BACK = {"40001", "40P01", 1213}
BROKEN_TRANSACTION = "25P02"
NO_SUCH_TABLE = ("42P01", 1146)
NO_SUCH_DATABASE = ("3D000", 1049)


@contextmanager
def explaining(table: Table) -> Iterator[None]:
    """Raise our own error for one of the database's, if there is one that says more."""
    try:
        yield
    except StatementError as error:
        explain(error, table)


def explain(error: StatementError, table: Table) -> NoReturn:
    """Raise our own error for this one, or this one without the values that were refused."""
    _hide_values(error)
    known = _explained(error, table) if isinstance(error, DBAPIError) else None
    if known is None:
        raise error from None
    raise known from error


def _explained(error: DBAPIError, table: Table) -> SQLSessionError | None:
    """Return the error to raise for a database's own; None when that one has to do."""
    if is_retryable(error):
        return SessionConflict(
            f"another transaction was in the way of a session in {table.fullname!r} "
            f"({type(error.orig).__name__}); the request may be repeated"
        )
    if _is_table_missing(error):
        return SQLSessionError(
            f"the table {table.fullname!r} of the sessions does not exist: run your "
            "migrations, or set sqlsession.create_table = true"
        )
    return None


def _hide_values(error: StatementError) -> None:
    """Leave neither digests nor payloads in what the error says, whatever was refused.

    PostgreSQL quotes the row that violates a constraint, and SQLAlchemy the driver: its own error,
    which `orig` still holds, must not be raised as the cause.
    """
    error.hide_parameters = True
    primary = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    if primary is not None:
        kind = type(error.orig)
        error.args = (f"({kind.__module__}.{kind.__name__}) {primary}",)


def is_retryable(error: DBAPIError) -> bool:
    """Whether the statement would pass if its transaction were repeated."""
    code = _code(error)
    if code in RETRYABLE_SQLSTATES or code in RETRYABLE_MYSQL_ERRORS:
        return True
    return "database is locked" in str(error.orig) or "table is locked" in str(error.orig)


def was_rolled_back(error: DBAPIError) -> bool:
    """Whether it is retryable, and the database has rolled back the whole transaction.

    A commit for which SQLite is locked is not: the transaction stays open, and SQLAlchemy's
    Session hands the connection back to its pool like that.
    """
    return _code(error) in ROLLED_BACK


def unreachable(error: DBAPIError, url: URL) -> SQLSessionError:
    """Return the error to raise when no connection can be had."""
    return SQLSessionError(
        f"the database {shown_url(url)} of the sessions cannot be reached: "
        f"{' '.join(str(error.orig).split())}"
    )


def shown_url(url: URL) -> str:
    """Return the url without its password, which may stand in its query as well."""
    shown = url.set(query={}).render_as_string(hide_password=True)
    return f"{shown}?..." if url.query else shown


def is_missing(error: BaseException) -> bool:
    """Whether the database tells that there is no such table, or database."""
    return isinstance(error, DBAPIError) and (
        _is_table_missing(error) or _is_database_missing(error)
    )


def _is_table_missing(error: DBAPIError) -> bool:
    return _code(error) in NO_SUCH_TABLE or "no such table" in str(error.orig)


def _is_database_missing(error: DBAPIError) -> bool:
    text = str(error.orig)  # psycopg has no code for what happens while it connects
    is_told = "unable to open database" in text or re.search(r'database ".*" does not exist', text)
    return _code(error) in NO_SUCH_DATABASE or bool(is_told)


def may_pass(error: SessionConflict | DBAPIError) -> bool:
    """Whether the same again may succeed."""
    return not isinstance(error, DBAPIError) or is_retryable(error)


def found_broken(error: DBAPIError) -> bool:
    """Whether an earlier failure had left the transaction of the statement unusable."""
    return _code(error) == BROKEN_TRANSACTION


def _code(error: DBAPIError) -> str | int | None:
    """Return the number of MySQL's error, else the SQLSTATE, which MySQL's drivers blur."""
    orig = error.orig
    number = orig.args[0] if orig is not None and orig.args else None
    if isinstance(number, int):
        return number
    state: str | None = getattr(orig, "sqlstate", None) or getattr(orig, "pgcode", None)
    return state
