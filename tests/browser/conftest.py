"""The browser, the shop, and two who visit it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.shop import Shop, open_shop
from tests.browser.visitors import chromium, visit


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser for all tests; visitors have cookies of their own."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def settings() -> dict[str, str]:
    """Settings that differ from those of `development.ini`, for a test to replace."""
    return {}


@pytest.fixture
def shop(tmp_path: Path, settings: dict[str, str]) -> Iterator[Shop]:
    """The served shop, where nobody was before."""
    with open_shop(tmp_path, settings) as shop:
        yield shop


@pytest.fixture
def newcomer(browser: Browser, shop: Shop) -> Iterator[Callable[..., Page]]:
    """Makes visitors, each with a browser of its own as far as the shop can see."""
    with ExitStack() as stack:

        def come(**options: Any) -> Page:
            return stack.enter_context(visit(browser, shop.address, **options))

        yield come


@pytest.fixture
def visitor(newcomer: Callable[..., Page]) -> Page:
    """Who visits the shop."""
    return newcomer()


@pytest.fixture
def other_visitor(newcomer: Callable[..., Page]) -> Page:
    """Somebody else, or the same person elsewhere."""
    return newcomer()
