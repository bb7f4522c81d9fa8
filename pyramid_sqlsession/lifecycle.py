"""The life of a session in one request: when it is saved, put back and announced.

The order of a request, from the outside in::

    response callbacks, then finished callbacks, when everything below is over
        pyramid_tm: begins the transaction; commits or aborts it
            saving tween: saves what the view did
                EXCVIEW: exception views
                    watching tween: sees the view fail
                        view

No single point can save for all the others:

- Response callbacks run when the transaction has ended. What the view did must be saved before
  them, in the transaction: the saving tween does.
- Exception views run while the failed transaction is still open. What they do must outlive it:
  the response callback saves it, in a short transaction of its own.
- Manual commits, scripts, and a transaction that is committed in spite of an exception do not
  wait for the saving tween, or have something that it could not save: the hook before each
  commit does.
- Response callbacks and subscribers of the application run after our response callback: the
  finished callback has a last look.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from sqlalchemy.exc import SQLAlchemyError
from transaction.interfaces import TransientError

from pyramid_sqlsession import expiry
from pyramid_sqlsession.access import Access
from pyramid_sqlsession.announcing import cookie_for, events_of
from pyramid_sqlsession.cookie import FORGET, CookieValue, SessionCookie, vary_by_cookie
from pyramid_sqlsession.events import notify
from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.settings import SessionSettings
from pyramid_sqlsession.states import Change
from pyramid_sqlsession.transactions import (
    is_error_retryable,
    is_last_attempt,
    is_live,
    live_transaction,
)
from pyramid_sqlsession.watch import Watch, exception_of

log = logging.getLogger(__name__)

LIFECYCLES = "_sqlsession_lifecycles"
RESPONSE = "_sqlsession_response"
WHEN_OVER = "_sqlsession_when_over"  # whom to show each lifecycle of the request in the end


def lifecycles_of(request: Request) -> Iterable[Lifecycle]:
    """Return the lifecycles of the sessions that were looked at in this request so far."""
    lifecycles: dict[Any, Lifecycle] = request.__dict__.get(LIFECYCLES, {})
    return list(lifecycles.values())


class Lifecycle:
    """One session in one request, told of everything that decides what becomes of it."""

    def __init__(
        self,
        request: Request,
        settings: SessionSettings,
        cookie: SessionCookie,
        access: Access,
        record: Record,
    ) -> None:
        self.request = request
        self.settings = settings
        self.cookie = cookie
        self.access = access
        self.record = record
        self.watch = Watch(request, settings, access, record)
        self.discarded = False  # pyramid_retry throws this attempt away
        self.gave_up = False  # a save after the response failed
        self.response: Any = None
        self.told: CookieValue | None = None  # what the browser was told last

    def begin(self) -> None:
        """Be told of the transaction and of the response.

        A request that has its response has no transaction ahead. In a streaming body, nobody
        would even tell us to let go.
        """
        self.request.add_response_callback(self.respond)
        self.request.add_finished_callback(self.finish)
        if RESPONSE not in self.request.__dict__:
            self.watch.begin()

    # The tweens

    def view_begins(self) -> None:
        """Mark the state that a failed view goes back to, where no transaction marks it."""
        if self.watch.transaction is None:
            self.watch.take_mark()

    def view_failed(self) -> None:
        """Put the loaded data back, so that exception views do not see half of a change."""
        self.watch.failed = True
        if self.settings.on_abort != "keep":
            self.record.set_aside()

    def put_back(self) -> None:
        """Put the session back to what it was before the transaction."""
        self.watch.failed = True
        self.record.go_back()

    def save_at_end(self, response: Any) -> Any:
        """Save in the transaction what the view did, and return the response.

        Late, so that the row is locked briefly; but before pyramid_tm, which must still see a
        retryable error.
        """
        transaction = live_transaction(self.request)
        self.watch.attach(transaction)
        if exception_of(self.request) is not None or self.record.is_settled():
            return response
        if not self.access.can_save(transaction) or transaction.isDoomed():
            self._check_access()
            return response
        try:
            self.watch.save()
        except Exception as error:
            if isinstance(error, TransientError) and not is_last_attempt(self.request):
                raise
            response = self._answer_failed_save(transaction)
            if response is None:
                raise
        return response

    def _check_access(self) -> None:
        """Raise while somebody can still hear it, if what is saved later has nowhere to go."""
        if self.record.session:
            self.access.check()

    def _answer_failed_save(self, transaction: Any) -> Any:
        """Fail like a view that raised; return what an exception view answers, None if none does.

        Nothing is committed: neither the session nor the application's data.
        """
        for lifecycle in lifecycles_of(self.request):
            lifecycle.put_back()
        if is_live(transaction):
            transaction.doom()
        try:
            return self.request.invoke_exception_view()
        except HTTPNotFound:
            return None

    # The callbacks

    def respond(self, request: Request, response: Any) -> None:
        """Save what no transaction took, then tell the browser; never raise."""
        self.response = response
        error = exception_of(request)
        self.discarded = error is not None and is_error_retryable(request, error)
        if self.discarded:
            return
        if not self._is_over():
            self._never_raising(self.watch.end)
            self._never_raising(self._save_late)
            self._never_raising(self._save_ended)
        self._touch()
        self._never_raising(self._tell_browser)

    def finish(self, request: Request) -> None:  # noqa: ARG002 - a callback's form
        """Have a last look, for what ran after our response callback, and let go."""
        has_answered = self.response is not None and not self.discarded and not self.gave_up
        try:
            self._never_raising(
                self._notify if has_answered and self._is_over() else self._last_look
            )
        finally:
            self._show()
            self._release()

    def _show(self) -> None:
        show = self.request.__dict__.get(WHEN_OVER)
        if show is not None:
            try:
                show(self)
            except Exception:
                log.exception("what the session did cannot be shown")

    def _is_over(self) -> bool:
        """Whether nothing is left to be settled or saved."""
        is_settled = self.watch.transaction is None and self.record.is_settled()
        return is_settled and exception_of(self.request) is None

    def _last_look(self) -> None:
        raised = sys.exc_info()[1] if self.response is None else None
        if self.watch.transaction is not None and raised and not isinstance(raised, Exception):
            self.watch.abort()  # pyramid_tm does not end it for SystemExit and its like
        self.watch.end()
        if self.response is None and raised is None:
            # First used by a subscriber to NewResponse, or in a script that has no response.
            self.response = self.request.__dict__.get(RESPONSE)
        if self.discarded or self.gave_up:
            return
        if raised is not None and is_error_retryable(self.request, raised):
            return
        if self.response is None:
            self._end_without_response(raised)
        else:
            self._save_late()
            self._tell_browser()
        self._notify()

    def _end_without_response(self, raised: BaseException | None) -> None:
        """Keep what was ended; what else is unsaved was rolled back, or nobody committed it."""
        change = self.record.change() if raised is None else None
        if change is not None and change.data is not None:
            log.warning(
                "changes of a session were not saved, as no transaction was committed after "
                "them: make them inside `with request.tm:`"
            )
        self._save_ended()

    def _save_late(self) -> None:
        change = self.watch.due_change()
        if change is not None:
            self.access.save_late(self.record, change)

    def _save_ended(self) -> None:
        if self.record.ended:
            self.access.save_late(self.record, Change(None))

    def _touch(self) -> None:
        """Note that the session was used; what cannot be noted now is noted by a later request."""
        now = expiry.now()
        stored = self.record.to_touch(now)
        if stored is None or self.gave_up:
            return
        try:
            self.access.touch(self.record, stored, now)
        except (SQLSessionError, SQLAlchemyError) as error:
            self.record.settle_rollback()
            name = type(error).__name__
            log.warning("the use of session %s could not be noted: %s", stored.row.id, name)

    def _never_raising(self, act: Callable[[], None]) -> None:
        try:
            act()
        except Exception:
            # The answer is made; nobody could handle an error any more.
            self.gave_up = True
            log.exception("a session could not be saved after the response was made")

    # The cookie and the events, decided last

    def _tell_browser(self) -> None:
        vary_by_cookie(self.response)
        cookie = cookie_for(self.record, self.cookie)
        if cookie not in (None, FORGET) and self.watch.is_silenced():
            cookie = None
        if cookie != self.told:
            self.cookie.tell(self.request, self.response, cookie)
            self.told = cookie

    def _notify(self) -> None:
        for event, *facts in events_of(self.record):
            notify(self.request, event, *facts)

    def _release(self) -> None:
        self.watch.release()
        self.request.__dict__.pop(LIFECYCLES, None)
        self.record.state.on_invalidate = _warn_of_late_logout
        self.request = self.response = None


def _warn_of_late_logout() -> None:
    """Tell of an invalidation that comes too late to be saved: nobody would notice."""
    log.warning(
        "a session was invalidated when its request was over, and so has not ended: invalidate it "
        "before the response is sent, not in a body that is made meanwhile"
    )
