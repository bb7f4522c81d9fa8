"""The transactions of one request, watched: what is hooked to them, and what they leave behind."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any

from pyramid.request import Request
from transaction.interfaces import ISynchronizer
from zope.interface import implementer

from pyramid_sqlsession.access import Access
from pyramid_sqlsession.exceptions import UnstorableValueError
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.settings import SessionSettings
from pyramid_sqlsession.states import Change
from pyramid_sqlsession.transactions import (
    COMMITTED,
    COMMITTING,
    FailedSave,
    is_announced,
    is_live,
    live_transaction,
    mark_error_retryable,
)

log = logging.getLogger(__name__)


def exception_of(request: Request) -> BaseException | None:
    """Return the exception that an exception view answers, None when there is none."""
    error: BaseException | None = getattr(request, "exception", None)
    return error


@implementer(ISynchronizer)
class Watch:
    """Saves before each commit, and makes the record follow each rollback."""

    def __init__(
        self, request: Request, settings: SessionSettings, access: Access, record: Record
    ) -> None:
        self.request = request
        self.settings = settings
        self.access = access
        self.record = record
        self.tm = getattr(request, "tm", None)
        self.transaction: Any = None  # the one whose commit we are hooked to
        self.announced = False  # somebody had said that they would end it
        self.settled_error: BaseException | None = None  # raised before the last completion
        self.completed = False  # a transaction has been committed or aborted
        self.failed = False  # the view raised
        self.ended_here = False  # the request has revoked its own session
        self.released = False

    def begin(self) -> None:
        """Watch what is live, and what will begin."""
        if self.tm is not None:
            # Attach first: registering then finds the transaction known, and the data that was
            # just loaded needs no other mark.
            self.attach(live_transaction(self.request))
            self.tm.registerSynch(self)

    def attach(self, transaction: Any) -> None:
        """Have a say before the transaction is committed; None is nothing to attach to."""
        if transaction is not None and transaction is not self.transaction:
            self.transaction = transaction
            self.announced = is_announced(self.request)
            transaction.addBeforeCommitHook(self.before_commit)

    def newTransaction(self, transaction: Any) -> None:  # noqa: N802 - ISynchronizer
        """Attach to a transaction that begins; what was changed before it outlives it."""
        if self.released or transaction is self.transaction or not is_live(transaction):
            return
        self.take_mark()
        self.attach(transaction)

    def take_mark(self) -> None:
        """Make the session as it is now the state that a rollback goes back to."""
        try:
            self.record.take_mark()
        except UnstorableValueError:
            log.debug("what the session held before the transaction cannot be stored")

    def beforeCompletion(self, transaction: Any) -> None:  # noqa: N802 - ISynchronizer
        """Save in a transaction that an implicit manager began by itself after a manual commit.

        It was not announced, so no hook is registered with it. Should it be about to abort, which
        cannot be told here, what is written is rolled back with it.
        """
        if self.completed and self.transaction is None:
            self.attach(transaction)
            self.before_commit()

    def before_commit(self) -> None:
        """Save what is still unsaved; if that fails, the commit fails."""
        if self.released or self.record.is_settled():
            return
        try:
            # Where our write would not be committed, it is saved when this is over.
            if self.access.is_intact(after_failure=self.has_failed()):
                self.record.rejoin()
                self.save()
        except Exception as error:  # noqa: BLE001 - it is raised again, by the commit
            self.transaction.join(FailedSave(error))

    def save(self) -> None:
        """Write what is due into the transaction."""
        if self.ended_here and self.record.revoked:
            # Unless that was in a savepoint, which was rolled back.
            self.record.revoked = not self.access.has_row(self.record)
        change = self.due_change()
        if change is not None:
            self.access.save(self.record, change, on_conflict=self.settings.on_conflict)

    def due_change(self) -> Change | None:
        """Return what is to be written, less an id that the browser may not be told of."""
        change = self.record.change()
        if change is not None and self.is_silenced() and self.record.changes_id(change):
            return Change(None) if self.record.ended else None
        return change

    def is_silenced(self) -> bool:
        """Whether the browser is told nothing new: `set_on_exception` is off, and there is one."""
        return not self.settings.set_on_exception and exception_of(self.request) is not None

    def afterCompletion(self, transaction: Any) -> None:  # noqa: N802 - ISynchronizer
        """Learn what became of the writes, and go back after a rollback."""
        if self.released or transaction is not self.transaction:
            return
        self.transaction = None
        self.completed = True
        self.settled_error = exception_of(self.request)
        if transaction.status == COMMITTED:
            self.record.settle_commit()
        else:
            if transaction.status == COMMITTING:
                self._excuse(sys.exc_info()[1])
            self._roll_back(raised=self.has_failed())

    def _excuse(self, error: BaseException | None) -> None:
        """Let pyramid_retry repeat what only the commit found to collide.

        pyramid_tm asks the data managers about the errors of a commit when they are gone.
        """
        if self.access.may_pass(error):
            mark_error_retryable(error)

    def has_failed(self) -> bool:
        """Whether the view raised, or something after it."""
        return self.failed or exception_of(self.request) is not None

    def _roll_back(self, *, raised: bool) -> None:
        if raised and self.settings.on_abort != "keep":
            self.record.take_back()
        self.record.settle_rollback()
        self._undo(raised=raised)

    def _undo(self, *, raised: bool) -> None:
        """Take back what `on_abort` does not keep, once the transaction is rolled back.

        What the failed view did was set aside when it raised; what is left then is the exception
        view's.
        """
        self.record.aside = None
        on_abort = self.settings.on_abort
        if on_abort == "discard" or (on_abort == "exception-view" and not raised):
            self.record.go_back()

    def end(self) -> None:
        """Settle what no completion has told us of: the request is over."""
        self._end_abandoned()
        error = exception_of(self.request)
        if error is not None and error is not self.settled_error:
            self._undo(raised=True)
            self.settled_error = error
        self.record.aside = None

    def _end_abandoned(self) -> None:
        """End a transaction that nobody ends any more.

        When a hook of the application refuses the commit, pyramid_tm asks the exception views
        and leaves the transaction as it is: open, with its locks.
        """
        if self.transaction is not None and self.announced and not is_announced(self.request):
            self.abort()

    def abort(self) -> None:
        """Roll the transaction back, even if hooks of the application have broken its end."""
        transaction, self.access.is_over = self.transaction, True
        transaction.abort()
        self.afterCompletion(transaction)

    def release(self) -> None:
        """Let go of everything; hooks that are left behind do nothing."""
        self.released = True
        if self.tm is not None:
            with suppress(KeyError):  # somebody may have cleared them all
                self.tm.unregisterSynch(self)
        self.request = self.tm = self.transaction = self.settled_error = None
