"""The store in a request: in its transaction, and heeded by the session of that request."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from sqlalchemy.orm import Session
from transaction.interfaces import NoTransaction

from pyramid_sqlsession.database import Database
from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.lifecycle import LIFECYCLES, Lifecycle
from pyramid_sqlsession.store import Sessions, SessionStore


class RequestStore(SessionStore):
    """A store that follows its request from one transaction to the next."""

    def __init__(self, request: Request, factory: Sessions, database: Database) -> None:
        super().__init__(self._find_dbsession, factory)
        self._request = request
        self._factory = factory
        self._database = database

    def _find_dbsession(self) -> Session:
        """Return the dbsession that the session is saved with; another would wait for it."""
        if not hasattr(self._request, "tm"):
            return self._database.dbsession(self._request)
        return self._database.join(self._request, self._transaction()).dbsession

    def _transaction(self) -> Any:
        try:
            return self._request.tm.get()
        except NoTransaction as error:
            raise SQLSessionError(
                "request.session_store is used while there is no transaction: use it inside "
                "`with request.tm:`"
            ) from error

    def _has_deleted(self) -> None:
        """Have this request drop its changes, and the cookie, when its own row is gone."""
        lifecycle: Lifecycle | None = self._request.__dict__.get(LIFECYCLES, {}).get(self._factory)
        current = None if lifecycle is None else lifecycle.record.current
        if lifecycle is None or current is None:
            return
        if self.get(current.row.id, include_expired=True) is None:
            lifecycle.record.revoked = lifecycle.watch.ended_here = True
