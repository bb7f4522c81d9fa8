"""A session paired with its row: what is unsaved, what it goes back to, what became of it.

A record knows neither requests nor transactions: `lifecycle` says when to go back, and what the
database made of the writes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from pyramid_sqlsession import expiry
from pyramid_sqlsession.logins import Logins
from pyramid_sqlsession.merge import merge
from pyramid_sqlsession.rows import Row
from pyramid_sqlsession.serializers import dump
from pyramid_sqlsession.session import SQLSession, State
from pyramid_sqlsession.settings import SessionSettings
from pyramid_sqlsession.states import Aside, Change, Mark, Snapshot, Stored
from pyramid_sqlsession.watched_dict import Moment, is_another


class Record:
    """The session of one request, and what this request knows of its row."""

    superseded = False  # the cookie's id was replaced a moment ago: never save
    overtaken = False  # the id was replaced while this request ran: drop its changes
    revoked = False  # the session ended elsewhere: drop this request's changes
    invalidated = False
    merged = False
    is_back = False  # the session was put back since it was written
    aside: Aside | None = None  # what a failed view did
    rejoined: Aside | None = None  # the session before that was brought back
    unmerged: Aside | None = None  # the session before a newer row was merged in
    unused: Sequence[Row] = ()  # what the cookies open: several, or one that cannot be read
    _mark: Mark | None = None  # None for what is committed

    def __init__(
        self,
        settings: SessionSettings,
        stored: Stored | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        self.serializer = settings.serializer
        self.limits = settings.limits
        self.presented = stored  # what the browser's cookie opened
        self.current = stored  # what the database holds, seen from this request's transaction
        self.committed = stored  # what it holds once that transaction is rolled back
        self.ended: list[Row] = []  # invalidated, not yet deleted
        self.deleted: list[Row] = []  # deleted, not yet committed
        self._logins = Logins(settings.rotate_on_change_of, settings.serializer)
        self._touch_interval = settings.touch_interval
        self.state = self._opening_state()
        self._loaded = data or {}
        self.session = SQLSession(self._loaded, self.state)
        self._opened_at = self.session.moment()
        self._dumped = self._opening_snapshot()
        self._written = self._dumped  # what `current` was made of, unless that went back

    def _opening_state(self) -> State:
        if self.current is None:
            now = expiry.now()
            return State(now, now, self.limits, self._invalidate)
        row = self.current.row
        known = False, row.id, row.lifetime
        return State(row.created, row.accessed, self.limits, self._invalidate, *known)

    def _opening_snapshot(self) -> Snapshot:
        if self.current is None:
            return Snapshot(b"", Moment(-1), b"")
        data = self.current.row.data
        return Snapshot(data, self._opened_at, self._logins.of(self._loaded))

    def _invalidate(self) -> None:
        """End the row, whatever becomes of the transaction, and go on without one."""
        if self.current is not None:
            self.ended.append(self.current.row)
        if not self.invalidated:
            self.ended.extend(self.unused)  # whoever logs out must be out, whichever was theirs
        self.current = self.committed = None
        self._mark = self.aside = self.rejoined = self.unmerged = None
        self.overtaken = self.revoked = False
        self.invalidated = True
        self.state.begin_anew(expiry.now())

    # Going back, and what was put aside

    @property
    def mark(self) -> Mark:
        """The state to go back to."""
        committed = self.committed
        if self._mark is not None or committed is None:
            return self._mark or Mark()
        row = committed.row
        return Mark(row.data, row.lifetime, committed.forced, committed.rotations)

    def take_mark(self) -> None:
        """Make the session as it is now the state to go back to."""
        state = self.state
        data = self.dump() if self.session else None
        self._mark = Mark(data, state.lifetime, state.forced, state.rotations)

    def go_back(self) -> None:
        """Put the session back to the mark."""
        self.is_back = True
        self._replace_data(self._marked_data())
        _, self.state.lifetime, self.state.forced, self.state.rotations = self.mark

    def take_back(self) -> None:
        """Put what was written back to the mark, and keep what was done since it was written."""
        written = self.current
        if written is None or written is self.committed or self.is_back:
            return
        state, mark = self.state, self.mark
        data = self.serializer.loads(written.row.data)
        self._replace_data(merge(data, self.session.unwatched(), self._marked_data()))
        state.forced += mark.forced - written.forced
        state.rotations += mark.rotations - written.rotations
        if state.lifetime == written.row.lifetime:
            state.lifetime = mark.lifetime
        self.unmerged = None

    def set_aside(self) -> None:
        """Go back, and keep what was done since the mark."""
        self.aside = self._as_it_is()
        self.go_back()

    def rejoin(self) -> None:
        """Bring back what was set aside, beneath what was done since."""
        aside, self.aside = self.aside, None
        if aside is None:
            return
        self.rejoined = self._as_it_is()
        state, mark = self.state, self.mark
        self._replace_data(merge(self._marked_data(), self.session.unwatched(), aside.data))
        state.forced += aside.forced - mark.forced
        state.rotations += aside.rotations - mark.rotations
        if state.lifetime == mark.lifetime:
            state.lifetime = aside.lifetime

    def _put_back(self, aside: Aside) -> None:
        state = self.state
        self._replace_data(aside.data)
        _, state.lifetime, state.forced, state.rotations = aside

    def _as_it_is(self) -> Aside:
        state = self.state
        return Aside(self.session.unwatched(), state.lifetime, state.forced, state.rotations)

    def _marked_data(self) -> dict[str, Any]:
        return {} if self.mark.data is None else self.serializer.loads(self.mark.data)

    def _replace_data(self, data: dict[str, Any]) -> None:
        self.session.clear()
        self.session.update(data)

    # What is unsaved

    def is_settled(self) -> bool:
        """Whether there is plainly nothing to write; if not, `change` looks closely."""
        stored, state = self.current, self.state
        if self.ended or self.revoked or self.aside is not None:
            return False
        if stored is None:
            return not self._wants_row()
        return (
            state.forced == stored.forced
            and state.rotations == stored.rotations
            and state.lifetime == stored.row.lifetime
            and self._written.data is stored.row.data
            and self.session.is_still(self._written.moment)
        )

    def change(self) -> Change | None:
        """Return what has to be written, None for nothing.

        Raises `UnstorableValueError` when the session holds what cannot be serialised.
        """
        closed = self.superseded or self.overtaken or self.revoked
        data = None if closed else self._unsaved_data()
        return None if data is None and not self.ended else Change(data)

    def _unsaved_data(self) -> bytes | None:
        if self.current is None and not self._wants_row():
            return None
        data = self.dump()
        return None if self.current is not None and self._is_saved(self.current, data) else data

    def dump(self) -> bytes:
        """Serialise the session, unless it is what it was the last time."""
        if not self.session.is_still(self._dumped.moment):
            values = self.session.unwatched()
            data = dump(self.serializer, values)
            self._dumped = Snapshot(data, self.session.moment(), self._logins.of(values))
        return self._dumped.data

    def holds(self, data: bytes) -> bool:
        """Whether the session is what these bytes say, however else they might be written."""
        now = self.dump()
        return now == data or self.serializer.loads(now) == self.serializer.loads(data)

    def _wants_row(self) -> bool:
        return bool(self.session or self.state.forced or self.state.lifetime is not None)

    def _is_saved(self, stored: Stored, data: bytes) -> bool:
        state = self.state
        return (
            state.forced == stored.forced
            and state.rotations == stored.rotations
            and state.lifetime == stored.row.lifetime
            and (data == stored.row.data or self._is_written_otherwise(stored, data))
        )

    def _is_written_otherwise(self, stored: Stored, data: bytes) -> bool:
        """Whether a row holds what `data` says, though not as today's serializer writes it."""
        if stored is not self.presented or self._has_other_values():
            return False
        return data == dump(self.serializer, self.serializer.loads(stored.row.data))

    def _has_other_values(self) -> bool:
        """Whether some key plainly has another value than was loaded."""
        old, new = self._loaded, self.session.unwatched()
        if old.keys() != new.keys() or any(is_another(old[key], new[key]) for key in new):
            return True
        return self.session.has_other_content(self._opened_at)

    def _snapshot_of(self, data: bytes) -> Snapshot | None:
        """Return what is known of this data, None for nothing."""
        if self._dumped.data == data:
            return self._dumped
        return self._written if self._written.data == data else None

    def changes_id(self, change: Change) -> bool:
        """Whether writing `change` gives the browser a new id to hold."""
        if change.data is None:
            return False
        return self.current is None or self.rotates(self.current, change.data)

    def rotates(self, stored: Stored, data: bytes) -> bool:
        """Whether a new id was asked for, or somebody logged in or out."""
        if self.state.rotations != stored.rotations:
            return True
        old = stored.row.data
        if self.login(old) == self.login(data):
            return False
        return self._logins.differ(old, data)

    def login(self, data: bytes) -> Hashable:
        """Return the part of the data whose change gives the session a new id."""
        known = self._snapshot_of(data)
        return self._logins.of(self.serializer.loads(data)) if known is None else known.login

    def to_touch(self, now: int) -> Stored | None:
        """Return what was loaded, if it lives, was not saved, and its use has to be noted."""
        stored = self.current
        if stored is None or stored is not self.presented or self.revoked or self.overtaken:
            return None
        row = stored.row
        due = self.limits.is_touch_due(
            now=now, accessed=row.accessed, lifetime=row.lifetime, interval=self._touch_interval
        )
        return stored if due and self.state.is_use and row.is_alive(self.limits, now) else None

    # What became of it

    def hold(self, row: Row, session_id: str) -> None:
        """Take note that the database holds this row now, opened by this id."""
        self.current = Stored(row, session_id, self.state.forced, self.state.rotations)
        self._written = self._dumped
        self.is_back = self.rejoined is not None
        self._show_row()

    def merge_in(self, newest: Row, data: dict[str, Any]) -> None:
        """Take over what a newer row brings; `data` is already merged with ours."""
        self.merged, self.unmerged = True, self._as_it_is()
        self._replace_data(data)
        if self.current is not None and self.state.lifetime == self.current.row.lifetime:
            self.state.lifetime = newest.lifetime

    def settle_deletion(self) -> None:
        """The rows that were invalidated are deleted, unless the transaction is rolled back."""
        self.deleted, self.ended = self.deleted + self.ended, []

    def settle_commit(self) -> None:
        """What was written is in the database for good."""
        self.committed, self.deleted = self.current, []
        self._mark = self.rejoined = self.unmerged = None

    def settle_rollback(self) -> None:
        """What was written since the last commit is not in the database."""
        self.current = self.committed
        self.ended, self.deleted = self.deleted + self.ended, []
        self.overtaken = self.revoked = False
        before = self.rejoined or self.unmerged
        if before is not None:
            self._put_back(before)
        self.merged, self.rejoined, self.unmerged = False, None, None
        self._show_row()

    def _show_row(self) -> None:
        self.state.id = None if self.current is None else self.current.row.id
        if self.current is not None:
            self.state.accessed = self.current.row.accessed
