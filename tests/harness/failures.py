"""What makes a transaction fail for reasons of the application's."""

from __future__ import annotations

from typing import Any


class RefusedCommit(Exception):
    """Raised while the transaction is being committed."""


class RefusingData:
    """A data manager that does not let the transaction through.

    `moment` is the method that raises `error`; `sort_key` says before or after whom.
    """

    transaction_manager = None

    def __init__(
        self,
        moment: str = "tpc_begin",
        *,
        error: type[Exception] = RefusedCommit,
        sort_key: str = "first",
    ) -> None:
        self._error = error
        self._sort_key = sort_key
        setattr(self, moment, self._refuse)

    def sortKey(self) -> str:  # noqa: N802  # IDataManager
        return self._sort_key

    def _refuse(self, transaction: Any) -> None:
        raise self._error

    def _agree(self, transaction: Any) -> None:
        """Let it pass."""

    tpc_begin = commit = tpc_vote = tpc_finish = tpc_abort = abort = _agree


def refuse() -> None:
    """Be a hook that refuses the commit, or the abort."""
    raise RefusedCommit
