"""Flask, and Flask-Session on Flask-SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from flask import Flask, request, session
from flask import Response as FlaskResponse
from flask_session import Session
from flask_sqlalchemy import SQLAlchemy

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Framework, Handling, Page, Place
from benchmarks.bench.contestants.thing import WANTED


def make(place: Place) -> App:
    """Have sessions in the database."""
    app, database = application(place)
    app.config["SECRET_KEY"] = "a secret of the benchmark"
    app.config["SESSION_TYPE"] = "sqlalchemy"
    app.config["SESSION_SQLALCHEMY"] = database
    app.config["SESSION_PERMANENT"] = False
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False  # for the sake of m, see `refresh`
    Session(app)
    return finished(app, framework(database).pages(handling()))


def without(place: Place) -> App:
    """Have none, not even Flask's own, which need a secret."""
    app, database = application(place)
    return finished(app, framework(database).plain())


def application(place: Place) -> tuple[Flask, SQLAlchemy]:
    """Make an application without pages."""
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = place["url"]
    return app, SQLAlchemy(app)


def framework(database: SQLAlchemy) -> Framework:
    """Return what Flask has."""
    return Framework(
        answer=FlaskResponse,
        query=lambda _request: str(database.session.scalars(WANTED).one().name),
        parameter=lambda asked: str(asked.args["key"]),
    )


def handling() -> Handling:
    """Use Flask's session, which is not an attribute of the request."""

    def add(_request: object, key: str) -> None:
        session[key] = session.get(key, 0) + 1

    def refresh(_request: object) -> None:
        session.permanent = True  # saves, as a refresh at each request does

    return Handling(
        read=lambda _request, key: session.get(key, 0),
        add=add,
        begin=lambda _request, _response, held: session.update(held),
        refresh=refresh,
    )


def finished(app: Flask, pages: Mapping[str, Page]) -> App:
    """Add the pages; Flask's request is not an argument."""
    for name, page in pages.items():
        view: Callable[[], FlaskResponse] = partial(page, request)
        app.add_url_rule(f"/{name}", name, view, methods=["GET", "POST"])
    wsgi: App = app
    return wsgi
