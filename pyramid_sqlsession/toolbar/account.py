"""What one session did in one request, and why, in words.

Everything is read off the lifecycle when it is over; nothing is noted on the way.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from pyramid_sqlsession import expiry
from pyramid_sqlsession.cookie import FORGET
from pyramid_sqlsession.lifecycle import Lifecycle
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.rows import Row
from pyramid_sqlsession.states import Stored
from pyramid_sqlsession.toolbar.changes import KeyChange, changes_between
from pyramid_sqlsession.toolbar.moments import Moment, moments_of

ROLLED_BACK = "Nothing: what was changed was rolled back with the request's transaction."


class Account(NamedTuple):
    """What is shown of a session; each of the texts is a sentence."""

    cookie_name: str
    public_id: int | None
    summary: str
    read: str
    saved: str
    touched: str
    rotated: str
    cookie: str
    changes: list[KeyChange]
    moments: list[Moment]


def account_of(lifecycle: Lifecycle) -> Account:
    """Return what is to be told of a session whose request is over."""
    record = lifecycle.record
    row = None if record.current is None else record.current.row
    now = expiry.now()
    interval = lifecycle.settings.touch_interval
    return Account(
        cookie_name=lifecycle.settings.cookie_name,
        public_id=None if row is None else row.id,
        summary=summary_of(record),
        read=how_read(lifecycle),
        saved=how_saved(lifecycle),
        touched=how_touched(lifecycle, now),
        rotated=why_rotated(lifecycle),
        cookie=why_cookie(lifecycle),
        changes=_changes_of(record),
        moments=[] if row is None else moments_of(row, record.limits, interval, now),
    )


def _changes_of(record: Record) -> list[KeyChange]:
    before, after = _data(record, record.presented), _data(record, record.current)
    return changes_between(before, after, record.serializer.dumps)


def _data(record: Record, stored: Stored | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if stored is None else record.serializer.loads(stored.row.data)
    return found


def summary_of(record: Record) -> str:
    """Return one word."""
    before, after = record.presented, record.current
    if record.revoked or (before is not None and after is None):
        return "ended"
    if after is None:
        return "empty"
    if before is None or before.row.id != after.row.id:
        return "new"
    if _is_saved(before.row, after.row):
        return "saved"
    return "read" if before.row.accessed == after.row.accessed else "touched"


def _is_saved(before: Row, after: Row) -> bool:
    return before.id != after.id or before.version != after.version


def how_read(lifecycle: Lifecycle) -> str:
    """Say what the cookie has opened."""
    record, request = lifecycle.record, lifecycle.request
    if record.superseded:
        return (
            "The cookie's id was replaced less than a minute ago: this request sees an empty "
            "session, which is not saved."
        )
    if record.presented is not None:
        return f"The cookie opens session {record.presented.row.id}, which was read."
    if lifecycle.cookie.read(request):
        return "The cookie opens no session that lives and can be read: an empty one has begun."
    if lifecycle.cookie.values(request):
        return "The cookie is malformed or wrongly signed: the database was not asked."
    return "No cookie was sent: the database was not asked."


def how_saved(lifecycle: Lifecycle) -> str:
    """Say what was written of the session's data."""
    record = lifecycle.record
    hindrances = (
        (lifecycle.discarded, "pyramid_retry throws this attempt away and repeats the request"),
        (lifecycle.gave_up, "that failed when the response was made already; the log says why"),
        (record.superseded, "the cookie's id was replaced"),
        (record.overtaken, "a parallel request has given the session another id, as a login does"),
        (record.revoked, "the session was ended elsewhere while this request ran"),
    )
    why = next((why for is_so, why in hindrances if is_so), None)
    return _how_written(record) if why is None else f"Nothing: {why}."


def _how_written(record: Record) -> str:
    before, after = record.presented, record.current
    if after is None:
        return _why_no_row(record)
    if before is None or before.row.id != after.row.id:
        return f"A new row was inserted, session {after.row.id}."
    if not _is_saved(before.row, after.row):
        return ROLLED_BACK if _was_rolled_back(record) else "Nothing: the session is unchanged."
    if record.merged:
        return "The row was updated; a parallel request had saved first, and both are kept."
    return f"The row was updated; it is version {after.row.version} of the data."


def _why_no_row(record: Record) -> str:
    if record.invalidated and record.presented is not None:
        return "The row was deleted: invalidate() was called."
    return ROLLED_BACK if _was_rolled_back(record) else "Nothing: an empty session has no row."


def _was_rolled_back(record: Record) -> bool:
    return record.is_back or not record.is_settled()


def how_touched(lifecycle: Lifecycle, now: int) -> str:
    """Say whether the use of the session was noted."""
    before, after = lifecycle.record.presented, lifecycle.record.current
    if after is None:
        return "There is nothing to note it in."
    if before is None or _is_saved(before.row, after.row):
        return "It was saved, which notes it."
    if before.row.accessed != after.row.accessed:
        return f"It was noted; the last had been noted {now - before.row.accessed} s before."
    return f"It was not noted: {_why_not_noted(lifecycle, now - after.row.accessed)}."


def _why_not_noted(lifecycle: Lifecycle, since: int) -> str:
    if not lifecycle.record.state.is_use:
        return "skip_touch() was called"
    if lifecycle.settings.touch_interval is None:
        return "touch_interval is none"
    return f"it was not due, as the last was noted {since} s ago"


def why_rotated(lifecycle: Lifecycle) -> str:
    """Say whether the session has another id, and why."""
    record = lifecycle.record
    before, after = record.presented, record.current
    if after is None or before is None:
        return "It got its first one." if after is not None else "It has none."
    if before.row.id != after.row.id:
        return f"invalidate() has ended session {before.row.id}; another has begun."
    if before.session_id == after.session_id:
        return "It is unchanged."
    if before.rotations != after.rotations:
        return "It was changed: regenerate_id() was called."
    keys = ", ".join(lifecycle.settings.rotate_on_change_of)
    return f"It was changed: somebody has logged in or out ({keys})."


def why_cookie(lifecycle: Lifecycle) -> str:
    """Say whether the browser was told anything, and why."""
    told, record = lifecycle.told, lifecycle.record
    before, after = record.presented, record.current
    if told is None:
        return f"It was not sent: {_why_not_told(lifecycle)}."
    if told == FORGET:
        return "It was deleted: the session has ended."
    if before is None or after is None or before.session_id != after.session_id:
        return "It was sent: the browser did not have this id."
    if before.row.lifetime != after.row.lifetime:
        return "It was sent: the session was given another life."
    return "It was sent: its Max-Age was prolonged."


def _why_not_told(lifecycle: Lifecycle) -> str:
    record = lifecycle.record
    if lifecycle.discarded:
        return "the request is repeated"
    if record.overtaken or record.superseded:
        return "the browser has a newer one"
    if record.current is None:
        return "there is no row"
    if lifecycle.watch.is_silenced():
        return "set_on_exception is off, and there was an exception"
    return "the browser has the right one"
