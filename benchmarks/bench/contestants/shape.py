"""A Pyramid application as the cookiecutter makes them; they differ in their sessions alone.

pyramid_tm with the explicit manager, and a dbsession of each request that is registered with
zope.sqlalchemy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.response import Response
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Framework, Handling, Page, Place
from benchmarks.bench.contestants.thing import WANTED

PYRAMID = Framework(
    answer=Response,
    query=lambda request: str(request.dbsession.scalars(WANTED).one().name),
    parameter=lambda request: str(request.GET["key"]),
)


def shaped(place: Place, handling: Handling | None = None, **settings: str) -> Configurator:
    """Return the configuration of an application; without a session if nobody handles it."""
    config = Configurator(settings={"tm.manager_hook": "pyramid_tm.explicit_manager", **settings})
    config.include("pyramid_tm")
    engine = create_engine(place["url"])

    def dbsession(request: Any) -> Session:
        session = Session(engine)
        zope.sqlalchemy.register(session, transaction_manager=request.tm)
        return session

    config.add_request_method(dbsession, reify=True)
    add_pages(config, PYRAMID.pages(handling) if handling else PYRAMID.plain())
    return config


def add_pages(config: Configurator, pages: Mapping[str, Page]) -> None:
    """Add a route and a view for each."""
    for name, page in pages.items():
        config.add_route(name, f"/{name}")
        config.add_view(page, route_name=name)


def finished(config: Configurator) -> App:
    """Return the application."""
    app: App = config.make_wsgi_app()
    return app


def make(place: Place) -> App:
    """Have no sessions."""
    return finished(shaped(place))
