"""All journals against the database, when the load is over."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, select, text
from sqlalchemy.orm import Session

from benchmarks.load.acts import Add, Count
from benchmarks.load.application import VARIANTS, Note, table_of
from benchmarks.load.http import Wires
from benchmarks.load.journal import Cookie, Journal
from benchmarks.load.life import Life, id_of
from pyramid_sqlsession.session_id import digest

PROBES = 500  # ended sessions that are asked for over HTTP; in the database all are looked for

Data = dict[str, Any]
Rows = dict[tuple[str, bytes], Data]


@dataclass
class Found:
    """What the database holds."""

    rows: Rows = field(default_factory=dict)
    rotated: Rows = field(default_factory=dict)  # by the id before the last login
    noted: Counter[str] = field(default_factory=Counter)

    def data_of(self, life: Life) -> Data | None:
        """Return what a session holds; its id may have been changed by an unanswered login."""
        key = life.variant, digest(id_of(life.cookie))
        found = self.rows.get(key)
        return self.rotated.get(key) if found is None and life.unanswered_user else found


def count_all(journal: Journal, engine: Engine, wires: Wires) -> None:
    """Add to the journal whatever is not as it was acknowledged."""
    found = find(engine)
    for life in journal.lives:
        data = found.data_of(life)
        journal.lost.extend(life.faults(data))
        if data is not None:
            journal.halves.extend(halves(life, data, found.noted))
    journal.lost.extend(_wrong_notes(journal, found.noted))
    journal.resurrected.extend(
        "a row has the id of an ended session" for _ in _opened(found.rows, journal.ended)
    )
    journal.resurrected.extend(_answered(wires, journal.ended))
    journal.strange.extend("a row has an id that no browser got" for _ in _unknown(journal, found))


def find(engine: Engine) -> Found:
    """Look at everything."""
    found = Found()
    with Session(engine) as session:
        found.noted.update(session.scalars(select(Note.token)))
        for variant in VARIANTS:
            query = text(f"SELECT digest, previous, data FROM {table_of(variant)}")
            for key, previous, written in session.execute(query):
                data = json.loads(written)
                found.rows[variant, bytes(key)] = data
                if previous is not None:
                    found.rotated[variant, bytes(previous)] = data
    return found


def halves(life: Life, data: Mapping[str, Any], noted: Mapping[str, int]) -> Iterator[str]:
    """Tell of what was not answered, and is in the session alone, or in its note alone."""
    for act in life.unanswered:
        if isinstance(act, Add) and (data.get(act.key) == act.token) != bool(noted[act.token]):
            yield f"of the addition {act.token} there is one half"
    counted = sum(noted[act.token] for act in life.unanswered if isinstance(act, Count))
    if data.get("count", 0) != life.counted + counted:
        yield f"the count {data.get('count', 0)} is not that of its notes"


def _wrong_notes(journal: Journal, noted: Mapping[str, int]) -> Iterator[str]:
    """Tell of the application's data: what was committed with each acknowledged change."""
    for tokens, right in (
        (journal.tokens, {1}),
        (journal.unanswered, {0, 1}),
        (journal.refused, {0}),
    ):
        for token in tokens:
            if noted[token] not in right:
                yield f"the note {token} was written {noted[token]} times"


def _opened(rows: Rows, ended: list[Cookie]) -> Iterator[Cookie]:
    return (
        (variant, cookie) for variant, cookie in ended if (variant, digest(id_of(cookie))) in rows
    )


def _answered(wires: Wires, ended: list[Cookie]) -> Iterator[str]:
    for variant, cookie in random.sample(ended, min(PROBES, len(ended))):
        answer = wires.send(f"/{variant}/read", cookie)
        if not answer.is_good or answer.body != {"id": None, "data": {}}:
            yield "an ended session was opened in the end"


def _unknown(journal: Journal, found: Found) -> Iterator[Data]:
    """Find the rows that no browser has the id of, though it was not on its way in an answer."""
    known = {(variant, digest(id_of(cookie))) for variant, cookie in journal.given}
    for key, data in found.rows.items():
        texts = {value for value in data.values() if isinstance(value, str)}
        if key not in known and not texts & journal.unanswered:
            yield data
