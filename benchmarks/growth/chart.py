"""The chart: what a session costs as the table grows, and as its content does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.growth.turns import Cost

# Readable on white and on black.
COLOURS = {"r": "#2a9d8f", "w": "#e9a03b", "n": "#8f7fd0", "k": "#c8646e"}
NAMES = {"r": "read", "w": "change", "n": "begin", "k": "any row by its key"}
DATABASES = {"postgresql": ("PostgreSQL", "-"), "sqlite": ("SQLite", ":")}
INK = "#808080"


def draw(rows: Sequence[Cost], sizes: Sequence[Cost], path: Path) -> None:
    """Write an SVG file with three panels; raise `ImportError` without matplotlib."""
    from matplotlib import rc_context  # noqa: PLC0415 - needed by nothing else
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure: Any = Figure(figsize=(11, 4), layout="constrained")
    by_work, by_cpu, by_size = figure.subplots(1, 3)
    of_sessions = [cost for cost in rows if cost.page != "k"]
    _draw(by_work, "database, by rows of the table", rows, lambda cost: cost.work.time)
    _draw(by_cpu, "application, by rows of the table", of_sessions, lambda cost: cost.cpu)
    _draw(by_size, "application, by bytes of a session", sizes, lambda cost: cost.cpu)
    by_work.set_ylim(bottom=0)
    by_cpu.set_ylim(bottom=0)
    by_size.set_yscale("log")
    lines = {line.get_label(): line for axes in figure.axes for line in axes.get_lines()}
    figure.legend(
        *(lines.values(), lines.keys()),
        loc="outside lower center",
        ncols=len(COLOURS),
        frameon=False,
        labelcolor=INK,
    )
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": path.name}):
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _draw(axes: Any, title: str, costs: Sequence[Cost], of: Callable[[Cost], float]) -> None:
    for database, page in dict.fromkeys((cost.database, cost.page) for cost in costs):
        name, style = DATABASES[database]
        points = [cost for cost in costs if (cost.database, cost.page) == (database, page)]
        axes.plot(
            [cost.size for cost in points],
            [of(cost) for cost in points],
            style,
            marker="o",
            color=COLOURS[page],
            label=f"{NAMES[page]}, {name}",
        )
    axes.margins(0.1)
    axes.set_xscale("log")
    axes.set_title(f"µs in the {title}", color=INK, fontsize="medium")
    axes.tick_params(colors=INK)
    axes.spines[:].set_color(INK)
    axes.grid(color=INK, alpha=0.3)
    axes.set_axisbelow(True)
