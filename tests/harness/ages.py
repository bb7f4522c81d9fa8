"""Sessions of every age, at and beside each limit that a test sets."""

from __future__ import annotations

from itertools import product
from typing import Any

AGES = (0, 49, 50, 51, 99, 100, 101, 149, 150, 151, 300)


def limited(idle: int | None, absolute: int | None) -> dict[str, str]:
    """The settings of an application with these limits."""
    limits = {"sqlsession.expiration": idle, "sqlsession.absolute_expiration": absolute}
    return {name: str(value).lower() for name, value in limits.items()}


def facts_of_every_age(now: int) -> list[dict[str, Any]]:
    """What is known of each: its last use, its beginning, and its own life if it has one."""
    return [
        {"accessed": now - idleness, "created": now - age, "lifetime": lifetime}
        for idleness, age, lifetime in product(AGES, AGES, (None, 50, 200))
    ]
