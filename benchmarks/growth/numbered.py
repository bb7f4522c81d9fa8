"""Sessions whose ids are known by their numbers, made in the database as fast as it can."""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine, text

from pyramid_sqlsession import expiry

BATCH = 250_000  # rows of one transaction
LIMITS = expiry.Limits(24 * 60 * 60, None)  # as they are by default
INSERT = text("""
    INSERT INTO sessions (digest, created, expires, accessed, version, data)
    SELECT sha256(convert_to(rtrim(translate(encode(
        sha256(convert_to(n::text, 'UTF8')), 'base64'), '+/', '-_'), '='), 'UTF8')),
        :now, :expires, :now, 1, :data
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS numbers(n)
""")


def session_id(number: int) -> str:
    """Return the id of the session with this number; they begin at 1."""
    return urlsafe_b64encode(hashlib.sha256(str(number).encode()).digest()).rstrip(b"=").decode()


def fill(engine: Engine, rows: int, content: Mapping[str, Any]) -> None:
    """Make the sessions 1 to `rows` in an empty table of PostgreSQL, all of them used just now."""
    now = expiry.now()
    expires = LIMITS.prunable_from(accessed=now, created=now, lifetime=None)
    values = {"now": now, "expires": expires, "data": json.dumps(content)}
    for first in range(1, rows + 1, BATCH):
        last = min(rows, first + BATCH - 1)
        with engine.begin() as connection:
            connection.execute(INSERT, {**values, "first": first, "last": last})
