"""A new project in the shape that the cookiecutter gives to one with SQLAlchemy and Jinja2.

It is called myapp, as in the documents. What they do not talk of is left out: the static files
and the server and logging sections.
"""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config

COOKIECUTTER = Path(__file__).parents[1] / "cookiecutter"

INI = """\
[app:main]
use = call:myapp:main
sqlalchemy.url = sqlite:///%(here)s/myapp.sqlite
retry.attempts = 3

[alembic]
script_location = %(here)s/myapp/alembic
path_separator = os
"""

MAIN = """\
from pyramid.config import Configurator


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.include("pyramid_jinja2")
        config.include(".routes")
        config.include(".models")
        config.scan()
    return config.make_wsgi_app()
"""

ROUTES = """\
def includeme(config):
    config.add_route("home", "/")
"""

MODELS = """\
from sqlalchemy.orm import configure_mappers

from tests.cookiecutter.models import get_engine, get_session_factory, get_tm_session, includeme

from .mymodel import MyModel

configure_mappers()
"""

MY_MODEL = """\
from sqlalchemy.orm import Mapped, mapped_column

from .meta import Base


class MyModel(Base):
    __tablename__ = "models"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None]
"""

HOME = """\
from pyramid.view import view_config


@view_config(route_name="home", renderer="myapp:templates/mytemplate.jinja2")
def my_view(request):
    return {"project": "myapp"}
"""

LAYOUT = """\
<!DOCTYPE html>
<html lang="{{ request.locale_name }}">
  <head><title>Starter project</title></head>
  <body>
    {% block content %}
    <p>No content</p>
    {% endblock content %}
  </body>
</html>
"""

TEMPLATE = """\
{% extends "layout.jinja2" %}
{% block content %}<h1>{{ project }}</h1>{% endblock content %}
"""

MIGRATIONS = """\
from alembic import context
from pyramid.paster import get_appsettings
from sqlalchemy import engine_from_config

from myapp.models.meta import Base

settings = get_appsettings(context.config.config_file_name)
engine = engine_from_config(settings, prefix="sqlalchemy.")

with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
"""

LOADING = """\
import sys

from pyramid.paster import bootstrap

from .. import models


def setup_models(dbsession):
    dbsession.add(models.mymodel.MyModel(name="one"))


def main(argv=sys.argv):
    with bootstrap(argv[1]) as env, env["request"].tm:
        setup_models(env["request"].dbsession)
"""

CONFTEST = """\
import pytest
import transaction
import webtest
from pyramid.paster import get_appsettings

from myapp import main, models
from myapp.models.meta import Base


@pytest.fixture
def dbengine():
    engine = models.get_engine({"sqlalchemy.url": "sqlite:///testing.sqlite"})
    Base.metadata.create_all(engine)
    yield engine
    Base.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def app(dbengine):
    return main({}, dbengine=dbengine, **get_appsettings("development.ini"))


@pytest.fixture
def tm():
    tm = transaction.TransactionManager(explicit=True)
    tm.begin()
    tm.doom()
    yield tm
    tm.abort()


@pytest.fixture
def dbsession(app, tm):
    return models.get_tm_session(app.registry["dbsession_factory"], tm)


@pytest.fixture
def testapp(app, tm, dbsession):
    environ = {"HTTP_HOST": "example.com", "tm.active": True, "tm.manager": tm}
    return webtest.TestApp(app, extra_environ={**environ, "app.dbsession": dbsession})
"""

FILES = {
    "development.ini": INI,
    "myapp/__init__.py": MAIN,
    "myapp/alembic/env.py": MIGRATIONS,
    "myapp/alembic/versions/README.txt": "Placeholder for alembic versions\n",
    "myapp/models/__init__.py": MODELS,
    "myapp/models/meta.py": (COOKIECUTTER / "models" / "meta.py").read_text("utf-8"),
    "myapp/models/mymodel.py": MY_MODEL,
    "myapp/routes.py": ROUTES,
    "myapp/scripts/__init__.py": "",
    "myapp/scripts/initialize_db.py": LOADING,
    "myapp/templates/layout.jinja2": LAYOUT,
    "myapp/templates/mytemplate.jinja2": TEMPLATE,
    "myapp/views/__init__.py": "",
    "myapp/views/default.py": HOME,
    "tests/conftest.py": CONFTEST,
}


def begin_project(folder: Path) -> None:
    """Write the files of a new project."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    template = Path(Config().get_template_directory(), "generic", "script.py.mako")
    (folder / "myapp/alembic/script.py.mako").write_text(template.read_text("utf-8"))
