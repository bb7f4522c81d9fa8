"""Environments of the contestants' own, made from pinned requirements when they are missing."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import distributions, version
from pathlib import Path

from benchmarks.bench.roster import EXPRESS, OWN, REDIS, Contestant
from benchmarks.load.server import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / ".bench"
STAMP = "made-from"
NEEDED = {REDIS: ("redis-server",), EXPRESS: ("node", "npm")}
STACK = (
    *("pyramid", "pyramid_tm", "pyramid_retry", "WebOb", "transaction", "zope.sqlalchemy"),
    *("SQLAlchemy", "psycopg", "waitress"),
)
PACKAGES = ("package.json", "package-lock.json")


class MissingError(Exception):
    """Something that a contestant needs is not here; the message says what."""


def command_of(contestant: Contestant) -> list[str]:
    """Return how a contestant's worker is started."""
    if contestant.environment == EXPRESS:
        return ["node", str(HERE / "express" / "server.js"), contestant.program]
    python = sys.executable
    if contestant.environment != OWN:
        python = str(FOLDER / contestant.environment / "bin" / "python")
    return [python, "-m", "benchmarks.bench.worker", contestant.program]


def missing(environment: str) -> str:
    """Make an environment, unless it is there; return why it cannot be had, if that is so."""
    try:
        if environment != OWN:
            _make(environment)
    except MissingError as error:
        return str(error)
    return ""


def _make(environment: str) -> None:
    for program in NEEDED.get(environment, ()):
        if not shutil.which(program):
            raise MissingError(f"{program} is not installed")
    folder = FOLDER / environment
    is_express = environment == EXPRESS
    wanted = _express_wanted() if is_express else _python_wanted(environment)
    if not _is_made(folder, wanted):
        print(f"installing {environment} into {folder}", file=sys.stderr, flush=True)
        _install_express(folder) if is_express else _install_python(folder, environment)
        _stamp(folder, wanted)


def _python_wanted(environment: str) -> str:
    return f"{sys.version}\n{_requirements(environment).read_text()}\n{_constraints()}"


def _express_wanted() -> str:
    return "".join((HERE / "express" / name).read_text() for name in PACKAGES)


def _requirements(environment: str) -> Path:
    return HERE / "requirements" / f"{environment}.txt"


def _install_express(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in PACKAGES:
        shutil.copy(HERE / "express" / name, folder)
    _run("npm", "ci", "--no-audit", "--no-fund", folder=folder)


def _install_python(folder: Path, environment: str) -> None:
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    constraints = folder / "constraints.txt"
    constraints.write_text(_constraints())
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet")
    _run(*pip, "--requirement", str(_requirements(environment)), "--constraint", str(constraints))


def _constraints() -> str:
    """Pin what all stand on to what the driver's own environment has."""
    return "".join(f"{name}=={version(name)}\n" for name in STACK)


def _run(*command: str, folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"{' '.join(command[:5])} failed: {done.stderr.strip()[-300:]}")


def _is_made(folder: Path, wanted: str) -> bool:
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_text() == _fingerprint(wanted)


def _stamp(folder: Path, wanted: str) -> None:
    (folder / STAMP).write_text(_fingerprint(wanted))


def _fingerprint(wanted: str) -> str:
    return hashlib.sha256(wanted.encode()).hexdigest()


def versions(environment: str) -> dict[str, str]:
    """Tell the versions of what matters in an environment; nothing if it is not there."""
    if environment == EXPRESS:
        wanted = json.loads((HERE / EXPRESS / PACKAGES[0]).read_text())
        found: dict[str, str] = wanted["dependencies"]
        return found if (FOLDER / EXPRESS / STAMP).exists() else {}
    if environment == OWN:
        return {"Python": platform.python_version(), **{name: version(name) for name in STACK}}
    places = (FOLDER / environment).glob("lib/python*/site-packages")
    return {
        each.metadata["Name"]: each.version
        for each in distributions(path=list(map(str, places)))
        if f"\n{each.metadata['Name']}==" in _requirements(environment).read_text()
    }


def variables() -> dict[str, str]:
    """Return the environment variables of a worker, which imports itself from here.

    Hashes are the same in all, as the order of things in memory makes a difference of some µs.
    """
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
        "PYTHONHASHSEED": "0",
        "NODE_PATH": str(FOLDER / EXPRESS / "node_modules"),
        "NODE_ENV": "production",
    }
