"""Requests of one visitor in threads of their own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from webtest import TestApp

from tests.harness.application import App


def at_once(app: App, paths: Sequence[str], *, threads: int | None = None) -> list[Any]:
    """Ask for the paths with the first browser's cookie; `threads` of them at a time, or all."""

    def visit(path: str) -> Any:
        browser = TestApp(app.wsgi)
        browser.set_cookie(app.cookie_name, str(app.browser.cookie))
        return browser.get(path)

    with ThreadPoolExecutor(threads or len(paths)) as pool:
        return list(pool.map(visit, paths))
