"""What an installer is told: `make check-wheel` does with a real wheel what this only reads."""

from __future__ import annotations

import fnmatch
import re
import sys
from configparser import ConfigParser
from importlib.metadata import metadata, requires, version
from importlib.resources import files
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.test_imports import PACKAGE, imported_names, read_sources

ROOT = Path(__file__).parents[1]
LOWEST = ROOT / ".ci" / "lowest.txt"
CONTRIBUTING = ROOT / "CONTRIBUTING.rst"
NOT_PROMISED = {"3.14"}  # tox tries it where there is one

# What Pyramid's own interface is made of comes with Pyramid.
PROVIDED_BY_PYRAMID = {"webob", "zope.interface"}
# Heeded where it is installed; `make check-wheel` goes without.
OPTIONAL = {"cryptography", "pyramid_debugtoolbar", "pyramid_retry", "tqdm"}
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


def encryption() -> Requirement:
    """What the extra of that name installs."""
    stated = [Requirement(line) for line in requires(PACKAGE) or []]
    [one] = [one for one in stated if "encryption" in str(one.marker)]
    return one


LOWER_BOUNDS = ["pyramid", "SQLAlchemy", "transaction", "zope.sqlalchemy", "cryptography"]


@pytest.mark.parametrize("name", LOWER_BOUNDS)
def test_a_lower_bound_is_the_version_that_is_tested_and_explained(name: str) -> None:
    """The metadata, `make test-lowest` and CONTRIBUTING.rst say the same."""
    bound = lower_bound((run_time_requirements() | {"cryptography": encryption()})[name])
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


def supported_pythons() -> set[str]:
    classifiers = metadata(PACKAGE).get_all("Classifier", [])
    return {text[-4:] for text in classifiers if re.search(r":: 3\.\d\d$", text)}


def tox() -> ConfigParser:
    parser = ConfigParser(interpolation=None)
    parser.read(ROOT / "tox.ini", "utf-8")
    return parser


def test_tox_runs_the_suite_on_every_python_that_is_supported() -> None:
    """And on one that will be."""
    [minors] = re.findall(r"^py\{([\d,]+)\}, ", tox()["tox"]["env_list"])
    tried = {f"3.{minor[1:]}" for minor in minors.split(",")}
    assert tried - supported_pythons() == NOT_PROMISED
    assert supported_pythons() <= tried


def test_tox_tries_the_oldest_versions_on_the_oldest_python() -> None:
    """With the constraints of `make test-lowest`."""
    environment = f"py{min(supported_pythons())}-lowest".replace(".", "")
    command = tox()[f"testenv:{environment}"]["install_command"]
    assert f"--constraint {LOWEST.relative_to(ROOT)} " in command
    assert environment in tox()["tox"]["env_list"].split(", ")


def test_the_checks_look_for_every_python_that_is_supported() -> None:
    """From the lowest up, and from the newest down."""
    script = (ROOT / ".ci" / "find-python").read_text("utf-8")
    upwards, downwards = (found.split() for found in re.findall(r'versions="(.+)"', script))
    assert upwards == sorted(supported_pythons())
    assert downwards == upwards[::-1]


def test_nothing_but_the_package_is_in_the_wheel() -> None:
    """The demo has metadata of its own, and is not published; the tests are not installed."""
    settings = (ROOT / "pyproject.toml").read_text("utf-8")
    [include] = re.findall(r'packages\.find\]\ninclude = \["(.+)"\]', settings)
    folders = [path.parent.name for path in ROOT.glob("*/__init__.py")]
    assert fnmatch.filter(folders, include) == [PACKAGE]
    demo = (ROOT / "demo" / "pyproject.toml").read_text("utf-8")
    assert '"Private :: Do Not Upload"' in demo


def test_the_version_that_is_being_made_is_one_that_gets_fixes() -> None:
    """The table of SECURITY.md has it."""
    table = dict(re.findall(r"^\| ([\d.]+) +\| (yes|no) ", security(), re.MULTILINE))
    assert table[Version(version(PACKAGE)).base_version] == "yes"


def security() -> str:
    return (ROOT / "SECURITY.md").read_text("utf-8")


def test_the_security_policy_invents_no_address() -> None:
    """Reports go through the private channel of the hosting."""
    assert not re.search(r"\S@\S|https?://", security())


@pytest.mark.parametrize("target", ["lint", "docs", "check-wheel", "test", "test-lowest"])
def test_what_is_demanded_of_a_change_is_run_for_it(target: str) -> None:
    """By the one script that decides."""
    assert f"make {target}" in (ROOT / ".ci" / "run").read_text("utf-8").splitlines()
