"""A clock that tests move by hand, in place of the one that sessions live by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

from pyramid_sqlsession import expiry


class Clock:
    """A clock that stands still; called, it tells the time in seconds since the epoch."""

    def __init__(self, now: int) -> None:
        self._now = now

    def __call__(self) -> int:
        """Return the time."""
        return self._now

    def advance(
        self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
    ) -> None:
        """Move the clock by so much, in whole seconds; backwards if that is negative."""
        ahead = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        self._now += int(ahead.total_seconds())


@contextmanager
def clock_ahead(
    *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0
) -> Iterator[Clock]:
    """Let sessions live by a clock that stands still, so far ahead of the one before.

    `with` gives that clock, whose `advance` moves it on. Only the sessions see it: neither the
    rest of the application, nor the database, nor the cookies in a TestApp.
    """
    clock = Clock(expiry.now())
    clock.advance(days=days, hours=hours, minutes=minutes, seconds=seconds)
    with mock.patch.object(expiry, "now", clock):
        yield clock
