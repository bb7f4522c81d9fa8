"""The pages of every application in Python, whatever its framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.bench.workloads import COUNTER, SIZES, content

Place = Mapping[str, Any]  # "url" of the database, as SQLAlchemy writes it, and that of "redis"
Page = Callable[[Any], Any]  # from a request to a response


@dataclass(frozen=True)
class Handling:
    """How a page uses the session; by default as a mapping on the request."""

    read: Callable[[Any, str], Any] = lambda request, key: request.session.get(key, 0)
    add: Callable[[Any, str], None] = lambda request, key: _add(request.session, key)
    begin: Callable[[Any, Any, dict[str, Any]], None] = lambda request, _response, held: (
        request.session.update(held)
    )
    refresh: Callable[[Any], None] = lambda _request: None  # where it is not done by itself


def _add(session: Any, key: str) -> None:
    session[key] = session.get(key, 0) + 1


@dataclass(frozen=True)
class Framework:
    """What an application has without sessions: responses, and a query of its own."""

    answer: Callable[[str], Any]
    query: Callable[[Any], str]
    parameter: Callable[[Any], str]  # the key that a request names

    def plain(self) -> dict[str, Page]:
        """Return the pages that look at no session."""
        return {
            "x": lambda _request: self.answer("ok"),
            "page": lambda request: self.answer(self.query(request)),
        }

    def pages(self, handling: Handling) -> dict[str, Page]:
        """Return all of them."""
        read = self._read(handling)
        beginnings = {f"n-{payload}": self._begin(handling, payload) for payload in SIZES}
        return {
            "x": self.plain()["x"],
            "r": read,
            "w": self._count(handling),
            "page": self._page(handling),
            "late": self._late(handling),
            "show": self._show(handling),
            "add": self._add(handling),
            "m": self._refresh(handling, read),
            **beginnings,
        }

    def _read(self, handling: Handling) -> Page:
        return lambda request: self.answer(str(handling.read(request, COUNTER)))

    def _refresh(self, handling: Handling, read: Page) -> Page:
        def refresh(request: Any) -> Any:
            handling.refresh(request)
            return read(request)

        return refresh

    def _show(self, handling: Handling) -> Page:
        return lambda request: self.answer(str(handling.read(request, self.parameter(request))))

    def _count(self, handling: Handling) -> Page:
        def count(request: Any) -> Any:
            handling.add(request, COUNTER)
            return self.answer("ok")

        return count

    def _add(self, handling: Handling) -> Page:
        def add(request: Any) -> Any:
            handling.add(request, self.parameter(request))
            return self.answer("ok")

        return add

    def _page(self, handling: Handling) -> Page:
        def page(request: Any) -> Any:
            handling.read(request, COUNTER)
            return self.answer(self.query(request))

        return page

    def _late(self, handling: Handling) -> Page:
        def late(request: Any) -> Any:
            found = self.query(request)
            handling.read(request, COUNTER)
            return self.answer(found)

        return late

    def _begin(self, handling: Handling, payload: str) -> Page:
        held = content(payload)

        def begin(request: Any) -> Any:
            response = self.answer("ok")
            handling.begin(request, response, held)
            return response

        return begin
