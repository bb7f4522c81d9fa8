"""The runs of `benchmarks/cluster`: what they excuse, and what they say when they cannot start."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pymysql.err import OperationalError
from sqlalchemy import create_engine, make_url

from benchmarks import programs
from benchmarks.cluster import failover
from benchmarks.cluster.__main__ import parse, play
from benchmarks.cluster.listening import Heard
from benchmarks.cluster.report import Findings, Result
from benchmarks.load.journal import Journal

PAGE = (Path(__file__).parents[1] / "docs" / "many-machines.rst").read_text("utf-8")
URLS = re.findall(r"^   sqlalchemy\.url = (.*)$", PAGE, re.MULTILINE)


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
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, servers: str, scene: str, package: str
) -> None:
    """And nothing is installed."""
    monkeypatch.setattr(programs, "PATH", "")
    monkeypatch.setattr("benchmarks.cluster.galera.PROVIDER", "/nowhere/provider.so")
    with pytest.raises(SystemExit, match=rf"is not here: install the Debian package {package}\."):
        play(parse([servers, "--scene", scene], tmp_path))


# The page, and the module that it recommends


def arguments(part: str) -> dict[str, Any]:
    """Return what the driver is told by the one url of the page that has this part."""
    (url,) = [make_url(url) for url in URLS if part in url]
    return dict(create_engine(url).dialect.create_connect_args(url)[1])


def test_the_urls_of_the_page_tell_the_drivers_what_the_page_says() -> None:
    """Hosts, timeouts, and what is said at the beginning of a connection."""
    postgresql, galera = arguments("target_session_attrs"), arguments("hosts")
    assert (postgresql["host"], postgresql["port"]) == ("db1,db2", "5432,5432")
    assert postgresql["target_session_attrs"] == "read-write"
    assert galera["hosts"] == "db1:3306,db2:3306,db3:3306"
    assert (galera["connect_timeout"], galera["read_timeout"]) == (2, 10)
    assert arguments("init_command")["init_command"] == "SET SESSION wsrep_sync_wait=7"


def test_a_node_that_does_not_serve_is_passed_over_and_tried_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For half a minute, so that not every connection waits for it."""
    tried: list[str] = []

    def connect(address: str, options: dict[str, Any]) -> dict[str, Any]:
        tried.append(address)
        if address == "db1:3306":
            raise OperationalError(2003, "Can't connect")
        return options

    monkeypatch.setattr(failover, "connect", connect)
    monkeypatch.setattr(failover, "_avoided_until", {})
    parameters = arguments("hosts")
    for _ in range(2):
        found: Any = failover.connect_to_one(None, None, (), parameters)
        assert found["user"] == "user"
        assert "hosts" not in found
    assert tried == ["db1:3306", "db2:3306", "db2:3306"]
    with pytest.raises(OperationalError):
        failover.connect_to_one(None, None, (), {"hosts": "db1:3306"})


def test_an_engine_without_hosts_connects_as_usual() -> None:
    """SQLAlchemy goes on when a listener has nothing to say."""
    assert failover.connect_to_one(None, None, (), {"host": "db1"}) is None
