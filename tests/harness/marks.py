"""Marks that widen or narrow what a test runs over."""

import pytest

from tests.harness.databases import SERVERS, available_databases

EXPLICIT, THREAD_LOCAL = "explicit", "thread-local"
VETO = {"tm.commit_veto": "pyramid_tm.default_commit_veto"}


def only_on(*names: str) -> pytest.MarkDecorator:
    """Run a test on those databases alone, as far as they are there."""
    there = [name for name in available_databases() if name in names]
    return pytest.mark.parametrize("database_name", there)


over_both_managers = pytest.mark.parametrize("manager", [EXPLICIT, THREAD_LOCAL])
only_thread_local = pytest.mark.parametrize("manager", [THREAD_LOCAL])
only_on_sqlite = only_on("sqlite")
only_on_postgresql = only_on("postgresql")
only_on_mariadb = only_on("mariadb")
only_on_servers = only_on(*SERVERS)
on_every_on_abort = pytest.mark.parametrize("on_abort", ["exception-view", "discard", "keep"])
with_and_without_veto = pytest.mark.parametrize("veto", [{}, VETO], ids=["no veto", "veto"])
