"""Asks a WSGI application in this process for pages, with a prepared environ."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults

from benchmarks.bench.workloads import method

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Environ = dict[str, Any]


@dataclass
class Answer:
    """What the application said; `cookie` is what a browser would send from now on."""

    status: int = 0
    cookie: str = ""
    body: str = ""


def environ_of(path: str, cookie: str = "", query: str = "") -> Environ:
    """Return what a server would say of a request."""
    environ: Environ = {"PATH_INFO": path, "QUERY_STRING": query, "REMOTE_ADDR": "127.0.0.1"}
    environ |= {"REQUEST_METHOD": method(path), "CONTENT_LENGTH": "0"}
    setup_testing_defaults(environ)
    environ["wsgi.input"] = io.BytesIO()
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    return environ


def visit(app: App, environ: Environ) -> None:
    """Ask once, and refuse every answer but 200; this is what is measured."""
    body = app(environ.copy(), _only_200)
    for _ in body:
        pass
    if hasattr(body, "close"):
        body.close()


def _only_200(status: str, _headers: Any, _error: Any = None) -> None:
    if not status.startswith("200"):
        raise RuntimeError(status)


def ask(app: App, environ: Environ) -> Answer:
    """Ask once, and return the answer, whatever it is."""
    answer = Answer()

    def start_response(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
        answer.status = int(status.split(maxsplit=1)[0])
        cookies = [value.split(";")[0] for name, value in headers if name.lower() == "set-cookie"]
        answer.cookie = "; ".join(cookies)

    body = app(environ.copy(), start_response)
    answer.body = b"".join(body).decode()
    if hasattr(body, "close"):
        body.close()
    return answer
