"""Requests within a request, over the environ of the outer one or one of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyramid.request import Request

from tests.engines import connecting_engines
from tests.harness import App, MakeApp, only_on_sqlite, over_both_managers
from tests.harness.locks import IMPATIENT

with_and_without_tweens = pytest.mark.parametrize("use_tweens", [True, False])


def set_inner(request: Any) -> str:
    request.session["inner"] = 1
    return "inner"


def over_the_same_environ(request: Any, use_tweens: bool) -> Any:
    """Ask for `/inner` with a copy of the request, which brings its transaction along."""
    inner = request.copy_get()
    inner.path_info = "/inner"
    return request.invoke_subrequest(inner, use_tweens=use_tweens)


def impatient_app(make_app: MakeApp, database_name: str, outer: Any, **options: Any) -> App:
    """An application that gives up soon where it waits for its own locks."""
    app = make_app(
        views={"/": outer, "/inner": set_inner},
        engine_options={"connect_args": IMPATIENT[database_name]},
        **options,
    )
    app.get("/write?x=1")
    return app


@over_both_managers
@with_and_without_tweens
def test_a_subrequest_over_the_same_environ_does_not_wait_for_its_own_request(
    make_app: MakeApp, database_name: str, use_tweens: bool
) -> None:
    """They share a transaction, so they share its connection; the changes of both are merged."""

    def outer(request: Any) -> None:
        request.session["outer"] = 1
        over_the_same_environ(request, use_tweens)

    app = impatient_app(make_app, database_name, outer)
    with app.statements() as seen:
        app.get("/")
    assert seen.commits == 1
    assert app.get("/read").json == {"x": "1", "outer": 1, "inner": 1}


@over_both_managers
@with_and_without_tweens
def test_a_subrequest_that_writes_after_a_commit_in_the_view_does_not_wait_either(
    make_app: MakeApp, database_name: str, use_tweens: bool
) -> None:
    """The next transaction has a connection for both again."""

    def outer(request: Any) -> None:
        request.session["before"] = 1
        request.tm.commit()
        request.tm.begin()
        request.session["outer"] = 1
        over_the_same_environ(request, use_tweens)

    app = impatient_app(make_app, database_name, outer)
    app.get("/")
    assert app.get("/read").json == {"x": "1", "before": 1, "outer": 1, "inner": 1}


# On an engine of our own


@pytest.fixture
def make_own(make_app: MakeApp) -> Iterator[Callable[..., App]]:
    """Build applications with an engine of the add-on's own, ended with the test."""
    with connecting_engines():
        yield lambda **options: make_app(own_engine=True, **options)


@with_and_without_tweens
def test_on_an_engine_of_our_own_a_subrequest_over_the_same_environ_does_not_wait(
    make_own: Callable[..., App], use_tweens: bool
) -> None:
    """There is one connection for each transaction, not for each request."""

    def outer(request: Any) -> None:
        request.session["outer"] = 1
        over_the_same_environ(request, use_tweens)

    app = make_own(views={"/": outer, "/inner": set_inner})
    app.get("/write?x=1")
    app.get("/")
    assert app.get("/read").json == {"x": "1", "outer": 1, "inner": 1}


IN_MEMORY = {"sqlsession.sqlalchemy.url": "sqlite://", "sqlsession.sqlalchemy.pool_timeout": "1"}


@only_on_sqlite
@with_and_without_tweens
def test_in_memory_a_subrequest_reads_while_its_request_has_changed_the_session(
    make_own: Callable[..., App], use_tweens: bool
) -> None:
    """The only connection is held from the first write on, and that is late."""

    def outer(request: Any) -> Any:
        request.session["outer"] = 1
        inner = Request.blank("/read", cookies=dict(request.cookies))
        return request.invoke_subrequest(inner, use_tweens=use_tweens).json

    app = make_own(views={"/": outer}, settings=IN_MEMORY)
    app.get("/write?x=1")
    assert app.get("/").json == {"x": "1"}
    assert app.get("/read").json == {"x": "1", "outer": 1}


@only_on_sqlite
@with_and_without_tweens
def test_in_memory_a_subrequest_over_the_same_environ_writes(
    make_own: Callable[..., App], use_tweens: bool
) -> None:
    """Through the connection that the transaction holds then."""

    def outer(request: Any) -> None:
        request.session["outer"] = 1
        over_the_same_environ(request, use_tweens)

    app = make_own(views={"/": outer, "/inner": set_inner}, settings=IN_MEMORY)
    app.get("/write?x=1")
    app.get("/")
    assert app.get("/read").json == {"x": "1", "outer": 1, "inner": 1}
