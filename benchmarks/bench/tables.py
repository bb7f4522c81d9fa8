"""Tables, for the terminal and for a document alike: simple ones of reStructuredText."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.bench.roster import Contestant
from benchmarks.bench.workloads import WORKLOADS
from benchmarks.load.report import table

NOTHING = "\u2013"  # was measured


@dataclass(frozen=True)
class Row:
    """One line of a table, by the names of its columns."""

    columns: Mapping[str, str]

    def cells(self) -> dict[str, str]:
        """Return the row of the table."""
        return dict(self.columns)


@dataclass(frozen=True)
class Finding:
    """A table, with its heading, and a text that says what to see in it."""

    title: str
    text: str
    rows: Sequence[Row]

    def rendered(self, underline: str = "~") -> str:
        """Return it as reStructuredText."""
        heading = f"{self.title}\n{underline * len(self.title)}"
        shown = table(self.rows) if self.rows else ""
        return "\n\n".join(part for part in (heading, self.text, shown) if part)


def rows_by_workload(
    contestants: Iterable[Contestant],
    workloads: Collection[str],
    cell: Callable[[str, str], str | None],
) -> list[Row]:
    """Return a row for each contestant that has a cell for any workload."""
    columns = [name for name in WORKLOADS if name in workloads]
    rows = []
    for contestant in contestants:
        cells = {workload: cell(contestant.name, workload) for workload in columns}
        if any(cells.values()):
            written = {workload: said or NOTHING for workload, said in cells.items()}
            rows.append(Row({"Sessions": contestant.title, **written}))
    return rows


def number(value: float) -> str:
    """Write a figure with as many digits as mean something."""
    return f"{value:.1f}" if abs(value) < 10 else f"{value:,.0f}"  # noqa: PLR2004 - two digits


def compared(value: float, ratio: float | None) -> str:
    """Write a figure, and how many times the other one it is."""
    return number(value) if ratio is None else f"{number(value)} ({ratio:.2f})"
