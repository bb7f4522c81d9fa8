"""All journals against the database, when the load is over."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from benchmarks.load.application import VARIANTS, Note, table_of
from benchmarks.load.http import Wires
from benchmarks.load.journal import Cookie, Journal
from pyramid_sqlsession.session_id import digest

PROBES = 500  # ended sessions that are asked for over HTTP; in the database all are looked for

Rows = dict[tuple[str, bytes], dict[str, Any]]


def count_all(journal: Journal, engine: Engine, wires: Wires) -> None:
    """Add to the journal whatever is not as it was acknowledged."""
    rows = _rows(engine)
    for life in journal.lives:
        journal.lost.extend(life.faults(rows.get((life.variant, digest(life.cookie)))))
    journal.lost.extend(_wrong_notes(engine, journal.tokens))
    journal.resurrected.extend(
        "a row has the id of an ended session" for _ in _opened(rows, journal.ended)
    )
    journal.resurrected.extend(_answered(wires, journal.ended))
    known = {(variant, digest(cookie)) for variant, cookie in journal.given}
    journal.strange.extend("a row has an id that no browser got" for _ in rows.keys() - known)


def _rows(engine: Engine) -> Rows:
    found: Rows = {}
    with engine.connect() as connection:
        for variant in VARIANTS:
            query = text(f"SELECT digest, data FROM {table_of(variant)}")
            for key, data in connection.execute(query):
                found[variant, bytes(key)] = json.loads(data)
    return found


def _wrong_notes(engine: Engine, tokens: list[str]) -> Iterator[str]:
    """Tell of the application's data: what was committed with each acknowledged change."""
    with Session(engine) as session:
        noted = Counter(session.scalars(select(Note.token)))
    for token in tokens:
        if noted[token] != 1:
            yield f"the note {token} was written {noted[token]} times"


def _opened(rows: Rows, ended: list[Cookie]) -> Iterator[Cookie]:
    return ((variant, key) for variant, key in ended if (variant, digest(key)) in rows)


def _answered(wires: Wires, ended: list[Cookie]) -> Iterator[str]:
    for variant, cookie in random.sample(ended, min(PROBES, len(ended))):
        answer = wires.send(f"/{variant}/read", cookie)
        if not answer.is_good or answer.body != {"id": None, "data": {}}:
            yield "an ended session was opened in the end"
