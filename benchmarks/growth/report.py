"""The figures as tables in reStructuredText."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.growth.server import Grown
from benchmarks.growth.turns import Cost
from benchmarks.load.report import table


@dataclass(frozen=True)
class Row:
    """What has a row in a table."""

    values: dict[str, str]

    def cells(self) -> dict[str, str]:
        """Return the row of the table."""
        return self.values


def by_rows(costs: Sequence[Cost]) -> str:
    """Return the table of what a request costs, with ratios to the least number of rows."""
    least = {cost.page: cost for cost in sorted(costs, key=lambda one: -one.size)}
    return table([_of_rows(cost, least[cost.page]) for cost in _in_order(costs)])


def _of_rows(cost: Cost, least: Cost) -> Row:
    work = cost.work
    return Row(
        {
            "Page": cost.page,
            "Rows": f"{cost.size:,}",
            "Processor µs": _compared(cost.cpu, least.cpu),
            "Database µs": _compared(work.time, least.work.time),
            "Pages": f"{work.blocks:.1f}",
            "Missed": f"{work.missed:.2f}",
            "Log bytes": f"{work.log:,.0f}",
            "Images": f"{work.images:.2f}",
        }
    )


def _in_order(costs: Sequence[Cost]) -> list[Cost]:
    pages = list(dict.fromkeys(cost.page for cost in costs))
    return sorted(costs, key=lambda cost: (pages.index(cost.page), cost.size))


def _compared(value: float, least: float) -> str:
    return f"{value:.1f} ({value / least:.2f})"


def of_tables(found: Mapping[int, Grown]) -> str:
    """Return the table of what the tables have become."""
    return table([_of_table(rows, one) for rows, one in sorted(found.items())])


def _of_table(rows: int, found: Grown) -> Row:
    return Row(
        {
            "Rows": f"{rows:,}",
            "Table MiB": f"{found.table:,.1f}",
            "Indexes MiB": f"{found.indexes:,.1f}",
            "Levels": str(found.levels),
            "In place": f"{found.hot / max(1, found.updates):.1%}",
        }
    )


def by_size(costs: Sequence[Cost]) -> str:
    """Return the table of what a request costs with sessions of different sizes."""
    found = {(cost.database, cost.page, cost.size): cost for cost in costs}
    keys = list(dict.fromkeys((cost.page, cost.size) for cost in _in_order(costs)))
    return table([_of_size(found, *key) for key in keys])


def _of_size(found: Mapping[tuple[str, str, int], Cost], page: str, size: int) -> Row:
    sqlite, server = found["sqlite", page, size], found.get(("postgresql", page, size))
    cells = {"Page": page, "Bytes": f"{size:,}", "SQLite processor µs": f"{sqlite.cpu:,.0f}"}
    if server is not None:
        cells["PostgreSQL processor µs"] = f"{server.cpu:,.0f}"
        cells["Database µs"] = f"{server.work.time:,.0f}"
        cells["Log bytes"] = f"{server.work.log:,.0f}"
    return Row(cells)
