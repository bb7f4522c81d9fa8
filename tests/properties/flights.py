"""Real requests that stop in their views, and go on as they are told."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from queue import Queue
from threading import Thread
from typing import Any

from tests.harness import App, MakeApp
from tests.harness.endings import Handled, and_doom, and_raise, and_raise_a_handled_error
from tests.properties.sessions import ABSOLUTE, IDLE, INTERVAL, LOGIN, Site

PATIENCE = 30  # seconds; nobody should have to wait for anybody
FLIGHT = "tests.flight"  # in the environ
PATH = "/stop"

Order = tuple[Any, ...]


class Hand:
    """A view's moves on its session; what is not here is a method of the session itself."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def look(self) -> None:
        self.session.get("a")

    def put(self, key: str, token: int) -> None:
        self.session[key] = token

    def put_the_same(self, key: str) -> None:
        if key in self.session:
            self.session[key] = deepcopy(self.session[key])

    def delete(self, key: str) -> None:
        self.session.pop(key, None)

    def buy(self, token: int) -> None:
        self.session.setdefault("cart", []).append(token)

    def flash(self, queue: str, token: int) -> None:
        self.session.flash(token, queue)

    def show(self, queue: str) -> None:
        self.session.pop_flash(queue)

    def log_in(self, user: str) -> None:
        self.session[LOGIN] = user

    def forget(self) -> None:
        self.session.pop(LOGIN, None)


# How a view ends: each returns, or raises.


def finish(request: Any) -> None:
    """Return."""


def revoke_all(request: Any) -> None:
    request.session_store.revoke_all()


def revoke_others(request: Any) -> None:
    request.session_store.revoke_all(keep=request.session)


ENDS: dict[str, Callable[[Any], None]] = {
    "finish": finish,
    "doom": and_doom,
    "crash": and_raise,
    "fail": and_raise_a_handled_error,
    "revoke_all": revoke_all,
    "revoke_others": revoke_others,
}


class Flight:
    """A request in a thread of its own; it has begun, and its view waits for orders."""

    def __init__(self, app: App, cookie: str | None) -> None:
        self._orders: Queue[Order] = Queue()
        self._news: Queue[Any] = Queue()
        self._heard: list[Order] = []
        self.is_over = False
        browser = app.another_browser()
        if cookie is not None:
            browser.plant(cookie)
        self._thread = Thread(target=self._fly, args=[browser])
        self._thread.start()
        self._wait()

    def order(self, *order: Any) -> Any:
        """Return what the view sees after a move, or the response after an end, None for none."""
        self._orders.put(order)
        return self._wait()

    def land(self) -> None:
        """End it, if it has not ended."""
        if not self.is_over:
            self.order("finish")

    def _wait(self) -> Any:
        news = self._news.get(timeout=PATIENCE)
        if self.is_over:
            self._thread.join()
        if isinstance(news, BaseException):
            raise news
        return news

    def _fly(self, browser: Any) -> None:
        news: Any = None
        try:
            news = browser.get(PATH, extra_environ={FLIGHT: self})
        except ZeroDivisionError:
            pass  # it is what was ordered
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody hears it
            news = error
        self.is_over = True
        self._news.put(news)

    def serve(self, request: Any) -> str:
        """Be the view, and the exception view: do what is ordered, until that is an end."""
        if request.environ.get("retry.attempt"):
            return self._repeat(request)
        self._news.put(None)
        while not self._obeys(request, self._hear()):
            self._news.put((deepcopy(dict(request.session)), request.session.new))
        return "done"

    def _repeat(self, request: Any) -> str:
        """Be the view in another attempt, which does all at once what the first one did."""
        for order in self._heard:
            self._obeys(request, order)
        return "done"

    def _hear(self) -> Order:
        self._heard.append(self._orders.get(timeout=PATIENCE))
        return self._heard[-1]

    def _obeys(self, request: Any, order: Order) -> bool:
        """Do as ordered; tell whether that was the end."""
        name, *arguments = order
        if name in ENDS:
            ENDS[name](request)
            return True
        getattr(Hand(request.session), name)(*arguments)
        return False


def stop(request: Any) -> str:
    flight: Flight = request.environ[FLIGHT]
    return flight.serve(request)


def stop_again(error: Any, request: Any) -> str:
    return stop(request)


def stopping_app(make_app: MakeApp, site: Site, secret: str | None) -> App:
    """An application whose views stop, and whose sessions are soon over."""
    return make_app(
        views={PATH: stop},
        exception_views={Handled: stop_again},
        includes=["pyramid_retry"] if site.on_conflict == "retry" else [],
        settings={
            "sqlsession.expiration": str(IDLE),
            "sqlsession.absolute_expiration": str(ABSOLUTE),
            "sqlsession.touch_interval": str(INTERVAL),
            "sqlsession.on_abort": site.on_abort,
            "sqlsession.on_conflict": site.on_conflict,
            "sqlsession.secret": secret,
        },
    )
