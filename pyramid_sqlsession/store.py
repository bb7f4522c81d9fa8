"""What others may do with sessions: find, count and read them, and end them from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, inspect, not_, select
from sqlalchemy.orm import Session, sessionmaker

from pyramid_sqlsession import expiry
from pyramid_sqlsession.data_column import DataColumn
from pyramid_sqlsession.expired_rows import ExpiredRows, is_over
from pyramid_sqlsession.fields import Fields
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.refusals import explaining
from pyramid_sqlsession.rows import as_row, decode
from pyramid_sqlsession.session import SQLSession
from pyramid_sqlsession.settings import SessionSettings

BATCH = 100  # rows in memory at once; each may hold a large payload
LARGEST_ID = 2**63 - 1

Condition = ColumnElement[bool]


class Sessions(Protocol):
    """What the store must know of sessions; a session factory does."""

    model: type[SessionMixin]
    settings: SessionSettings


class SessionStore:
    """All sessions, reached through `dbsession`, in its transaction, which the caller commits.

    `dbsession` may be a callable that returns the present one, as a `scoped_session` is. Rows are
    objects of the mapped class, and `id` is the public id. A field is a column that the
    application has added to the class; one given as None means that it is NULL. An unknown field,
    and a value of another type than its column's, raise `TypeError`. Expired sessions are not
    there, unless `include_expired` says so. Nothing that is pending in `dbsession` is flushed. No
    event is sent, but a request whose session was ended meanwhile sends `SessionEnded`.
    """

    def __init__(self, dbsession: Session | Callable[[], Session], factory: Sessions) -> None:
        if isinstance(dbsession, sessionmaker):
            raise TypeError("a sessionmaker makes dbsessions that nobody commits: call it first")
        self._given = dbsession
        self._model = factory.model
        self._serializer = factory.settings.serializer
        self._data = DataColumn(factory.model, factory.settings.encryption_keys)
        self._limits = factory.settings.limits
        self._fields = Fields(factory.model)

    def get(self, id: int, *, include_expired: bool = False) -> Any:  # noqa: A002 - its name
        """Return a row, None when there is none."""
        if not _is_possible(id):
            return None
        return next(self._newest_first(self._model.id == id, *self._living(include_expired)), None)

    def find(self, *, include_expired: bool = False, **fields: Any) -> Iterator[Any]:
        """Return the rows with these fields, the session that began last first.

        They are fetched by the hundred while you iterate.
        """
        return self._newest_first(*self._fields.where(fields), *self._living(include_expired))

    def count(self, *, include_expired: bool = False, **fields: Any) -> int:
        """Count the sessions with these fields."""
        wanted = (*self._fields.where(fields), *self._living(include_expired))
        counting = select(func.count()).select_from(self._model).where(*wanted)
        with self._undisturbed() as dbsession:
            return int(dbsession.execute(counting).scalar_one())

    def data(self, row: Any) -> dict[str, Any]:
        """Return what a row holds of `request.session`; empty, with a log line, if garbled."""
        return decode(self._serializer, as_row(row, self._data)) or {}

    def revoke(self, id: int) -> bool:  # noqa: A002 - its name
        """End a session; False when there was none."""
        return bool(_is_possible(id) and self._end(self._model.id == id))

    def revoke_all(self, keep: Any = None, **fields: Any) -> int:
        """End the sessions with these fields, without any field everybody's; tell how many.

        `keep` is spared: `request.session`, though it have no row yet, a row, or a public id.
        """
        wanted = self._fields.where(fields)
        kept = self._kept_id(keep)
        if kept is not None:
            wanted.append(self._model.id != kept)
        return self._end(*wanted)

    def delete_expired(self, limit: int) -> int:
        """Delete at most so many rows of sessions that have expired; tell how many."""
        if not _is_whole_number(limit) or limit < 1:
            raise ValueError(f"a limit is a whole number of at least one, not {limit!r}")
        deleted = 0
        while deleted < limit:
            ids = self._expired_ids(min(BATCH, limit - deleted))
            deleted += self._delete(self._model.id.in_(ids), self._has_expired()) if ids else 0
            if len(ids) < BATCH:
                break
        return deleted

    def clear(self) -> int:
        """Delete all rows, those of expired sessions too; tell how many."""
        return self._delete()

    # What is meant

    def _living(self, include_expired: bool) -> list[Condition]:
        columns = inspect(self._model).columns
        return [] if include_expired else [not_(is_over(columns, self._limits, expiry.now()))]

    def _has_expired(self) -> Condition:
        return ExpiredRows(self._model, self._limits, expiry.now()).is_expired

    def _kept_id(self, keep: Any) -> int | None:
        if keep is None or isinstance(keep, SQLSession):
            return None if keep is None else keep.id
        if isinstance(keep, self._model):
            identity = inspect(keep).identity
            return None if identity is None else int(identity[0])
        return keep if _is_possible(keep) else None

    # How it is done

    def _has_deleted(self) -> None:
        """Be told that rows were deleted."""

    def _newest_first(self, *wanted: Condition) -> Iterator[Any]:
        """Yield rows batch by batch; a batch is read whole, so that others can come between."""
        newest_first = select(self._model).order_by(self._model.id.desc()).limit(BATCH)
        older: list[Condition] = []
        while True:
            with self._undisturbed() as dbsession:
                rows = dbsession.execute(newest_first.where(*wanted, *older)).scalars().all()
            last = rows[-1].id if len(rows) == BATCH else None
            yield from rows
            if last is None:
                return
            del rows
            older = [self._model.id < last]

    def _expired_ids(self, limit: int) -> list[int]:
        ids = select(self._model.id).where(self._has_expired()).limit(limit)
        with self._undisturbed() as dbsession:
            return list(dbsession.execute(ids.order_by(self._model.expires)).scalars())

    def _end(self, *wanted: Condition) -> int:
        """Delete rows, and count those that lived.

        The others go as well: a longer expiration must not bring back what was revoked.
        """
        ended = self._delete(*wanted, *self._living(include_expired=False))
        self._delete(*wanted)
        return ended

    def _delete(self, *wanted: Condition) -> int:
        # By the mapped class, not its table: zope.sqlalchemy notices no other and rolls it back.
        statement = delete(self._model).where(*wanted)
        with self._undisturbed() as dbsession:
            deleted = cast("CursorResult[Any]", dbsession.execute(statement)).rowcount
        if deleted:
            self._has_deleted()
        return deleted

    @contextmanager
    def _undisturbed(self) -> Iterator[Session]:
        """Lend the dbsession; it flushes nothing meanwhile, and its errors are explained."""
        dbsession = self._given if isinstance(self._given, Session) else self._given()
        with explaining(inspect(self._model).local_table), dbsession.no_autoflush:
            yield dbsession


def _is_possible(id: int) -> bool:  # noqa: A002 - as the methods call it
    """Whether the database could have given out this id; what is none at all is an error."""
    if not _is_whole_number(id):
        # Not shown: a caller who takes the cookie's value for an id must not read it in a log.
        raise TypeError(f"a public id is a whole number, such as row.id, not {type(id).__name__}")
    return 0 < id <= LARGEST_ID


def _is_whole_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
