"""How much a request does, counted and not timed: what is slow must not slip in."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.sql.compiler import SQLCompiler

import pyramid_sqlsession
from tests.harness import App, MakeApp, only_on_sqlite

pytestmark = only_on_sqlite

PACKAGE = str(Path(pyramid_sqlsession.__file__).parent)
COMPREHENSIONS = {"<listcomp>", "<dictcomp>", "<setcomp>"}  # a call before Python 3.12
MORE = 0 if sys.version_info >= (3, 12) else 17  # calls that newer Pythons do without
WARM = 5
MANY = 200


class Counting:
    """JSON, and how often it was asked for."""

    def __init__(self) -> None:
        self.dumped = self.loaded = 0

    def dumps(self, value: Any) -> bytes:
        self.dumped += 1
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        self.loaded += 1
        return json.loads(data)


def begin(request: Any) -> None:
    request.session["auth.userid"] = "alice"
    request.session["cart"] = ["an apple"] * 1000
    request.session["count"] = 0


def ignore(request: Any) -> None:
    pass


def read(request: Any) -> int:
    counted: int = request.session["count"]
    return counted


def count(request: Any) -> None:
    request.session["count"] += 1


def append(request: Any) -> None:
    request.session["cart"].append("a pear")


VIEWS: dict[str, Callable[[Any], Any]] = {
    "/begin": begin,
    "/ignore": ignore,
    "/read": read,
    "/count": count,
    "/append": append,
}


def no_fields(defaults: dict[str, Any], session: Any) -> None:
    """Leave all columns as they are."""


def warm_app(make_app: MakeApp, settings: dict[str, Any] | None = None) -> App:
    """Make an application whose pages have all been seen."""
    app = make_app(views=VIEWS, settings=settings or {})
    for _ in range(WARM):
        for path in VIEWS:
            app.get(path)
    return app


# Serialising


@pytest.mark.parametrize("callback", [None, no_fields], ids=["no callback", "a callback"])
@pytest.mark.parametrize(
    ("path", "loaded", "dumped"),
    [("/ignore", 0, 0), ("/read", 1, 0), ("/count", 1, 1), ("/append", 1, 1), ("/begin", 0, 1)],
)
def test_a_session_is_serialised_at_most_once(
    make_app: MakeApp, path: str, loaded: int, dumped: int, callback: Any
) -> None:
    """And only if it has changed, nested values and somebody's login notwithstanding."""
    serializer = Counting()
    settings = {
        "sqlsession.serializer": serializer,
        "sqlsession.extend_default_fields": callback,
    }
    app = warm_app(make_app, settings)
    if path == "/begin":
        app.browser.reset()
    serializer.dumped = serializer.loaded = 0
    app.get(path)
    assert (serializer.loaded, serializer.dumped) == (loaded, dumped)


# Compiling


def test_a_statement_is_compiled_once(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request makes a statement that none has made before."""
    app = warm_app(make_app)
    compiled = []
    compile_it = SQLCompiler.__init__

    def note(self: Any, *args: Any, **kw: Any) -> None:
        compiled.append(args)
        compile_it(self, *args, **kw)

    monkeypatch.setattr(SQLCompiler, "__init__", note)
    for path in VIEWS:
        app.get(path)
    assert compiled == []


# Calling


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """Note the functions that our modules call meanwhile, and which of them are called."""
    called: list[str] = []

    def note(frame: Any, what: str, argument: Any) -> None:
        caller = frame if what == "c_call" else frame.f_back
        if what == "call" and frame.f_code.co_name in COMPREHENSIONS:
            return
        if what in ("call", "c_call") and caller.f_code.co_filename.startswith(PACKAGE):
            called.append(getattr(argument, "__name__", frame.f_code.co_name))

    sys.setprofile(note)
    try:
        yield called
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize(
    ("path", "most"), [("/ignore", 9), ("/read", 216), ("/count", 328), ("/begin", 273)]
)
def test_a_request_calls_few_functions(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch, path: str, most: int
) -> None:
    """A bound that is to be lowered, and raised for a good reason only."""
    monkeypatch.setattr(Engine, "_has_events", False)  # as where no other test ever listened
    app = warm_app(make_app)
    if path == "/begin":
        app.browser.reset()
    with counted_calls() as called:
        app.get(path)
    assert len(called) <= most + MORE, (len(called), called)


# Keeping


@pytest.mark.parametrize("path", VIEWS)
def test_a_request_leaves_nothing_behind(make_app: MakeApp, path: str) -> None:
    """Not an object more is alive after many of them."""
    app = warm_app(make_app)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(MANY):
        app.get(path)
    gc.collect()
    assert len(gc.get_objects()) - before < MANY / 10
