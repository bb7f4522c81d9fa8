"""Imports every module of the installed package and serves two requests with a session."""

from __future__ import annotations

from importlib import import_module, resources
from importlib.metadata import files, packages_distributions, requires, version
from pkgutil import walk_packages

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

import pyramid_sqlsession

RUN_TIME = {"SQLAlchemy", "pyramid", "transaction", "zope.sqlalchemy"}
NOT_NEEDED = {
    *("alembic", "psycopg", "pymysql", "pyramid_debugtoolbar", "pyramid_retry", "pyramid_tm"),
    *("pytest", "webtest"),
}
TOOLBAR = "pyramid_sqlsession.toolbar"  # which needs pyramid_debugtoolbar
DATA = ["py.typed", "toolbar/panel.dbtmako"]


def import_everything() -> list[str]:
    found = walk_packages(pyramid_sqlsession.__path__, "pyramid_sqlsession.")
    names = [module.name for module in found if module.name != TOOLBAR]
    return [import_module(name).__name__ for name in names]


def run_time_requirements() -> set[str]:
    stated = requires("pyramid_sqlsession") or []
    return {line.split(">")[0].strip() for line in stated if "extra ==" not in line}


def installed_folders() -> set[str]:
    """The folders at the top of what the wheel brings: neither tests nor demo."""
    found = files("pyramid_sqlsession") or []
    return {file.parts[0] for file in found if not file.parts[0].endswith(".dist-info")}


def missing_data() -> list[str]:
    """The files that are no modules, and that the wheel must have all the same."""
    package = resources.files(pyramid_sqlsession)
    return [name for name in DATA if not package.joinpath(name).is_file()]


def count_visits(request: Request) -> Response:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return Response(str(request.session["visits"]))


def make_app() -> object:
    settings = {"sqlsession.sqlalchemy.url": "sqlite://", "sqlsession.create_table": "true"}
    with Configurator(settings=settings) as config:
        config.include("pyramid_sqlsession")
        config.add_route("visits", "/")
        config.add_view(count_visits, route_name="visits")
        return config.make_wsgi_app()


def visit_twice() -> tuple[str, str]:
    app = make_app()
    first = Request.blank("/").get_response(app)
    cookie = first.headers["Set-Cookie"].split(";")[0]
    second = Request.blank("/", headers={"Cookie": cookie}).get_response(app)
    return first.text, second.text


modules = import_everything()
assert run_time_requirements() == RUN_TIME, run_time_requirements()
assert installed_folders() == {"..", "pyramid_sqlsession"}, installed_folders()
assert missing_data() == [], missing_data()
assert not NOT_NEEDED & set(packages_distributions()), "the environment is not empty"
assert visit_twice() == ("1", "2"), "a session did not last from one request to the next"
print(f"pyramid_sqlsession {version('pyramid_sqlsession')}: {len(modules)} modules, all work")
