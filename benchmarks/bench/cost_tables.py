"""The tables of the section `cost`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter

from benchmarks.bench.cost import Costs, Key
from benchmarks.bench.roster import CONTESTANTS
from benchmarks.bench.tables import Finding, Row, compared, rows_by_workload
from benchmarks.bench.workloads import SIZES

KINDS = {"cpu": "processor time", "wall": "wall time"}


Group = tuple[str, bool]  # a database, and whether it is over HTTP


def findings(costs: Costs) -> Iterator[Finding]:
    """Show each database, payload and kind of time in a table of its own."""
    yield Finding("Spread", spread(costs), [])
    for group in sorted(dict.fromkeys(map(_group, costs.taken)), key=itemgetter(1)):
        database, is_served = group
        for payload, size in SIZES.items():
            for kind, words in KINDS.items():
                rows = rows_of(costs, group, payload, kind)
                if rows:
                    http = ", over HTTP" if is_served else ""
                    title = f"{database}{http}, {size:,} bytes, {words}"
                    yield Finding(title, without(costs, group, kind), rows)


def spread(costs: Costs) -> str:
    """Say how far the repetitions lie apart."""
    spreads = sorted(costs.spread(key) for key in costs.taken)
    usual, wide = spreads[len(spreads) // 2], spreads[len(spreads) * 9 // 10]
    return (
        f"Of the repetitions of one figure, the middle half lies within {usual:.1%} of the whole "
        f"request's processor time for every second figure, and within {wide:.1%} for nine of ten."
    )


def _group(key: Key) -> Group:
    return key[1], CONTESTANTS[key[0]].is_served


def without(costs: Costs, group: Group, kind: str) -> str:
    """Say what a request takes without sessions."""
    told = [
        f"{contestant.title} {costs.median(key, kind):.0f}"
        for contestant in CONTESTANTS.values()
        for key in [(contestant.name, group[0], "x", next(iter(SIZES)))]
        if not contestant.baseline and key in costs.taken and _group(key) == group
    ]
    return f"µs added to those of a whole request: {', '.join(told)}."


def rows_of(costs: Costs, group: Group, payload: str, kind: str) -> Sequence[Row]:
    """Return one row for each contestant."""
    taken = {key for key in costs.taken if _group(key) == group and key[3] == payload}

    def cell(name: str, workload: str) -> str | None:
        key = name, group[0], workload, payload
        if key not in taken:
            return None
        return compared(costs.added(key, kind), costs.ratio(key, kind))

    sessions = [one for one in CONTESTANTS.values() if one.baseline]
    shown = {workload for name, _, workload, _ in taken if CONTESTANTS[name].baseline}
    return rows_by_workload(sessions, shown, cell)
