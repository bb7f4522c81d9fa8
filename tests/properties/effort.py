"""How many examples are tried: a few, the same each time, or as many as somebody waits for."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("SQLSESSION_EXAMPLES", "1"))


def examples(number: int) -> settings:
    """Try so many examples, or as many times more as the environment says, then other ones."""
    return settings(
        max_examples=number * TIMES,
        derandomize=TIMES == 1,
        deadline=None,  # a slow machine is no failure
        suppress_health_check=[HealthCheck.too_slow],
    )
