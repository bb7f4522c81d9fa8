"""Marks that widen or narrow what a test runs over."""

import pytest

EXPLICIT, THREAD_LOCAL = "explicit", "thread-local"

over_both_managers = pytest.mark.parametrize("manager", [EXPLICIT, THREAD_LOCAL])
only_on_sqlite = pytest.mark.parametrize("database_name", ["sqlite"])
