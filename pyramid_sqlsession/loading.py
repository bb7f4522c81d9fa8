"""From the cookie of a request to the record of its session."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence, Sized
from typing import Any, Protocol, TypeVar

from pyramid.request import Request
from sqlalchemy import Connection

from pyramid_sqlsession import events, expiry
from pyramid_sqlsession.cookie import SessionCookie
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.rows import Row, SessionRows, decode
from pyramid_sqlsession.session_id import digest
from pyramid_sqlsession.settings import SessionSettings
from pyramid_sqlsession.states import Stored
from pyramid_sqlsession.transactions import is_repeated

log = logging.getLogger(__name__)

MOST_LOOKED_UP = 4  # session ids of one request
SUPERSEDED_FOR = 60  # seconds during which the id before a rotation is excused

Found = TypeVar("Found")


class Query(Protocol):
    """Lends a connection to what reads with it."""

    def __call__(self, read: Callable[[Connection], Found], *, is_locking: bool = False) -> Found:
        """Return what `read` returns; what it locks is to stay locked."""


class Loader:
    """Looks up the session that a request's cookies open."""

    def __init__(
        self, settings: SessionSettings, rows: SessionRows, cookie: SessionCookie
    ) -> None:
        self._settings = settings
        self._rows = rows
        self._cookie = cookie

    def load(self, request: Request, query: Query) -> Record:
        """Return the record that the cookie opens, else a new one; `query` lends a connection."""
        ids = {digest(session_id): session_id for session_id in self._cookie.read(request)}
        if not ids or _are_too_many(ids):
            return self._record()
        rows = self._find(list(ids), query, is_locking=self._must_pass(request))
        alive = [row for row in rows if self._is_alive(row)]
        if len(alive) == 1:
            return self._opened(alive[0], ids[alive[0].digest])
        if alive:
            log.warning("a request carried the cookies of %s sessions; none is used", len(alive))
            return self._unused(alive)
        return self._unknown(request, list(ids), query)

    def _must_pass(self, request: Request) -> bool:
        """Whether somebody else was faster before: then nobody shall be this time."""
        return self._settings.on_conflict == "retry" and is_repeated(request)

    def _find(self, digests: Sequence[bytes], query: Query, *, is_locking: bool) -> list[Row]:
        return query(
            lambda connection: self._rows.load(connection, digests, is_locking=is_locking),
            is_locking=is_locking,
        )

    def _opened(self, row: Row, session_id: str) -> Record:
        data = decode(self._settings.serializer, row)
        return self._unused([row]) if data is None else self._record(Stored(row, session_id), data)

    def _unused(self, rows: Sequence[Row]) -> Record:
        """Begin a session beside these, which end when it is invalidated."""
        record = self._record()
        record.unused = rows
        return record

    def _unknown(self, request: Request, digests: Sequence[bytes], query: Query) -> Record:
        """Tell an id that was replaced a moment ago, which is excused, from any other."""
        found = query(lambda connection: self._rows.superseded(connection, digests))
        record = self._record()
        replaced = [(row, rotated) for row, rotated in found if self._is_alive(row)]
        record.superseded = any(
            rotated is not None and expiry.now() < rotated + SUPERSEDED_FOR
            for _, rotated in replaced
        )
        if not replaced:
            events.notify(request, events.UnknownSessionId)
        elif not record.superseded:
            events.notify(request, events.SupersededSessionId, replaced[0][0].id)
        return record

    def _record(self, stored: Stored | None = None, data: dict[str, Any] | None = None) -> Record:
        return Record(self._settings, stored, data)

    def _is_alive(self, row: Row) -> bool:
        return row.is_alive(self._settings.limits, expiry.now())


def _are_too_many(ids: Sized) -> bool:
    """Whether some would not be looked up; one of them might be the browser's own."""
    if len(ids) <= MOST_LOOKED_UP:
        return False
    log.warning("a request carried %s session ids; of so many none is used", len(ids))
    return True
