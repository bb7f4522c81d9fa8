"""When a session ends."""

from __future__ import annotations

import time
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyramid_sqlsession import expiry
from pyramid_sqlsession.expiry import NEVER, Limits

HOUR = 3600
DAY = 24 * HOUR
durations = st.integers(min_value=1, max_value=2**31 - 1)
moments = st.integers(min_value=0, max_value=4 * 10**9)


def test_the_clock_tells_whole_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fraction of a second is cut off, so that a time fits an integer column."""
    monkeypatch.setattr(time, "time", lambda: 1000.9)
    assert expiry.now() == 1000
    assert type(expiry.now()) is int


def test_to_rest_is_to_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """For as many seconds, which a test can look at instead of waiting."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    expiry.rest(0.5)
    assert slept == [0.5]


def test_never_is_the_end_of_the_year_9999() -> None:
    """It can still be shown as a date by whoever reads the table."""
    assert datetime.fromtimestamp(NEVER, timezone.utc).isoformat() == "9999-12-31T23:59:59+00:00"


@pytest.mark.parametrize(("now", "alive"), [(1099, True), (1100, False), (1101, False)])
def test_a_session_is_over_when_its_idle_life_has_passed(now: int, *, alive: bool) -> None:
    """The second at which the idle life is complete is the first without the session."""
    limits = Limits(idle=100, absolute=None)
    assert limits.is_alive(now=now, accessed=1000, created=0, lifetime=None) is alive


@pytest.mark.parametrize(("now", "alive"), [(1499, True), (1500, False), (1501, False)])
def test_constant_use_does_not_carry_a_session_over_the_absolute_limit(
    now: int, *, alive: bool
) -> None:
    """However late the last use was, the life since the creation is bounded."""
    limits = Limits(idle=100, absolute=500)
    assert limits.is_alive(now=now, accessed=now, created=1000, lifetime=None) is alive


@pytest.mark.parametrize("lifetime", [10, 1000])
def test_the_sessions_own_life_replaces_the_idle_life(lifetime: int) -> None:
    """Be it shorter or longer, what was set for this session counts."""
    limits, facts = Limits(idle=100, absolute=None), {"created": 0, "lifetime": lifetime}
    end = 5000 + lifetime
    assert limits.ends(accessed=5000, **facts) == end
    assert limits.is_alive(now=end - 1, accessed=5000, **facts)
    assert not limits.is_alive(now=end, accessed=5000, **facts)


def test_the_sessions_own_life_holds_where_there_is_no_idle_limit() -> None:
    """A session may be given an end although the settings give none."""
    end = Limits(idle=None, absolute=None).ends(accessed=5000, created=0, lifetime=10)
    assert end == 5010


def test_the_sessions_own_life_does_not_lift_the_absolute_limit() -> None:
    """Remember me ends with the absolute limit."""
    limits, facts = Limits(idle=10, absolute=100), {"accessed": 50, "created": 0, "lifetime": DAY}
    assert limits.ends(**facts) == 100
    assert limits.is_alive(now=99, **facts)
    assert not limits.is_alive(now=100, **facts)


def test_without_limits_a_session_never_ends() -> None:
    """No limit means None, life for ever, and the last second of the year 9999."""
    limits = Limits(idle=None, absolute=None)
    assert limits.ends(accessed=0, created=0, lifetime=None) is None
    assert limits.is_alive(now=NEVER + 1, accessed=0, created=0, lifetime=None)
    assert limits.prunable_from(accessed=0, created=0, lifetime=None) == NEVER


def test_touches_within_one_step_leave_the_column_alone() -> None:
    """A day of idle life has steps of six hours, rounded up."""
    limits = Limits(idle=DAY, absolute=None)
    columns = {
        limits.prunable_from(accessed=accessed, created=0, lifetime=None)
        for accessed in range(6 * HOUR + 1, 12 * HOUR + 1)
    }
    assert columns == {12 * HOUR + DAY}


def test_the_step_follows_the_sessions_own_life() -> None:
    """A month of remembering has coarser steps than a day of idle life."""
    limits = Limits(idle=DAY, absolute=None)
    column = limits.prunable_from(accessed=1, created=0, lifetime=24 * DAY)
    assert column == 30 * DAY


def test_a_short_life_is_rounded_to_a_second() -> None:
    """Below four seconds a step would be nothing."""
    assert Limits(idle=3, absolute=None).prunable_from(accessed=7, created=0, lifetime=None) == 10


def test_rounding_does_not_reach_beyond_the_absolute_limit() -> None:
    """The absolute end does not move, so it needs no step."""
    limits = Limits(idle=DAY, absolute=DAY + 7)
    assert limits.prunable_from(accessed=HOUR, created=0, lifetime=None) == DAY + 7


def test_an_end_after_the_year_9999_is_never() -> None:
    """The column holds no later time than the one that means never."""
    limits = Limits(idle=NEVER, absolute=None)
    assert limits.prunable_from(accessed=1000, created=0, lifetime=None) == NEVER


@settings(deadline=None)  # a slow machine is no failure
@given(
    idle=st.none() | durations,
    absolute=st.none() | durations,
    lifetime=st.none() | durations,
    created=moments,
    used_for=moments,
)
def test_a_row_is_never_prunable_before_its_session_ended(
    idle: int | None, absolute: int | None, lifetime: int | None, created: int, used_for: int
) -> None:
    """Whatever the limits are, pruning comes late, and by less than a quarter of the idle life."""
    limits = Limits(idle=idle, absolute=absolute)
    accessed = created + used_for
    end = limits.ends(accessed=accessed, created=created, lifetime=lifetime)
    column = limits.prunable_from(accessed=accessed, created=created, lifetime=lifetime)
    applies = idle if lifetime is None else lifetime
    if end is None:
        assert column == NEVER
    else:
        assert end <= column <= end + (applies or 0) / 4


@pytest.mark.parametrize(
    ("interval", "lifetime", "waited", "due"),
    [
        (None, None, DAY, False),
        (600, None, 599, False),
        (600, None, 600, True),
        (0, None, 0, False),
        (0, None, 1, True),
        (600, 60, 29, False),
        (600, 60, 30, True),
        (600, DAY, 599, False),
        (600, 1, 1, True),
        (600, None, -5, False),
    ],
)
def test_a_touch_is_due_when_the_interval_or_half_of_a_short_life_has_passed(
    interval: int | None, lifetime: int | None, waited: int, due: bool
) -> None:
    """Never within a second, and never where there is no interval."""
    limits = Limits(idle=DAY, absolute=None)
    now = 1000 + waited
    is_due = limits.is_touch_due(now=now, accessed=1000, lifetime=lifetime, interval=interval)
    assert is_due is due
