"""The runs of `benchmarks/cluster`: what they excuse, and what they say when they cannot start."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.cluster import programs
from benchmarks.cluster.__main__ import main
from benchmarks.cluster.listening import Heard
from benchmarks.cluster.report import Findings, Result
from benchmarks.load.journal import Journal


def result(
    *, journal: Journal | None = None, heard: Heard | None = None, differences: int = 0
) -> Result:
    """Return what a run of one application with one process showed."""
    journal = journal or Journal()
    return Result(
        name="a run",
        journal=journal,
        heard=heard or Heard([(0.0, 1.0, True)]),
        seconds=1,
        workers=[{"merged": 0, "repeated": 0, "in use": 0}],
        expected_workers=1,
        at_once=Findings.of(journal),
        refused=0,
        differences=differences,
        errors=Counter(),
    )


def heard(*, failed_at: float, broken: float | None) -> Heard:
    """Return one failed answer, and a fault."""
    return Heard([(0.0, 1.0, True), (failed_at, failed_at, False)], broken)


def test_a_request_may_fail_for_a_while_after_the_fault() -> None:
    """Not before it, not for ever, and not without one."""
    assert result().is_good
    assert result(heard=heard(failed_at=12, broken=10)).is_good
    assert not result(heard=heard(failed_at=9, broken=10)).is_good
    assert not result(heard=heard(failed_at=100, broken=10)).is_good
    assert not result(heard=heard(failed_at=12, broken=None)).is_good


@pytest.mark.parametrize("kind", ["lost", "halves", "resurrected", "strange"])
def test_every_finding_of_the_journal_is_a_fault(kind: str) -> None:
    """Whether it was found on the way or in the end."""
    journal = Journal()
    getattr(journal, kind).append("a fault")
    assert not result(journal=journal).is_good


def test_servers_that_do_not_hold_the_same_are_a_fault() -> None:
    """Though the one that was asked holds everything."""
    assert not result(differences=1).is_good


@pytest.mark.parametrize(
    ("servers", "scene", "package"),
    [("galera", "peace", "galera-4"), ("failover", "on", "postgresql")],
)
def test_what_is_not_installed_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, servers: str, scene: str, package: str
) -> None:
    """And nothing is installed."""
    monkeypatch.setattr(programs, "PATH", "")
    monkeypatch.setattr("benchmarks.cluster.galera.PROVIDER", "/nowhere/provider.so")
    with pytest.raises(SystemExit, match=rf"is not here: install the Debian package {package}\."):
        main([servers, "--scene", scene])
