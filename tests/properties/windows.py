"""The browser's windows: a request in flight, and what the model makes of the same request."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.harness import App
from tests.properties.flights import Flight
from tests.properties.sessions import Key, Site
from tests.properties.visits import Move, Told, Visit


class Window:
    """A request that carries the cookie of `key`, in the model and in flight."""

    def __init__(self, app: App, site: Site, key: Key | None) -> None:
        self.visit = Visit(site, key)
        self.flight = Flight(app, None if key is None else key.cookie)
        self.told: Told | None = None  # what its response says about the cookie
        self._app = app
        self._cost: Counter[str] = Counter()

    def move(self, move: Move) -> None:
        """Make a move; the view sees what the model says, and nothing was sent in vain."""
        self.visit.move(*move)
        assert self._order(*move) == self.visit.seen
        assert self._cost == self.visit.cost

    def fail(self) -> None:
        """Raise what the exception view answers; it waits for orders then."""
        self.visit.fail()
        self._order("fail")

    def end(self, end: str, *, is_counted: bool = True) -> None:
        """End; the request costs what the model says, and tells the browser the same."""
        getattr(self.visit, end)()
        response = self._order(end)
        assert not is_counted or self._cost == self.visit.cost
        self.told = self.visit.told
        self._check_cookies([] if response is None else self._app.set_cookies(response))

    def _order(self, *order: Any) -> Any:
        with self._app.statements() as seen:
            answer = self.flight.order(*order)
        self._cost.update(seen.of_session)
        return answer

    def _check_cookies(self, cookies: list[Any]) -> None:
        told = None if self.told is None else (self.told.key, self.told.max_age)
        assert len(cookies) == (told is not None)
        for cookie in cookies:
            assert told is not None
            key, max_age = told
            if key is not None and key.cookie is None:
                key.cookie = cookie.value  # a new id, of which nobody knew before
            assert cookie.value == ("" if key is None else key.cookie)
            assert cookie.attributes.get("max-age") == (None if max_age is None else str(max_age))
