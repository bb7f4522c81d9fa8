"""Count how many touches PostgreSQL updates in place (HOT), with the table as we create it.

Run with `SQLSESSION_POSTGRESQL_URL` set: `python -m benchmarks.hot_updates`. A thousand
visitors come over a quarter of a day, each for 100 minutes, and their sessions are touched
whenever that is due, every ten minutes: ten thousand touches, in the statements that a request
sends. Exits with 1 when fewer than 95 % of them are heap-only.
"""

from __future__ import annotations

import os
import random
import sys
from hashlib import sha256

from sqlalchemy import Connection, create_engine, text

from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.model import generate_model
from pyramid_sqlsession.rows import Row, SessionRows

SESSIONS, TOUCHES = 1_000, 10_000
BEGIN, INTERVAL = 1_800_000_000, 600
LIMITS = Limits(86_400, None)
TARGET = 0.95
TABLE = "benchmark_hot_updates"


def prunable_from(accessed: int, created: int) -> int:
    """The value of the column `expires`."""
    return LIMITS.prunable_from(accessed=accessed, created=created, lifetime=None)


def make_rows(rows: SessionRows, connection: Connection) -> list[Row]:
    """Insert the sessions, each with 300 bytes of data."""
    made = []
    for number in range(SESSIONS):
        key = sha256(str(number).encode()).digest()
        begun = BEGIN + number * 21_600 // SESSIONS
        expires = prunable_from(begun, begun)
        row = Row(0, key, begun, begun, None, expires, 1, b'{"data":"' + b"x" * 289 + b'"}')
        made.append(row._replace(id=rows.insert(connection, row, {})))
    return made


def touch_all(rows: SessionRows, url: str, sessions: list[Row]) -> None:
    """Touch the sessions in random order, round after round, each in its own transaction."""
    engine = create_engine(url)
    choose = random.Random(1)
    for turn in range(1, TOUCHES // SESSIONS + 1):
        for place in choose.sample(range(SESSIONS), SESSIONS):
            begun = sessions[place].created
            now = begun + turn * INTERVAL
            used = sessions[place]._replace(accessed=now, expires=prunable_from(now, begun))
            with engine.begin() as connection:
                rows.touch(connection, sessions[place], used)
            sessions[place] = used
    engine.dispose()


def main() -> int:
    """Print the share of heap-only updates."""
    url = os.environ["SQLSESSION_POSTGRESQL_URL"]
    engine = create_engine(url)
    model = generate_model(TABLE, None)
    rows = SessionRows(model)
    rows.table.drop(engine, checkfirst=True)
    rows.table.create(engine)
    with engine.begin() as connection:
        sessions = make_rows(rows, connection)
    touch_all(rows, url, sessions)
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    with engine.connect() as connection:
        updates, hot = connection.execute(
            text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = :t"),
            {"t": TABLE},
        ).one()
    rows.table.drop(engine)
    print(f"{updates} touches, {hot} of them heap-only: {hot / updates:.1%}")
    return 0 if updates == TOUCHES and hot / updates >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
