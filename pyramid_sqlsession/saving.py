"""How a change gets into its row: insert, update, or settle with who was faster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection

from pyramid_sqlsession.exceptions import SessionConflict
from pyramid_sqlsession.extra_fields import Fields
from pyramid_sqlsession.merge import merge
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.rows import Previous, Row, SessionRows, decode
from pyramid_sqlsession.serializers import dump
from pyramid_sqlsession.session_id import digest, new_session_id
from pyramid_sqlsession.states import Change, Stored

LAST_VERSION = 2**31 - 1  # that the column holds

FieldSource = Callable[[Record, Row, Fields], Fields]


class Saver:
    """Writes the changes of one record on the connection and at the time that are given."""

    def __init__(self, rows: SessionRows, record: Record, fields: FieldSource) -> None:
        self._rows = rows
        self._fields = fields
        self._record = record

    def write(self, connection: Connection, change: Change, *, now: int, on_conflict: str) -> None:
        """Write `change`; raise `SessionConflict` when it may pass in another attempt."""
        record = self._record
        for row in record.ended:
            self._rows.delete(connection, row)
        record.settle_deletion()
        if change.data is None:
            return
        if record.current is None:
            self._insert(connection, change.data, now)
        elif not self._update(connection, record.current, change.data, now):
            self._settle(connection, record.current, change.data, now, on_conflict)

    def touch(self, connection: Connection, stored: Stored, *, now: int) -> None:
        """Note that the session was used; whoever saved it meanwhile has noted it already."""
        row = stored.row
        expires = self._prunable_from(now, row.created, row.lifetime)
        used = row._replace(accessed=now, expires=expires)
        if self._rows.touch(connection, row, used):
            self._record.hold(used, stored.session_id)
            return
        newest = self._rows.reload(connection, used)
        self._record.revoked = newest is None
        self._record.overtaken = newest is not None and newest.digest != used.digest

    def _insert(self, connection: Connection, data: bytes, now: int) -> None:
        session_id, state = new_session_id(), self._record.state
        row = Row(
            id=0,  # until the database has given one
            digest=digest(session_id),
            created=state.created,
            accessed=now,
            lifetime=state.lifetime,
            expires=self._prunable_from(now, state.created, state.lifetime),
            version=1,
            data=data,
        )
        row_id = self._rows.insert(connection, row, self._extra(row))
        self._record.hold(row._replace(id=row_id), session_id)

    def _update(self, connection: Connection, stored: Stored, data: bytes, now: int) -> bool:
        """Write over what is stored; False when the row is not that any more."""
        record, old = self._record, stored.row
        if not old.is_alive(record.limits, now):
            return False
        accessed, version = max(old.accessed, now), _next_version(old.version)
        lifetime = record.state.lifetime
        expires = self._prunable_from(accessed, old.created, lifetime)
        new = Row(old.id, old.digest, old.created, accessed, lifetime, expires, version, data)
        if record.rotates(stored, data):
            return self._rotate(connection, old, new, now)
        if not self._rows.update(connection, old, new, self._extra(new)):
            return False
        record.hold(new, stored.session_id)
        return True

    def _rotate(self, connection: Connection, old: Row, new: Row, now: int) -> bool:
        """Write under a new id; the one that is superseded is what the browser has."""
        session_id = new_session_id()
        new = new._replace(digest=digest(session_id))
        presented = self._record.presented
        held = presented.row if presented is not None and presented.row.id == old.id else old
        previous = Previous(held.digest, now)
        if not self._rows.rotate(connection, old, new, previous, self._extra(new)):
            return False
        self._record.hold(new, session_id)
        return True

    def _settle(
        self, connection: Connection, stored: Stored, data: bytes, now: int, on_conflict: str
    ) -> None:
        """Look what the row is now, with a lock: ended, under another id, or merely newer."""
        newest = self._rows.reload(connection, stored.row)
        if newest is None or not newest.is_alive(self._record.limits, now):
            self._record.revoked = True
        elif newest.digest != stored.row.digest:
            self._record.overtaken = True
        elif on_conflict == "retry":
            raise SessionConflict("a parallel request has saved the session first")
        else:
            self._merge(connection, stored, data, newest, now)

    def _merge(
        self, connection: Connection, stored: Stored, data: bytes, newest: Row, now: int
    ) -> None:
        record, loads = self._record, self._record.serializer.loads
        theirs = decode(record.serializer, newest)
        if theirs is None:  # nothing in it can be kept, nor compared with
            theirs = {}
            newest = newest._replace(data=dump(record.serializer, theirs))
        record.merge_in(newest, merge(loads(stored.row.data), loads(data), theirs))
        if not self._update(connection, replace(stored, row=newest), record.dump(), now):
            raise SessionConflict("the session was saved again while it was being merged")

    def _extra(self, row: Row) -> Fields:
        defaults = {"data": self._rows.bound(row.data), "expires": row.expires}
        return self._fields(self._record, row, defaults)

    def _prunable_from(self, accessed: int, created: int, lifetime: int | None) -> int:
        limits = self._record.limits
        return limits.prunable_from(accessed=accessed, created=created, lifetime=lifetime)


def _next_version(version: int) -> int:
    """Return the number of a save; after the last one they begin anew."""
    return version + 1 if version < LAST_VERSION else 1
