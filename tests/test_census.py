"""The census: every session is counted once, as live or expired, and by its last use."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from pyramid_sqlsession import SQLSessionError
from pyramid_sqlsession.census import AGES, Count, take_census
from pyramid_sqlsession.expiry import Limits
from tests.engines import connecting_engines
from tests.harness import App, Clock, Database, MakeApp, only_on_sqlite
from tests.harness.ages import facts_of_every_age, limited
from tests.harness.marks import only_on_servers
from tests.harness.sessions import model_of, write_rows

HOUR = 60 * 60
DAY = 24 * HOUR
NOBODY = Count(0, 0, 0)


def fill(app: App, *rows: dict[str, Any]) -> None:
    write_rows(app.session_probe, model_of(app.registry), rows)


def counts(app: App) -> dict[str, Count]:
    """The ages at which there is anybody."""
    by_age = take_census(app.registry).by_age
    assert list(by_age) == [*AGES, "older"]
    return {age: count for age, count in by_age.items() if count != NOBODY}


def test_an_empty_table_has_nobody(make_app: MakeApp) -> None:
    """All ages are there nevertheless."""
    taken = take_census(make_app().registry)
    assert set(taken.by_age.values()) == {NOBODY}
    assert taken.all == NOBODY
    assert taken.seconds >= 0


def test_a_session_is_counted_by_its_last_use(make_app: MakeApp, clock: Clock) -> None:
    """To the second: an hour ago is no longer within an hour."""
    app = make_app(settings={"sqlsession.expiration": "none"})
    ages = [-5, 0, HOUR - 1, HOUR, DAY - 1, DAY, 7 * DAY, 30 * DAY - 1, 30 * DAY, 900 * DAY]
    fill(app, *({"accessed": clock() - age} for age in ages))
    live = {age: count.live for age, count in counts(app).items()}
    assert live == {"1h": 3, "1d": 2, "7d": 1, "30d": 2, "older": 2}


def test_what_may_be_pruned_has_expired_and_is_due(make_app: MakeApp, clock: Clock) -> None:
    """The column `expires` may be later than the end, or earlier by today's settings."""
    app = make_app()
    ended, used = clock() - DAY, clock() - DAY + 1
    fill(
        app,
        {"accessed": ended, "created": ended, "expires": clock() + 1},
        {"accessed": ended, "created": ended, "expires": clock()},
        {"accessed": used, "created": used, "expires": clock()},
    )
    assert counts(app) == {"1d": Count(1, 0, 0), "7d": Count(0, 2, 1)}
    assert take_census(app.registry).all == Count(1, 2, 1)


@pytest.mark.parametrize("idle", [None, 100])
@pytest.mark.parametrize("absolute", [None, 150])
def test_who_lives_is_who_a_request_would_find(
    make_app: MakeApp, clock: Clock, idle: int | None, absolute: int | None
) -> None:
    """The census and the requests agree to the second, whatever the limits are."""
    limits = Limits(idle, absolute)
    app = make_app(settings=limited(idle, absolute))
    facts = facts_of_every_age(clock())
    fill(app, *({**one, "expires": clock()} for one in facts))
    alive = sum(limits.is_alive(now=clock(), **one) for one in facts)
    ended = len(facts) - alive
    assert counts(app) == {"1h": Count(alive, ended, ended)}


def test_it_costs_one_statement_that_locks_nothing(make_app: MakeApp, clock: Clock) -> None:
    """However many sessions there are."""
    app = make_app()
    fill(app, *({"accessed": clock()} for _ in range(300)))
    with app.statements() as seen:
        take_census(app.registry)
    assert seen.of_session == {"SELECT": 1}
    assert "FOR UPDATE" not in seen.session_texts[0]


def test_it_is_told_where_no_session_is_ours(make_app: MakeApp) -> None:
    """As for pruning."""
    with pytest.raises(SQLSessionError, match="session factory is None"):
        take_census(make_app(sqlsession=False).registry)


def test_a_missing_table_is_told_with_the_remedy(make_app: MakeApp) -> None:
    """Not with the statement."""
    app = make_app(settings={"sqlsession.create_table": "false"})
    with pytest.raises(SQLSessionError, match=r"sqlsession\.create_table = true"):
        take_census(app.registry)


@only_on_servers
def test_it_waits_for_nobody_and_nobody_for_it(make_app: MakeApp, clock: Clock) -> None:
    """Not even on an engine whose reads lock, as those of MariaDB at SERIALIZABLE do."""
    app = make_app(engine_options={"isolation_level": "SERIALIZABLE"})
    fill(app, {"accessed": clock()})
    with app.session_probe.connect() as other:
        other.execute(text("UPDATE sessions SET accessed = 0"))
        assert counts(app) == {"1h": Count(1, 0, 0)}


READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = on",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


def test_a_database_that_refuses_to_write_is_enough(
    make_app: MakeApp, clock: Clock, database: Database
) -> None:
    """Such as a standby, or an account that may only read."""
    app = make_app()
    fill(app, {"accessed": clock()})
    app.engine.dispose()

    @event.listens_for(app.engine, "connect")
    def only_read(connection: Any, _record: Any) -> None:
        connection.cursor().execute(READ_ONLY[database.name])
        connection.commit()

    with pytest.raises(DBAPIError), app.engine.begin() as connection:
        connection.execute(text("DELETE FROM sessions"))
    assert counts(app) == {"1h": Count(1, 0, 0)}


@only_on_sqlite
def test_sessions_with_a_database_of_their_own_are_counted_there(
    make_app: MakeApp, clock: Clock
) -> None:
    """Like all that is asked of them."""
    with connecting_engines():
        app = make_app(own_engine=True)
        fill(app, {"accessed": clock()})
        assert counts(app) == {"1h": Count(1, 0, 0)}
