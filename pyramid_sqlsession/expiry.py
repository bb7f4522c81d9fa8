"""When a session ends: pure functions of times passed in, and the one clock.

Every time is in whole seconds since the epoch, UTC; every duration is in whole seconds.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

NEVER = 253402300799
"""The end of the year 9999, which stands for "never" in the column `expires`."""

_STEPS_PER_IDLE_LIFE = 4  # a touch is due 25 times within a step, and moves the index once


def now() -> int:
    """Return the time; call it as `expiry.now()`, so that a test can move the clock."""
    return int(time.time())


def stopwatch() -> float:
    """Return seconds whose differences measure a wait; no time of day."""
    return time.monotonic()


def rest(seconds: float) -> None:
    """Do nothing for a while."""
    time.sleep(seconds)


@dataclass(frozen=True)
class Limits:
    """How long sessions live after their last use and after their creation; None = no limit."""

    idle: int | None
    absolute: int | None

    def is_alive(self, *, now: int, accessed: int, created: int, lifetime: int | None) -> bool:
        """Tell whether a session lives now; `lifetime` is its own idle life, None = ours."""
        idle = self.idle if lifetime is None else lifetime
        is_in_use = idle is None or now < accessed + idle
        return is_in_use and (self.absolute is None or now < created + self.absolute)

    def ends(self, *, accessed: int, created: int, lifetime: int | None) -> int | None:
        """Return the first second at which an unused session is over; None = never."""
        idle_end = _end(accessed, self._idle_life(lifetime))
        return _earliest(idle_end, _end(created, self.absolute))

    def prunable_from(self, *, accessed: int, created: int, lifetime: int | None) -> int:
        """Return the value of the column `expires`, never before the true end.

        The idle end is rounded up to a step of the idle life, so that most touches leave the
        indexed column as it is.
        """
        idle = self.idle if lifetime is None else lifetime
        end = NEVER if idle is None else min(_rounded_up(accessed + idle, _step(idle)), NEVER)
        return end if self.absolute is None else min(end, created + self.absolute)

    def is_touch_due(
        self, *, now: int, accessed: int, lifetime: int | None, interval: int | None
    ) -> bool:
        """Tell whether a use has to be noted again; no interval = uses are never noted."""
        return interval is not None and now - accessed >= touch_wait(interval, lifetime)

    def _idle_life(self, lifetime: int | None) -> int | None:
        return self.idle if lifetime is None else lifetime


def touch_wait(interval: int, lifetime: int | None) -> int:
    """Return how long after a use is noted the next one is.

    A session whose own life is short is noted at half of it, or it would starve.
    """
    return max(1, interval if lifetime is None else min(interval, lifetime // 2))


def _end(start: int, duration: int | None) -> int | None:
    return None if duration is None else start + duration


def _earliest(*ends: int | None) -> int | None:
    return min((end for end in ends if end is not None), default=None)


def _step(idle: int) -> int:
    return max(1, idle // _STEPS_PER_IDLE_LIFE)


def _rounded_up(moment: int, step: int) -> int:
    return -(-moment // step) * step
