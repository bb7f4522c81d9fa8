"""The chart: what a session adds to the processor time of a request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.bench.cost import Costs
from benchmarks.bench.roster import CONTESTANTS, Contestant
from benchmarks.bench.workloads import SIZES

SHOWN = {"r": "#2a9d8f", "w": "#e9a03b", "n": "#8f7fd0"}  # readable on white and on black
INK = "#808080"
PAYLOAD = next(iter(SIZES))
HEIGHT = 0.8  # of a group of bars


def draw(costs: Costs, path: Path) -> None:
    """Write an SVG file, a panel for each database; raise `ImportError` without matplotlib."""
    from matplotlib import rc_context  # noqa: PLC0415 - needed by nothing else
    from matplotlib.figure import Figure  # noqa: PLC0415

    databases = list(dict.fromkeys(key[1] for key in costs.taken))
    figure = Figure(figsize=(9, 3.6 * len(databases)), layout="constrained")
    panels = figure.subplots(len(databases), squeeze=False)[:, 0]
    for axes, database in zip(panels, databases, strict=True):
        _draw_panel(axes, costs, database)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        *(handles, labels),
        loc="outside lower center",
        ncols=len(SHOWN),
        frameon=False,
        labelcolor=INK,
    )
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": path.name}):
        figure.savefig(path, transparent=True, metadata={"Date": None})


def _draw_panel(axes: Any, costs: Costs, database: str) -> None:
    shown = [one for one in CONTESTANTS.values() if _is_shown(costs, one, database)]
    thickness = HEIGHT / len(SHOWN)
    for number, (workload, colour) in enumerate(SHOWN.items()):
        places = [place + (number - 1) * thickness for place in range(len(shown))]
        keys = [(one.name, database, workload, PAYLOAD) for one in shown]
        added = [costs.added(key, "cpu") if key in costs.taken else 0 for key in keys]
        axes.barh(places, added, height=thickness, color=colour, label=workload)
    axes.set_yticks(range(len(shown)), [one.title for one in shown])
    axes.invert_yaxis()
    axes.set_title(f"{database}: µs of processor time that a session adds", color=INK)
    axes.tick_params(colors=INK)
    axes.spines[:].set_color(INK)
    axes.grid(axis="x", color=INK, alpha=0.3)
    axes.set_axisbelow(True)


def _is_shown(costs: Costs, contestant: Contestant, database: str) -> bool:
    if not contestant.baseline or contestant.is_served:
        return False
    return any((contestant.name, database, name, PAYLOAD) in costs.taken for name in SHOWN)
