"""The census: how many sessions live, how many have expired, and how long ago they were used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from pyramid.registry import Registry
from pyramid.scripting import prepare
from sqlalchemy import BigInteger, Column, Select, case, func, inspect, literal, select

from pyramid_sqlsession import expiry
from pyramid_sqlsession.database import short_transaction
from pyramid_sqlsession.expired_rows import ExpiredRows, is_over
from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.factory import factory_of
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.pruning import own_connection
from pyramid_sqlsession.refusals import explaining

HOUR = 60 * 60
DAY = 24 * HOUR
AGES: Mapping[str, int] = MappingProxyType({"1h": HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY})
OLDER = "older"
LIVE, EXPIRED, PRUNABLE = "live", "expired", "prunable"


class Count(NamedTuple):
    """How many sessions live, how many have expired, and how many of those may be pruned now."""

    live: int
    expired: int
    prunable: int


@dataclass(frozen=True)
class Census:
    """All sessions, counted in so many `seconds`.

    `by_age` counts each in one place: under `1h` those whose last use is less than an hour ago,
    under `1d` those whose last use is less than a day ago, but no less than an hour, and so on,
    under `older` the rest.
    """

    by_age: Mapping[str, Count]
    seconds: float

    @property
    def all(self) -> Count:
        """The sum of all ages."""
        return Count(*map(sum, zip(*self.by_age.values(), strict=True)))


def take_census(registry: Registry) -> Census:
    """Count the sessions of an application, in one statement that reads their table once.

    It writes nothing and locks nothing. Raises `SQLSessionError`, or the database's own error.
    """
    factory, began = factory_of(registry), expiry.stopwatch()
    counting = _counting(factory.model, factory.settings.limits, expiry.now())
    with (
        prepare(registry=registry) as env,
        own_connection(factory.bind(env["request"])) as connection,
        short_transaction(connection),
        explaining(inspect(factory.model).columns["id"].table),
    ):
        found = connection.execute(counting).all()
    numbers = Counter({(age, state): number for age, state, number in found})
    by_age = {age: _count(age, numbers) for age in (*AGES, OLDER)}
    return Census(by_age, expiry.stopwatch() - began)


def _count(age: str, numbers: Counter[tuple[str, str]]) -> Count:
    prunable = numbers[age, PRUNABLE]
    return Count(numbers[age, LIVE], numbers[age, EXPIRED] + prunable, prunable)


def _counting(model: type[SessionMixin], limits: Limits, now: int) -> Select[Any]:
    """Return the statement; each row has an age, a state, and how many sessions have both."""
    columns: Mapping[str, Column[Any]] = inspect(model).columns
    used = columns["accessed"]
    younger = ((used > literal(now - age, BigInteger), name) for name, age in AGES.items())
    age = case(*younger, else_=OLDER)
    is_prunable = ExpiredRows(model, limits, now).is_expired
    state = case((is_prunable, PRUNABLE), (is_over(columns, limits, now), EXPIRED), else_=LIVE)
    # Inside, as PostgreSQL would not recognise the same expression with other parameters.
    each = select(age.label("age"), state.label("state")).subquery()
    return select(each.c.age, each.c.state, func.count()).group_by(each.c.age, each.c.state)
