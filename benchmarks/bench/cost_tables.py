"""The tables of the section `cost`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.bench.cost import Costs
from benchmarks.bench.roster import CONTESTANTS
from benchmarks.bench.tables import Finding, Row, compared
from benchmarks.bench.workloads import SIZES, WORKLOADS

KINDS = {"cpu": "processor time", "wall": "wall time"}


def findings(costs: Costs) -> Iterator[Finding]:
    """Show each database, payload and kind of time in a table of its own."""
    databases = list(dict.fromkeys(database for _, database, _, _ in costs.taken))
    for database in databases:
        for payload, size in SIZES.items():
            for kind, words in KINDS.items():
                rows = rows_of(costs, database, payload, kind)
                if rows:
                    title = f"{database}, {size:,} bytes, {words}"
                    yield Finding(title, without(costs, database, kind), rows)


def without(costs: Costs, database: str, kind: str) -> str:
    """Say what a request takes without sessions."""
    told = [
        f"{CONTESTANTS[key[0]].title} {costs.median(key, kind):.0f}"
        for key in costs.taken
        if key[1:3] == (database, "x") and not CONTESTANTS[key[0]].baseline
    ]
    return f"µs added to those of a whole request: {', '.join(told)}."


def rows_of(costs: Costs, database: str, payload: str, kind: str) -> Sequence[Row]:
    """Return one row for each contestant."""
    workloads = [name for name in WORKLOADS if any(key[2] == name for key in costs.taken)]
    rows = []
    for contestant in CONTESTANTS.values():
        keys = {name: (contestant.name, database, name, payload) for name in workloads}
        if contestant.baseline and any(key in costs.taken for key in keys.values()):
            cells = {
                name: compared(costs.added(key, kind), costs.ratio(key, kind))
                if key in costs.taken
                else "\u2013"
                for name, key in keys.items()
            }
            rows.append(Row({"Sessions": contestant.title, **cells}))
    return rows
