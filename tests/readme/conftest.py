"""The files of the README, and the applications that they make."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import webtest

from tests.documents import Project, begin_project, entered
from tests.engines import connecting_engines
from tests.readme.document import ROOT, blocks, named, write

COOKIECUTTER = ROOT / "tests" / "cookiecutter"


@pytest.fixture
def database_name() -> str:
    """What the README says does not depend on the database."""
    return "sqlite"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of the README; modules and connections are gone afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for block in blocks("python"):
        if block.file:
            write(tmp_path / block.file, block.code)
    modules = set(sys.modules)
    with connecting_engines():
        yield tmp_path
    for module in set(sys.modules) - modules:
        if is_within(tmp_path, sys.modules[module]):
            del sys.modules[module]


VIEWS = """
from pyramid.view import view_config

from app import count

view_config(route_name="visits", renderer="json")(count)
"""


@pytest.fixture
def myapp(folder: Path) -> Path:
    """The rest of the cookiecutter's application around the README's files; the .ini file."""
    write(folder / "myapp/models/meta.py", (COOKIECUTTER / "models/meta.py").read_text())
    write(folder / "myapp/routes.py", (COOKIECUTTER / "routes.py").read_text())
    write(folder / "myapp/views.py", VIEWS)
    models = named("myapp/models/__init__.py")
    write(
        folder / "myapp/models/__init__.py",
        f"{models}\nfrom tests.cookiecutter.models import includeme\n",
    )
    lines = ["[app:main]", "use = call:myapp:main", "sqlalchemy.url = sqlite:///myapp.sqlite"]
    write(folder / "development.ini", "\n".join([*lines, named("development.ini")]))
    return folder / "development.ini"


@pytest.fixture
def testapp(folder: Path) -> webtest.TestApp:
    """A browser of the shortest application."""
    app = importlib.import_module("app")
    return webtest.TestApp(app.main({}, **app.SETTINGS))


def is_within(folder: Path, module: Any) -> bool:
    return str(getattr(module, "__file__", None)).startswith(str(folder))


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project of the cookiecutter with the class and the settings of the README."""
    begin_project(tmp_path)
    with entered(tmp_path) as project:
        for name in ("myapp/__init__.py", "myapp/models/web_session.py", "development.ini"):
            project.write(name, named(name))
        name = "myapp/models/__init__.py"
        project.write(f"{name} (at the top)", named(name))
        yield project
