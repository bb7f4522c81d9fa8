"""Requests of a TestApp that are answered by a function of ours in place of the application.

So the cookies are kept by the TestApp as always, and the request finds whatever the test puts into
the environ: a transaction that all its requests share, a dbsession, a host.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from http.cookiejar import CookieJar
from typing import Any, Protocol, TypeVar

from pyramid.interfaces import IRequestFactory
from pyramid.registry import Registry
from pyramid.request import Request, apply_request_extensions
from pyramid.response import Response
from pyramid.threadlocal import RequestContext

from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.factory import factory_of
from pyramid_sqlsession.lifecycle import lifecycles_of
from pyramid_sqlsession.transactions import live_transaction

Found = TypeVar("Found")

is_visiting: ContextVar[bool] = ContextVar("is_visiting", default=False)


class Browser(Protocol):
    """What is used of a `webtest.TestApp`, which sends the requests of one visitor."""

    app: Any
    cookiejar: CookieJar

    def get(self, url: str, *, extra_environ: Mapping[str, Any]) -> Any:
        """Send a request to `app`, with the cookies that belong to the URL."""


def registry_behind(testapp: Any) -> Registry:
    """Return the registry of the application, through middleware that tells what it wraps.

    Raises `SQLSessionError` when there is none.
    """
    found = testapp
    while found is not None and not isinstance(getattr(found, "registry", None), Registry):
        found = getattr(found, "app", None) or getattr(found, "application", None)
    if found is None:
        raise SQLSessionError(
            f"no Pyramid application was found behind {testapp!r}: hand its registry over as "
            "well, as in session_of(testapp, registry=app.registry)"
        )
    return found.registry


def visit(
    testapp: Browser, registry: Registry, act: Callable[[Request], Found], **environ: Any
) -> Found:
    """Return what `act` makes of a request of the visitor."""
    path = factory_of(registry).settings.cookie_path
    found: list[Found] = []

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        response = Response()
        found.append(_answer(_request(registry, environ), response, act))
        return response(environ, start_response)

    application, testapp.app = testapp.app, answer
    before = is_visiting.set(True)
    try:
        testapp.get(path, extra_environ=environ)
    finally:
        is_visiting.reset(before)
        testapp.app = application
    return found[0]


def _request(registry: Registry, environ: dict[str, Any]) -> Request:
    request = registry.queryUtility(IRequestFactory, default=Request)(environ)
    request.registry = registry
    return request


def _answer(request: Request, response: Response, act: Callable[[Request], Found]) -> Found:
    """Do what Pyramid's router does around a view, without tweens and routes."""
    with RequestContext(request):
        apply_request_extensions(request)
        try:
            found = act(request)
            _call(request.response_callbacks, request, response)
        finally:
            _call(request.finished_callbacks, request)
    return found


def _call(callbacks: deque[Callable[..., Any]], *arguments: Any) -> None:
    while callbacks:
        callbacks.popleft()(*arguments)


@contextmanager
def saving(request: Request) -> Iterator[None]:
    """Save in the end, and commit, unless somebody else is to end the request's transaction."""
    if not hasattr(request, "tm"):
        yield  # it is saved with the response
    elif live_transaction(request) is not None:
        yield
        # With the response it would be saved as well, but a failure would not be raised.
        for lifecycle in lifecycles_of(request):
            lifecycle.watch.save()
    else:
        with request.tm:
            yield
