"""The load test of `benchmarks/load`: it runs, and it can fail."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from benchmarks.load.acts import Add, Count
from benchmarks.load.counting import halves
from benchmarks.load.life import Life
from tests.servers import ROOT

HELD: dict[str, Any] = {
    "kept": "1",
    "uncertain": "whatever",
    "auth.userid": "alice",
    "_f_": ["a message"],
    "count": 3,
}


@pytest.fixture
def life() -> Life:
    """The journal of a session that holds `HELD`."""
    return Life(
        "retry",
        ["cookie"],
        user="alice",
        values={"kept": "1", "uncertain": "2"},
        removed={"removed"},
        uncertain={"uncertain"},
        messages={"a message", "shown"},
        uncertain_messages={"perhaps"},
        shown=["shown"],
        counted=2,
        uncertain_counted=1,
    )


def test_what_was_acknowledged_and_is_there_is_no_fault(life: Life) -> None:
    """Nor is what may or may not have happened."""
    assert list(life.faults(HELD)) == []
    assert list(life.faults({**HELD, "count": 2, "_f_": ["a message", "perhaps"]})) == []


@pytest.mark.parametrize(
    "change",
    [
        {"kept": "0"},
        {"kept": None},
        {"removed": "1"},
        {"auth.userid": "bob"},
        {"_f_": []},
        {"_f_": ["a message", "a message"]},
        {"_f_": ["a message", "shown"]},
        {"_f_": ["a message", "perhaps", "perhaps"]},
        {"count": 1},
        {"count": 4},
    ],
)
def test_every_lost_change_is_a_fault(life: Life, change: dict[str, Any]) -> None:
    """And only that."""
    assert len(list(life.faults({**HELD, **change}))) == 1


def test_a_session_that_is_gone_is_a_fault(life: Life) -> None:
    """Whatever it held."""
    assert list(life.faults(None)) == ["the session is gone"]


def test_what_was_not_answered_is_there_or_not(life: Life) -> None:
    """A login may have happened, and so may a logout."""
    life.unanswered_user = "bob"
    assert list(life.faults({**HELD, "auth.userid": "bob"})) == []
    assert list(life.faults({**HELD, "auth.userid": None})) != []
    life.may_have_ended = True
    assert list(life.faults(None)) == []
    assert list(life.faults({**HELD, "kept": None})) != []


@pytest.mark.parametrize(
    ("added", "count", "noted", "faults"),
    [
        (False, 2, [], 0),
        (True, 3, ["a", "c"], 0),
        (True, 2, [], 1),
        (False, 2, ["a"], 1),
        (False, 3, [], 1),
        (False, 2, ["c"], 1),
    ],
)
def test_half_of_what_was_not_answered_is_a_fault(
    life: Life, added: bool, count: int, noted: list[str], faults: int
) -> None:
    """The session and the application's data are committed together."""
    life.unanswered = [Add("a", "a"), Count("c")]
    data = {"a": "a" if added else None, "count": count}
    assert len(list(halves(life, data, Counter(noted)))) == faults


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a small load on SQLite."""
    command = [
        *(sys.executable, "-W", "ignore", "-m", "benchmarks.load", "sqlite"),
        *("--requests", "150", "--workers", "2", "--visitors", "4", *arguments),
    ]
    return subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
    )


def test_a_small_load_loses_nothing_and_a_careless_save_is_found_out() -> None:
    """Real processes, real requests; the careless one writes over whatever version there is."""
    good, careless = run(), run("--careless", "versions")
    assert good.returncode == 0, good.stderr
    assert careless.returncode == 1
    assert "sqlite: lost: " in careless.stderr
