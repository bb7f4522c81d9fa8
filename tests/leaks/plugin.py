"""Lets every test fail of which a secret could be read; `pytest --search-leaks`."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import ExitStack
from typing import Any

import pytest

from tests.leaks.listening import listening
from tests.leaks.logs import everything_logged, leave_others_as_they_are
from tests.leaks.marks import LINES
from tests.leaks.search import Find, Place, Search

OPTION = "--search-leaks"
UNHEARD = "--without-echo"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the search, which takes longer."""
    parser.addoption(OPTION, action="store_true", help="search whatever can be read for secrets")
    parser.addoption(UNHEARD, action="store_true", help="and let SQLAlchemy log no statements")


def pytest_configure(config: pytest.Config) -> None:
    """Listen from the beginning, as the modules of tests take functions of ours by name."""
    for line in LINES:
        config.addinivalue_line("markers", line)
    if config.getoption(OPTION):
        config.pluginmanager.register(LeakSearch(config, Search()))


def verdict(finds: Iterable[Find], allowed: set[Place]) -> str:
    """Say what is wrong: what was found elsewhere than allowed, or was allowed in vain."""
    wrong = [str(find) for find in finds if find.place not in allowed]
    needless = allowed - {find.place for find in finds}
    wrong += [f"the mark allows in vain that secrets are in {one.value}" for one in needless]
    return "\n".join(wrong)


class LeakSearch:
    """Searches one test after the other."""

    def __init__(self, config: pytest.Config, search: Search) -> None:
        self._search = search
        self._has_passed = False
        self._with_echo = not config.getoption(UNHEARD)
        stack = ExitStack()
        stack.enter_context(listening(search))
        config.add_cleanup(stack.close)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Log everything, as long as the test takes."""
        self._search.begin()
        with_echo = self._with_echo and item.get_closest_marker("without_echo") is None
        with everything_logged(self._search, with_echo=with_echo):
            return (yield)

    def pytest_runtest_setup(self) -> None:
        """When pytest has begun to listen, too."""
        leave_others_as_they_are()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Search in the end, when all fixtures are gone, and let the test fail."""
        report = yield
        if call.when == "call":
            self._has_passed = report.passed
        if call.when == "teardown" and self._has_passed and report.passed:
            self._judge(item, report)
        return report

    def _judge(self, item: pytest.Item, report: pytest.TestReport) -> None:
        for name, text in report.sections:
            if "log" not in name:  # which was heard
                self._search.read(Place.OUTPUT, text)
        allowed = {place for mark in item.iter_markers("shows_ids") for place in mark.args}
        said = verdict(self._search.finds(), allowed)
        if said:
            report.outcome, report.longrepr = "failed", said

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell that there was something to search, and to search for."""
        found = self._search
        terminalreporter.write_line(
            f"Searched {found.searched:,} characters for {found.issued:,} session ids."
        )
