"""What takes part in a transaction on behalf of the sessions, for all requests that share it.

Requests that share a transaction, as subrequests over a copied environ do, must share its
connection: on two they would wait for each other's rows for ever.
"""

from __future__ import annotations

from typing import Any, Protocol

import zope.sqlalchemy
from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session, SessionTransaction
from transaction.interfaces import IDataManagerSavepoint, ISavepointDataManager
from zope.interface import implementer
from zope.sqlalchemy.datamanager import SessionDataManager

from pyramid_sqlsession.model import SessionMixin


class Joined(Protocol):
    """A way to the rows whose writes are committed with the transaction."""

    @property
    def dbsession(self) -> Session:
        """The same way, for mapped objects."""

    def connection(self) -> Connection:
        """Return what sees the writes of the transaction."""

    def connection_for_writing(self) -> Connection:
        """Return the same, and have the transaction commit what is written to it."""

    def is_usable(self) -> bool:
        """Whether what is written is committed with the transaction."""


class JoinedDbsession:
    """The application's dbsession, which it has joined to the transaction itself."""

    def __init__(
        self, dbsession: Session, model: type[SessionMixin], transaction_manager: Any
    ) -> None:
        self.dbsession = dbsession
        self._model = model
        self._transaction_manager = transaction_manager
        self._root: Any = None
        self._connection: Connection | None = None

    def connection(self) -> Connection:
        """Return the connection of the dbsession to the rows."""
        if self._connection is None:
            # Not Session.execute, which would flush the application's pending objects.
            self._connection = self.dbsession.connection(bind_arguments={"mapper": self._model})
            self._root = self.dbsession.get_transaction()
        return self._connection

    def connection_for_writing(self) -> Connection:
        """Return the same, marked before writing: that must never be taken for a read."""
        connection = self.connection()
        zope.sqlalchemy.mark_changed(self.dbsession, transaction_manager=self._transaction_manager)
        return connection

    def is_usable(self) -> bool:
        """Whether what is written is committed with the transaction.

        Not after a failed flush; nor when the application has rolled back or closed its
        dbsession, which then begins anew behind the back of the transaction.
        """
        present = self.dbsession.get_transaction()
        has_left = self._root is not None and self._root is not present
        return self.dbsession.is_active and not has_left and not self._was_left(present)

    def _was_left(self, present: Any) -> bool:
        """Whether the application began another one before, which is what is to be committed."""
        for resource in self._transaction_manager.get()._resources:  # noqa: SLF001 - no other way
            if isinstance(resource, SessionDataManager) and resource.session is self.dbsession:
                return resource.tx is not present
        return False


@implementer(ISavepointDataManager)
class OwnConnection:
    """A connection of an engine of our own.

    It commits in one phase and last, so that ours are not committed when the application's data
    are refused.
    """

    def __init__(self, engine: Engine, transaction_manager: Any) -> None:
        self.transaction_manager = transaction_manager
        self._connection = engine.connect()
        self._dbsession: Session | None = None
        try:
            transaction_manager.get().join(self)
        except BaseException:
            self._connection.close()  # nobody else would: the transaction has failed before
            raise

    @property
    def dbsession(self) -> Session:
        """One that leaves the end of the transaction to us."""
        if self._dbsession is None:
            self._dbsession = Session(self._connection, join_transaction_mode="rollback_only")
        return self._dbsession

    def connection(self) -> Connection:
        """Return the connection."""
        return self._connection

    connection_for_writing = connection

    def is_usable(self) -> bool:
        """Whether what is written is committed with the transaction; not after a failed flush."""
        return self._dbsession is None or self._dbsession.is_active

    def is_over(self) -> bool:
        """Whether it takes part no more, as after a rollback to before it was joined."""
        return self._connection.closed

    # As the transaction calls it

    def sortKey(self) -> str:  # noqa: N802 - IDataManager
        """Sort behind every database of the application."""
        return f"~~sqlsession:{id(self)}"

    def tpc_begin(self, transaction: Any) -> None:  # noqa: ARG002 - IDataManager
        """Write what was changed in mapped objects; raise when that has failed before.

        The failure has rolled back what was written until then, unnoticed by the connection.
        """
        if self._dbsession is not None:
            self._dbsession.connection()
            self._dbsession.flush()

    def commit(self, transaction: Any) -> None:
        """Do nothing yet."""

    def tpc_vote(self, transaction: Any) -> None:
        """Commit; throw away a connection that could not.

        A locked SQLite leaves the transaction open, and the next request would find the lock
        taken, or commit what this one had written.
        """
        try:
            self._connection.commit()
        except BaseException:
            self._connection.invalidate()
            raise
        self.abort(transaction)  # there is nothing left to be rolled back

    def abort(self, transaction: Any) -> None:  # noqa: ARG002 - IDataManager
        """Give the connection back, which rolls back what is not committed."""
        if self._dbsession is not None:
            self._dbsession.close()
        self._connection.close()

    tpc_abort = abort

    def tpc_finish(self, transaction: Any) -> None:
        """Do nothing more."""

    @property
    def savepoint(self) -> Any:
        """How to make a savepoint; there is no such attribute on SQLite, whose driver lacks them.

        That is how a data manager says that it cannot.
        """
        if self._connection.dialect.name == "sqlite":
            raise AttributeError("savepoint")
        return self._savepoint

    def _savepoint(self) -> OwnSavepoint:
        return OwnSavepoint(self.dbsession)


@implementer(IDataManagerSavepoint)
class OwnSavepoint:
    """A state of the connection and of mapped objects to go back to, more than once."""

    def __init__(self, dbsession: Session) -> None:
        self._dbsession = dbsession
        self._nested = self._begin()

    def _begin(self) -> SessionTransaction:
        nested = self._dbsession.begin_nested()
        self._dbsession.connection()  # by itself it would wait for a statement of the dbsession
        return nested

    def rollback(self) -> None:
        """Go back."""
        self._nested.rollback()
        self._nested = self._begin()
