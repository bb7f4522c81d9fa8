"""How one request reaches the rows: in its transaction where that is usable, else aside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import zope.sqlalchemy
from pyramid.request import Request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from pyramid_sqlsession import expiry
from pyramid_sqlsession.database import Database, short_transaction
from pyramid_sqlsession.exceptions import SessionConflict
from pyramid_sqlsession.extra_fields import FieldValues
from pyramid_sqlsession.record import Change, Record, Stored
from pyramid_sqlsession.refusals import explaining, found_broken, may_pass, was_rolled_back
from pyramid_sqlsession.rows import SessionRows
from pyramid_sqlsession.saving import Saver
from pyramid_sqlsession.transactions import kept_with, live_transaction

ATTEMPTS = 3  # of a save aside, which nobody else can repeat
LONGEST_WAIT = 1  # seconds; a lock that was waited for longer will not be free at once

Result = TypeVar("Result")


class Joined:
    """A dbsession that is joined to a transaction, for all requests that share the two."""

    def __init__(self, dbsession: Session) -> None:
        self.dbsession = dbsession
        self._root: Any = None

    def connection(self, model: type) -> Connection:
        """Return the transaction's connection to the rows."""
        # Not Session.execute, which would flush the application's pending objects.
        connection = self.dbsession.connection(bind_arguments={"mapper": model})
        self._root = self.dbsession.get_transaction()
        return connection

    def is_usable(self) -> bool:
        """Whether what is written is committed with the transaction.

        Not after a failed flush; nor when the application has rolled back or closed its
        dbsession, which then begins anew behind the back of the transaction.
        """
        has_left = self._root is not None and self.dbsession.get_transaction() is not self._root
        return self.dbsession.is_active and not has_left


def joined_to(transaction: Any, request: Request, database: Database) -> Joined:
    """Return the dbsession of the request's transaction.

    Requests that share a transaction, as subrequests over a copied environ do, must share its
    dbsession: on two connections they would wait for each other's rows for ever.
    """
    joined: Joined | None = kept_with(transaction, database)
    if joined is None:
        joined = Joined(database.dbsession(request))
        transaction.set_data(database, joined)
    return joined


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

    def query(self, read: Callable[[Connection], Result]) -> Result:
        """Read on a connection that sees what this request has written, if there is one."""
        if self._reads_in(live_transaction(self._request)):
            try:
                return read(self._connection())
            except DBAPIError as error:
                # A statement of the application failed before ours: what is committed can still
                # be read.
                if not found_broken(error):
                    raise
        with (
            explaining(self._rows.table),
            short_transaction(self._database.bind(self._request)) as connection,
        ):
            return read(connection)

    def _reads_in(self, transaction: Any) -> bool:
        if transaction is None:
            return False
        if self._database.is_one_connection and kept_with(transaction, self._database) is None:
            return False  # others wait for it: hold it only from the first write on
        return self._joined().is_usable()

    def can_save(self) -> bool:
        """Whether there is a transaction that takes our writes and is committed with them."""
        if self.is_over:
            return False
        return live_transaction(self._request) is not None and self._joined().is_usable()

    def is_intact(self, *, after_failure: bool) -> bool:
        """Whether what is written now is committed with the transaction, which is live.

        After a failure it is tried whether a statement of the application has broken it.
        """
        if not self._joined().is_usable():
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
        connection = self._connection()
        # Said before writing: what is written must never be taken for a read.
        dbsession = self._joined().dbsession
        zope.sqlalchemy.mark_changed(dbsession, transaction_manager=self._request.tm)
        return connection

    def _connection(self) -> Connection:
        """Return that of the request's transaction, which may be begun on our account."""
        with explaining(self._rows.table):
            return self._joined().connection(self._rows.model)

    def save_late(self, record: Record, change: Change) -> None:
        """Save when the request's own transaction is over.

        One that still lives is somebody else's, who will end it: that of a test, or of a server
        in front of us. Otherwise a short one of our own is used.
        """
        if self.can_save():
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
        if self.can_save():
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

    def _joined(self) -> Joined:
        return joined_to(self._request.tm.get(), self._request, self._database)
