"""What `prune_sessions --report` says of a census: a table, or facts for a machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyramid_sqlsession.census import OLDER, Census


def facts_of(census: Census) -> dict[str, Any]:
    """Return what is written as JSON."""
    by_age = {age: count._asdict() for age, count in census.by_age.items()}
    return {**census.all._asdict(), "by_age": by_age, "seconds": round(census.seconds, 3)}


def table_of(census: Census) -> str:
    """Return a line for each age, and one for all."""
    return "\n".join(_lines(census))


def _lines(census: Census) -> Iterator[str]:
    yield _line("last used", *census.all._fields)
    for age, count in census.by_age.items():
        yield _line("before that" if age == OLDER else f"within {age}", *count)
    yield _line("all", *census.all)


def _line(what: str, *columns: object) -> str:
    return f"{what:<11}" + "".join(f"{column:>12}" for column in columns)
