"""What the browser and the subscribers are told, once the facts are settled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyramid_sqlsession.cookie import FORGET, CookieValue, SessionCookie
from pyramid_sqlsession.events import (
    SessionCreated,
    SessionEnded,
    SessionIdChanged,
    SessionMerged,
)
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.states import Stored


def cookie_for(record: Record, cookie: SessionCookie) -> CookieValue | None:
    """Return the cookie that the browser must hold from now on; None when it has the right one.

    A cookie that the database does not know is left alone: it may be somebody else's.
    """
    if record.overtaken:
        return None
    if record.current is None or record.revoked:
        had_any = record.presented is not None or record.unused
        return FORGET if had_any and (record.invalidated or record.revoked) else None
    return _news(record.current, record.presented, cookie)


def _news(current: Stored, presented: Stored | None, cookie: SessionCookie) -> CookieValue | None:
    lifetime = current.row.lifetime
    if presented is not None and presented.session_id == current.session_id:
        is_prolonged = current is not presented and cookie.max_age(lifetime) is not None
        if not is_prolonged and presented.row.lifetime == lifetime:
            return None
    return cookie.value(current.session_id, lifetime)


def events_of(record: Record) -> Iterator[tuple[Any, ...]]:
    """Yield what happened to the session, each event with its facts."""
    before, after = record.presented, record.current
    if before is not None and not record.ended and (record.invalidated or record.revoked):
        yield SessionEnded, before.row.id, "revoked" if record.revoked else "invalidated"
    if record.invalidated and not record.ended:
        yield from ((SessionEnded, row.id, "invalidated") for row in record.unused)
    if after is None or record.revoked:
        return
    if before is None or before.row.id != after.row.id:
        yield SessionCreated, record.session
    elif before.session_id != after.session_id:
        yield SessionIdChanged, record.session
    if record.merged:
        yield SessionMerged, record.session
