"""The section `counts`: statements, bytes of log and transactions of a request, on PostgreSQL."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, text

from benchmarks.bench.places import Places, connected
from benchmarks.bench.roster import SERVER, Contestant
from benchmarks.bench.subjects import Subject, at_work
from benchmarks.bench.tables import Finding, rows_by_workload
from benchmarks.bench.workloads import SIZES, UNCOUNTED, WORKLOADS

PAYLOAD = next(iter(SIZES))
WARM = 20
TOLD = 1.1  # seconds after which the next request makes a backend tell of its transactions
IDLE = 11  # seconds after which it tells without one: x, which is the first, may make none
ORDER = ["SELECT", "INSERT", "UPDATE", "DELETE"]
TRANSACTIONS = {"BEGIN", "COMMIT", "ROLLBACK", "START"}  # counted by themselves
STATEMENTS = """
    SELECT query, calls FROM pg_stat_statements JOIN pg_database ON oid = dbid
    WHERE datname = :name
"""
COMMITS = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = :name"
LOG = "SELECT pg_current_wal_insert_lsn() - '0/0'"


@dataclass
class Count:
    """What one request of a contestant takes; `log` is in bytes."""

    statements: dict[str, float] = field(default_factory=dict)
    log: float = 0.0
    transactions: float = 0.0


Key = tuple[str, str]  # a contestant and a workload
Counts = dict[Key, Count]


def measure(
    places: Places, contestants: Sequence[Contestant], workloads: Sequence[str], requests: int
) -> Counts:
    """Ask for one page after another, the contestants one after another."""
    assert places.server
    counts: Counts = {}
    with (
        at_work(contestants, SERVER, places) as subjects,
        connected(places.server) as server,
        counting(server),
    ):
        time.sleep(IDLE)
        for workload in [name for name in WORKLOADS if name in workloads]:
            able = [one for one in subjects if workload in one.contestant.workloads]
            counts |= _count_all(server, able, workload, requests)
    return counts


@contextmanager
def counting(server: Connection) -> Iterator[None]:
    """Let the log hold changes only, and no images of the pages that they are the first on."""
    server.execute(text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))
    _write_full_pages(server, "off")
    yield
    _write_full_pages(server, "on")


def _write_full_pages(server: Connection, value: str) -> None:
    server.execute(text(f"ALTER SYSTEM SET full_page_writes = {value}"))
    server.execute(text("SELECT pg_reload_conf()"))
    while server.execute(text("SHOW full_page_writes")).scalar_one() != value:
        time.sleep(0.05)
    server.execute(text("CHECKPOINT"))  # the log goes by the new value from the next one on


def _count_all(
    server: Connection, subjects: list[Subject], workload: str, requests: int
) -> Counts:
    for subject in subjects:
        if workload == "m":
            subject.begin(PAYLOAD, workload)
        subject.take(workload, PAYLOAD, WARM)
    before = _transactions(server, subjects, workload)
    counts = {_key(one, workload): _count(server, one, workload, requests) for one in subjects}
    after = _transactions(server, subjects, workload)
    asked = 1 + requests + 2 * UNCOUNTED  # between the two requests that made a backend tell
    for key, count in counts.items():
        count.transactions = (after[key] - before[key]) / asked
    return counts


def _key(subject: Subject, workload: str) -> Key:
    return subject.contestant.name, workload


def _database(subject: Subject) -> str:
    return subject.contestant.name.replace("-", "_")


def _count(server: Connection, subject: Subject, workload: str, requests: int) -> Count:
    server.execute(text("SELECT pg_stat_statements_reset()"))
    began = server.execute(text(LOG)).scalar_one()
    subject.take(workload, PAYLOAD, requests)
    written = server.execute(text(LOG)).scalar_one() - began
    asked = requests + UNCOUNTED
    found = server.execute(text(STATEMENTS), {"name": _database(subject)})
    kinds: Counter[str] = Counter()
    for query, calls in found:
        kinds[_kind(query)] += calls
    statements = {kind: calls / asked for kind, calls in kinds.items() if kind not in TRANSACTIONS}
    return Count(statements, float(written) / asked)


def _kind(query: str) -> str:
    found = re.search(r"[A-Za-z]+", query)
    return found.group().upper() if found else query


def _transactions(server: Connection, subjects: list[Subject], workload: str) -> dict[Key, int]:
    """Count what ended so far, after the first request of a turn has made each backend tell."""
    time.sleep(TOLD)
    for subject in subjects:
        subject.take(workload, PAYLOAD, 1)
    return {
        _key(one, workload): server.execute(text(COMMITS), {"name": _database(one)}).scalar_one()
        for one in subjects
    }


def findings(contestants: Sequence[Contestant], counts: Counts) -> Iterator[Finding]:
    """Show statements, log and transactions."""
    workloads = {workload for _, workload in counts}
    for title, write in COLUMNS.items():
        cells = {key: write(count) for key, count in counts.items()}
        rows = rows_by_workload(contestants, workloads, lambda *key, of=cells: of.get(key))
        yield Finding(f"postgresql, {SIZES[PAYLOAD]} bytes, {title}", "", rows)


def _statements(count: Count) -> str:
    said = [
        kind if round(count.statements[kind], 2) == 1 else f"{count.statements[kind]:.3g} {kind}"
        for kind in sorted(count.statements, key=_place)
    ]
    return ", ".join(said) or "none"


def _place(kind: str) -> int:
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


COLUMNS: dict[str, Callable[[Count], str]] = {
    "statements": _statements,
    "bytes of log": lambda count: f"{count.log:.0f}",
    "transactions": lambda count: f"{count.transactions:.2f}",
}
