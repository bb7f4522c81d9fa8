"""Timing: the attacker tries ids, and measures how long the answer takes.

Nothing here is timed. What would be measured is shown instead: on the way there is no comparison
with a secret that could stop at the first wrong character.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import Engine, event, inspect

from pyramid_sqlsession import session_id
from tests.attacks.scenes import SECRET, attacked_app, logged_in, send, sent
from tests.harness import App, MakeApp, only_on_sqlite
from tests.harness.statements import PROBE

Asked = list[tuple[str, Any]]


@contextmanager
def asked_of_the_database() -> Iterator[Asked]:
    """Statements with their values."""
    asked: Asked = []

    def note(connection: Any, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if PROBE not in connection.get_execution_options():
            asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def only_value(values: Any) -> bytes:
    [value] = values.values() if isinstance(values, dict) else values
    digest: Any = getattr(value, "obj", value)  # psycopg wraps it
    return bytes(digest)


def looked_up(app: App, cookie: str) -> Asked:
    with asked_of_the_database() as asked:
        send(app, "/who-am-i", sent(app, cookie))
    return asked


def test_a_session_is_looked_up_by_the_digest_of_its_id(make_app: MakeApp) -> None:
    """In one statement, the same for a known id, one that is almost right, and any other.

    How far a database compares depends on digests, which nobody can choose.
    """
    app = attacked_app(make_app)
    known = str(logged_in(app, "alice").cookie)
    almost = known[:-1] + ("A" if known[-1] != "A" else "E")
    firsts = [looked_up(app, cookie)[0] for cookie in (known, almost, "A" * 43)]
    assert len({statement for statement, _ in firsts}) == 1
    assert [only_value(values) for _, values in firsts] == [
        sha256(cookie.encode()).digest() for cookie in (known, almost, "A" * 43)
    ]


def test_every_unknown_id_costs_the_same(make_app: MakeApp) -> None:
    """One statement more than a known one, which looks for a replaced id by the same digest."""
    app = attacked_app(make_app)
    known = str(logged_in(app, "alice").cookie)
    almost = known[:-1] + ("A" if known[-1] != "A" else "E")
    assert len(looked_up(app, known)) == 1
    costs = [looked_up(app, cookie) for cookie in (almost, "A" * 43)]
    assert len({tuple(statement for statement, _ in asked) for asked in costs}) == 1
    for asked, cookie in zip(costs, (almost, "A" * 43), strict=True):
        digest = sha256(cookie.encode()).digest()
        assert [only_value(values) for _, values in asked] == [digest, digest]


def test_both_look_ups_go_through_an_index(make_app: MakeApp) -> None:
    """So they take as long in a large table, and do not pass the rows of others."""
    app = attacked_app(make_app)
    logged_in(app, "alice")
    inspector = inspect(app.probe)
    indexes: list[Any] = list(inspector.get_indexes("sessions"))
    indexes += inspector.get_unique_constraints("sessions")
    indexed = {index["column_names"][0] for index in indexes}
    assert {"digest", "previous"} <= indexed


@only_on_sqlite
def test_signatures_are_compared_in_constant_time(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each well-formed one with the whole right one, however soon it differs; no other at all."""
    compared = []

    class Watched:
        new = hmac.new

        @staticmethod
        def compare_digest(right: str, given: str) -> bool:
            compared.append(given)
            return hmac.compare_digest(right, given)

    app = attacked_app(make_app, secret=SECRET)
    cookie = str(logged_in(app, "alice").cookie)
    signed, _, signature = cookie.partition(".")
    monkeypatch.setattr(session_id, "hmac", Watched)
    wrong = [signature[::-1], signature[:-2] + "__", signature[:42] + "A", "A" * 43]
    for given in (*wrong, signature):
        send(app, "/who-am-i", sent(app, f"{signed}.{given}"))
    assert compared == [*wrong, signature]
    for malformed in (signed, f"{signed}.", f"{signed}.{signature[:-1]}", f"{signed}.\xe9"):
        send(app, "/who-am-i", sent(app, malformed))
    assert compared == [*wrong, signature]
