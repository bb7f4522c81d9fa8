"""What is asked of transactions: is one live, may it be repeated, make it fail."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from transaction.interfaces import IDataManager, NoTransaction
from zope.interface import implementer

try:
    from pyramid_retry import is_error_retryable, is_last_attempt, mark_error_retryable
except ImportError:  # pragma: no cover - the tests have it; without it nothing is repeated

    def is_error_retryable(request: Request, exc: BaseException) -> bool:  # noqa: ARG001 - its form
        """Tell that nobody repeats the request."""
        return False

    def is_last_attempt(request: Request) -> bool:  # noqa: ARG001 - its form
        """Tell that nobody repeats the request."""
        return True

    def mark_error_retryable(error: BaseException) -> None:
        """Tell nobody."""


__all__ = [
    "COMMITTED",
    "COMMITTING",
    "FailedSave",
    "is_announced",
    "is_error_retryable",
    "is_last_attempt",
    "is_live",
    "is_repeated",
    "kept_with",
    "live_transaction",
    "mark_error_retryable",
]

COMMITTED = "Committed"
COMMITTING = "Committing"
LIVE = ("Active", "Doomed")


def is_live(transaction: Any) -> bool:
    """Whether the transaction still takes writes, for better or for worse."""
    return transaction.status in LIVE


def is_announced(request: Request) -> bool:
    """Whether somebody has announced that they will end the request's transaction."""
    environ = request.environ
    return "tm.active" in environ or "repoze.tm.active" in environ


def is_repeated(request: Request) -> bool:
    """Whether pyramid_retry has tried the request before."""
    return bool(request.environ.get("retry.attempt"))


def live_transaction(request: Request) -> Any:
    """Return the transaction that takes the request's writes; None when there is none.

    An explicit manager knows. An implicit one would begin a transaction that nobody ends, so it
    is asked only when somebody has announced theirs.
    """
    tm = getattr(request, "tm", None)
    if tm is None or not (getattr(tm, "explicit", False) or is_announced(request)):
        return None
    try:
        transaction = tm.get()
    except NoTransaction:
        return None
    return transaction if is_live(transaction) else None


def kept_with(transaction: Any, owner: object) -> Any:
    """Return what `owner` keeps with the transaction, None when it keeps nothing."""
    try:
        return transaction.data(owner)
    except KeyError:
        return None


@implementer(IDataManager)
class FailedSave:
    """Makes a commit fail the way it does when a database refuses: everybody is rolled back.

    An error raised in the hook before a commit would leave the transaction open behind it.
    """

    transaction_manager = None

    def __init__(self, error: Exception) -> None:
        self._error = error

    def tpc_begin(self, transaction: Any) -> None:  # noqa: ARG002 - IDataManager
        """Refuse."""
        raise self._error

    def sortKey(self) -> str:  # noqa: N802 - IDataManager
        """Come before everybody who might already commit."""
        return ""

    def abort(self, transaction: Any) -> None:
        """Do nothing: nothing was done."""

    commit = tpc_vote = tpc_finish = tpc_abort = abort
