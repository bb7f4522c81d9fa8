"""The pages, a module for each subject."""

from __future__ import annotations

from datetime import datetime, timezone

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the views of every module, and what their templates format values with."""
    for module in (".home", ".cart", ".account", ".sessions", ".row", ".errors"):
        config.include(module)
    config.commit()
    config.get_jinja2_environment().filters.update(euros=euros, moment=moment)


def euros(cents: int) -> str:
    """Write an amount of cents as euros: 1250 is `12.50 €`."""
    return f"{cents // 100}.{cents % 100:02} €"


def moment(seconds: int) -> str:
    """Write a time, in seconds since the epoch, for people."""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%d %b, %H:%M} UTC"
