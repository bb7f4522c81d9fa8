"""The benchmark of growth: its sessions are real ones, and it shows what it measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine

from benchmarks.bench.asking import visit
from benchmarks.growth import numbered, report
from benchmarks.growth.application import make_application, prepared
from benchmarks.growth.scenes import content, with_content
from benchmarks.growth.server import Grown, Work
from benchmarks.growth.turns import Cost, measure
from tests.harness import Database
from tests.harness.marks import only_on_postgresql

WORK = Work(time=10.0, blocks=3.0, missed=0.25, log=1234.0, images=0.5)


def lines_of(table: str) -> list[list[str]]:
    """The cells of a table, its head first."""
    rows = [line.split("  ") for line in table.splitlines() if not line.startswith("=")]
    return [[cell.strip() for cell in row if cell] for row in rows]


@only_on_postgresql
def test_a_session_that_was_made_by_its_number_is_opened_by_its_cookie(database: Database) -> None:
    """Each of them, and no other: pages fail whose session is not there."""
    engine = create_engine(database.url)
    app = make_application(engine, content(300))
    numbered.fill(engine, 3, content(300))
    try:
        for number in (1, 3):
            for page in ("r", "w"):
                visit(app, prepared(page, numbered.session_id(number)))
            visit(app, prepared("k", None, number))
        with pytest.raises(KeyError):
            visit(app, prepared("r", numbered.session_id(4)))
    finally:
        engine.dispose()


def test_each_page_is_measured_and_has_its_row(tmp_path: Path) -> None:
    """On SQLite, whose work is part of our own."""
    with with_content(tmp_path, 1000) as small, with_content(tmp_path, 5000) as large:
        costs = measure([small, large], 1, 2, lambda what: None)
        assert small.work() == Work()
    shown = lines_of(report.by_size([*costs[small], *costs[large]]))
    assert [row[:2] for row in shown[1:]] == [
        [page, size] for page in "rwn" for size in ("1,000", "5,000")
    ]


def test_the_work_of_a_request_is_what_was_added_in_its_turn() -> None:
    """Divided by the requests of the turn."""
    before = Work(1.0, 2.0, 3.0, 4.0, 5.0)
    assert Work(11.0, 22.0, 33.0, 44.0, 55.0).since(before, 10) == Work(1.0, 2.0, 3.0, 4.0, 5.0)


def test_the_table_of_rows_compares_with_the_fewest() -> None:
    """Whatever the order of the rows that were asked for."""
    many = Cost("postgresql", 1000, "r", 60.0, Work(time=15.0, blocks=4.0))
    few = Cost("postgresql", 10, "r", 50.0, WORK)
    assert lines_of(report.by_rows([many, few]))[1:] == [
        ["r", "10", "50.0 (1.00)", "10.0 (1.00)", "3.0", "0.25", "1,234", "0.50"],
        ["r", "1,000", "60.0 (1.20)", "15.0 (1.50)", "4.0", "0.00", "0", "0.00"],
    ]


def test_a_table_that_nobody_updated_has_its_row() -> None:
    """There is nothing to divide by."""
    found = {10: Grown(table=1.0, indexes=0.5, levels=2, updates=0, hot=0)}
    assert lines_of(report.of_tables(found))[1] == ["10", "1.0", "0.5", "2", "0.0%"]
