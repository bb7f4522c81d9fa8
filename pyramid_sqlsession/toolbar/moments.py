"""The limits of a session's life, on a line from its beginning to its last possible end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import NamedTuple

from pyramid_sqlsession.expiry import NEVER, Limits, touch_wait
from pyramid_sqlsession.rows import Row

UNITS = (("days", 86_400), ("h", 3_600), ("min", 60))


class Moment(NamedTuple):
    """What happens at a time: when that is, how far from now, and its place from 0 to 100."""

    name: str
    time: str
    distance: str
    place: float


def moments_of(row: Row, limits: Limits, touch_interval: int | None, now: int) -> list[Moment]:
    """Return what has happened to a session and what awaits it, in the order of time."""
    found = sorted(_times(row, limits, touch_interval, now), key=lambda one: one[1])
    first, last = found[0][1], found[-1][1]
    span = max(1, last - first)
    return [
        Moment(name, _written(time), _distance(time - now), 100 * (time - first) / span)
        for name, time in found
    ]


def _times(
    row: Row, limits: Limits, touch_interval: int | None, now: int
) -> Iterator[tuple[str, int]]:
    yield "the session began", row.created
    yield "its last noted use", row.accessed
    yield "this request", now
    if touch_interval is not None:
        wait = touch_wait(touch_interval, row.lifetime)
        yield "the next use is noted from here on", row.accessed + wait
    facts = {"accessed": row.accessed, "created": row.created}
    idle_end = Limits(limits.idle, None).ends(**facts, lifetime=row.lifetime)
    if idle_end is not None:
        yield "it ends if nobody uses it", idle_end
    absolute_end = Limits(None, limits.absolute).ends(**facts, lifetime=None)
    if absolute_end is not None:
        yield "it ends in any case", absolute_end
    if row.expires != NEVER:
        yield "its row may be pruned", row.expires


def _written(time: int) -> str:
    # A life may be longer than a calendar.
    return datetime.fromtimestamp(min(time, NEVER), timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _distance(seconds: int) -> str:
    """Return it in the largest unit that it has two of, to tell hours from days at a glance."""
    if seconds == 0:
        return "now"
    size = abs(seconds)
    unit, length = next((one for one in UNITS if size >= 2 * one[1]), ("s", 1))
    return f"in {size // length} {unit}" if seconds > 0 else f"{size // length} {unit} ago"
