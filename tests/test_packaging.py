"""What an installer is told: `make check-wheel` does with a real wheel what this only reads."""

from __future__ import annotations

import sys
from importlib.metadata import metadata, requires
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_imports import PACKAGE, imported_names, read_sources

ROOT = Path(__file__).parents[1]
LOWEST = ROOT / ".ci" / "lowest.txt"
CONTRIBUTING = ROOT / "CONTRIBUTING.rst"

# What Pyramid's own interface is made of comes with Pyramid.
PROVIDED_BY_PYRAMID = {"webob", "zope.interface"}
# Heeded where it is installed; `make check-wheel` goes without.
OPTIONAL = {"pyramid_debugtoolbar", "pyramid_retry", "tqdm"}
RUN_TIME = {"pyramid", "sqlalchemy", "transaction", "zope.sqlalchemy"}


def run_time_requirements() -> dict[str, Requirement]:
    stated = [Requirement(line) for line in requires(PACKAGE) or []]
    return {one.name: one for one in stated if one.marker is None}


def lower_bound(requirement: Requirement) -> str:
    return str(requirement.specifier).removeprefix(">=")


def outside_packages(sources: dict[str, str]) -> set[str]:
    """The packages that are neither ours nor Python's, each as far as it is one distribution."""
    names = {name for path, source in sources.items() for name in imported_names(path, source)}
    parts = (name.split(".") for name in names)
    roots = {".".join(part[: 2 if part[0] == "zope" else 1]) for part in parts}
    return roots - sys.stdlib_module_names - {PACKAGE}


def test_nothing_but_the_four_libraries_is_asked_for_at_run_time() -> None:
    """Drivers, pyramid_tm and the like are the application's to choose."""
    assert {name.lower() for name in run_time_requirements()} == RUN_TIME


def test_nothing_is_imported_that_is_not_asked_for() -> None:
    """An import that works because some extra is installed fails with the next user."""
    assert outside_packages(read_sources()) <= RUN_TIME | PROVIDED_BY_PYRAMID | OPTIONAL


def test_an_outside_package_is_found_however_it_is_imported() -> None:
    """The test above would not see what this one does not show."""
    sources = {"session.py": "import json\ndef late():\n    from zope.sqlalchemy import register"}
    assert outside_packages(sources) == {"zope.sqlalchemy"}


@pytest.mark.parametrize("name", ["pyramid", "SQLAlchemy", "transaction", "zope.sqlalchemy"])
def test_a_lower_bound_is_the_version_that_is_tested_and_explained(name: str) -> None:
    """The metadata, `make test-lowest` and CONTRIBUTING.rst say the same."""
    bound = lower_bound(run_time_requirements()[name])
    assert f"{name}=={bound}" in LOWEST.read_text("utf-8").splitlines()
    assert f"\n{name} >= {bound}\n" in CONTRIBUTING.read_text("utf-8")


def test_the_annotations_are_published() -> None:
    """Without the marker, type checkers take the package for untyped."""
    assert files(PACKAGE).joinpath("py.typed").is_file()
    assert "Typing :: Typed" in metadata(PACKAGE).get_all("Classifier", [])


def test_the_package_is_found_among_those_for_pyramid() -> None:
    """The name and the classifier are what people search by."""
    assert canonicalize_name(metadata(PACKAGE)["Name"]) == "pyramid-sqlsession"
    assert "Framework :: Pyramid" in metadata(PACKAGE).get_all("Classifier", [])
