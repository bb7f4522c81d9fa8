"""The benchmarks of `benchmarks/bench`: they run, and their tables say what was measured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.bench.cost import Costs
from benchmarks.bench.cost_tables import findings
from benchmarks.bench.roster import CONTESTANTS
from benchmarks.bench.subjects import Cost
from benchmarks.bench.tables import NOTHING, Finding, compared
from benchmarks.bench.workloads import SIZES, WORKLOADS, content
from tests.servers import ROOT

PAGE = ROOT / "docs" / "benchmarks.rst"


def costs_of(**figures: float) -> Costs:
    """Times in a run whose repetitions agree, by contestant and page."""
    taken = {}
    for named, figure in figures.items():
        contestant, workload = named.split("_")
        taken[contestant, "sqlite", workload, "small"] = [Cost(figure, 2 * figure)] * 2
    return Costs(taken)


def rows_of(finding: Finding) -> list[list[str]]:
    """The cells of a table that was written."""
    lines = finding.rendered().split("\n\n")[-1].splitlines()
    return [re.split(r" {2,}", line) for line in (lines[1], *lines[3:-1])]


def test_the_tables_show_what_is_added_and_how_many_times_the_floor_it_is() -> None:
    """A whole request is subtracted from everything; m is compared with the store's own r."""
    costs = costs_of(
        none_x=50,
        none_page=150,
        floor_r=150,
        floor_page=200,
        sqlsession_x=51,
        sqlsession_r=250,
        sqlsession_page=175,
        sqlsession_m=350,
    )
    _, processor, wall = findings(costs)
    assert processor.title == "sqlite, 300 bytes, processor time"
    assert "Pyramid without sessions 50." in processor.text
    assert rows_of(processor) == [
        ["Sessions", "x", "r", "m", "page"],
        ["floor", NOTHING, "100 (1.00)", NOTHING, "50 (1.00)"],
        ["pyramid_sqlsession", "1.0", "200 (2.00)", "300 (1.50)", "25 (0.50)"],
    ]
    assert rows_of(wall)[1][2] == "200 (1.00)"


@pytest.mark.parametrize(
    ("figure", "ratio", "written"),
    [
        (1.26, None, "1.3"),
        (12.6, 0.999, "13 (1.00)"),
        (-4.2, None, "-4.2"),
        (1234, 2, "1,234 (2.00)"),
    ],
)
def test_a_figure_has_as_many_digits_as_mean_something(
    figure: float, ratio: float | None, written: str
) -> None:
    """What is small has one decimal, what is large has none."""
    assert compared(figure, ratio) == written


@pytest.mark.parametrize("payload", SIZES)
def test_a_session_has_exactly_the_size_that_the_tables_give(payload: str) -> None:
    """In JSON as Python writes it."""
    assert len(json.dumps(content(payload))) == SIZES[payload]


def test_the_documentation_explains_every_workload() -> None:
    """A column that nobody explains is no finding."""
    pages = PAGE.read_text().partition("Page    What it does")[2].partition("What is shown")[0]
    assert re.findall(r"^(\w+) {2,}\S", pages, re.MULTILINE) == list(WORKLOADS)


def test_a_small_run_measures_each_contestant(tmp_path: Path) -> None:
    """With the contestants that need no further environment, each in a process of its own."""
    names = "raw-driver,sqlsession,sqlsession-apart"
    command = [
        *(sys.executable, "-W", "ignore", "-m", "benchmarks.bench", "cost"),
        *("--databases", "sqlite", "--contestants", names, "--workloads", "r,n"),
        *("--repeat", "2", "--requests", "2", "--write", str(tmp_path)),
    ]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "cost.rst.inc").read_text()
    shown = [CONTESTANTS[name].title for name in (*names.split(","), "floor")]
    for title in shown:
        assert re.search(rf"^{re.escape(title)} +-?\d", table, re.MULTILINE)
