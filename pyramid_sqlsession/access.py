"""How one request reaches the rows: in its transaction where that is usable, else aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pyramid.request import Request
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, StatementError

from pyramid_sqlsession import expiry
from pyramid_sqlsession.database import Bind, Database, for_one_statement, short_transaction
from pyramid_sqlsession.exceptions import SessionConflict
from pyramid_sqlsession.extra_fields import FieldValues
from pyramid_sqlsession.joining import Joined
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.refusals import (
    explain,
    found_broken,
    may_pass,
    was_rolled_back,
)
from pyramid_sqlsession.rows import SessionRows
from pyramid_sqlsession.saving import Saver
from pyramid_sqlsession.states import Change, Stored
from pyramid_sqlsession.transactions import live_transaction

ATTEMPTS = 3  # of a save aside, which nobody else can repeat
LONGEST_WAIT = 1  # seconds; a lock that was waited for longer will not be free at once

Result = TypeVar("Result")


class Access:
    """The connections of one request to the rows of its session."""

    def __init__(
        self, request: Request, rows: SessionRows, database: Database, fields: FieldValues
    ) -> None:
        self._request = request
        self._fields = fields
        self._rows = rows
        self._database = database
        self.is_over = False  # the transaction, though nobody has said so

    def check(self) -> None:
        """Raise `SQLSessionError` when the request leads to no database."""
        self._database.bind(self._request)

    def query(self, read: Callable[[Connection], Result], *, is_locking: bool = False) -> Result:
        """Read on a connection that sees what this request has written, if there is one.

        What is locked stays so until the request's transaction is over.
        """
        transaction = live_transaction(self._request)
        if transaction is None:
            return self._read_aside(self._database.bind(self._request), read)
        way = self._way_to_read(transaction, is_locking=is_locking)
        if isinstance(way, Engine | Connection):
            return self._read_aside(way, read)
        try:
            return read(self._connection_of(way))
        except DBAPIError as error:
            # A statement of the application failed before ours: what is committed can still be
            # read.
            if not found_broken(error):
                raise
        return self._read_aside(self._database.bind(self._request), read)

    def _way_to_read(self, transaction: Any, *, is_locking: bool) -> Joined | Bind:
        if is_locking and self.can_save(transaction):
            return self._join()
        return self._database.for_reading(self._request, transaction)

    def _read_aside(self, bind: Bind, read: Callable[[Connection], Result]) -> Result:
        try:
            if isinstance(bind, Connection):
                with short_transaction(bind) as connection:
                    return read(connection)
            with bind.connect() as connection:
                return read(for_one_statement(connection))
        except StatementError as error:
            explain(error, self._rows.table)

    def can_save(self, transaction: Any) -> bool:
        """Whether the transaction, None for none, takes our writes and commits them."""
        if transaction is None or self.is_over:
            return False
        joined = self._database.joined(self._request, transaction)
        return joined is None or joined.is_usable()

    def is_intact(self, *, after_failure: bool) -> bool:
        """Whether what is written now is committed with the transaction, which is live.

        After a failure it is tried whether a statement of the application has broken it.
        """
        if not self.can_save(self._request.tm.get()):
            return False
        return not after_failure or self._rows.can_query(self._connection())

    def may_pass(self, error: BaseException | None) -> bool:
        """Whether a commit that failed like this left nothing, and may pass when repeated."""
        if not isinstance(error, DBAPIError) or error.statement is not None:
            return False
        return self._database.is_committed_whole and was_rolled_back(error)

    def has_row(self, record: Record) -> bool:
        """Whether the request's transaction sees the row of the session."""
        row = None if record.current is None else record.current.row
        return row is not None and self._rows.reload(self._connection(), row) is not None

    def save(self, record: Record, change: Change, *, on_conflict: str) -> None:
        """Save in the request's transaction."""
        connection = self._connection_for_writing()
        saver = Saver(self._rows, record, self._fields.ask)
        saver.write(connection, change, now=expiry.now(), on_conflict=on_conflict)

    def _connection_for_writing(self) -> Connection:
        try:
            return self._join().connection_for_writing()
        except StatementError as error:
            explain(error, self._rows.table)

    def _connection(self) -> Connection:
        return self._connection_of(self._join())

    def _connection_of(self, joined: Joined) -> Connection:
        """Return that of the request's transaction, which may be begun on our account."""
        try:
            return joined.connection()
        except StatementError as error:
            explain(error, self._rows.table)

    def save_late(self, record: Record, change: Change) -> None:
        """Save when the request's own transaction is over.

        One that still lives is somebody else's, who will end it: that of a test, or of a server
        in front of us. Otherwise a short one of our own is used.
        """
        if self.can_save(live_transaction(self._request)):
            self.save(record, change, on_conflict="merge")
        else:
            self._save_aside(record, change)

    def touch(self, record: Record, stored: Stored, now: int) -> None:
        """Note the use of a session in a short transaction of our own.

        In the request's transaction it would make a writing one of one that only reads: that
        keeps the row locked, and fails on a replica. One that still lives is somebody else's, and
        the row may be known to it alone.
        """
        saver = Saver(self._rows, record, self._fields.ask)
        if self.can_save(live_transaction(self._request)):
            connection = self._connection_for_writing()
            saver.touch(connection, stored, now=now)
            return
        with short_transaction(self._database.bind(self._request)) as connection:
            saver.touch(connection, stored, now=now)
        record.settle_commit()

    def _save_aside(self, record: Record, change: Change) -> None:
        begun, attempts = expiry.stopwatch(), 0
        while True:
            attempts += 1
            try:
                self._save_once(record, change)
            except (SessionConflict, DBAPIError) as error:
                record.settle_rollback()
                waited = expiry.stopwatch() - begun > LONGEST_WAIT
                if attempts == ATTEMPTS or waited or not may_pass(error):
                    raise
            else:
                record.settle_commit()
                return

    def _save_once(self, record: Record, change: Change) -> None:
        with short_transaction(self._database.bind(self._request)) as connection:
            saver = Saver(self._rows, record, self._fields.recall)
            saver.write(connection, change, now=expiry.now(), on_conflict="merge")

    def _join(self) -> Joined:
        return self._database.join(self._request, self._request.tm.get())
