"""Marks for tests that cannot be searched like all others; each says why."""

from __future__ import annotations

import pytest

from tests.leaks.search import Place

LINES = (
    "shows_ids(*places, reason): session ids may be read there, and must be, with --search-leaks",
    "without_echo(reason): SQLAlchemy logs no statements in this test, even with --search-leaks",
)


def shows_ids(*places: Place, reason: str) -> pytest.MarkDecorator:
    """Let a test show session ids, or digests, in those places; elsewhere it must not."""
    return pytest.mark.shows_ids(*places, reason=reason)


def without_echo(reason: str) -> pytest.MarkDecorator:
    """Let statements go to the driver directly, as they do while nobody logs them."""
    return pytest.mark.without_echo(reason=reason)
