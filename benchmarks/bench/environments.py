"""Environments of the contestants' own, made from pinned requirements when they are missing."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.bench.roster import OWN
from benchmarks.load.server import ROOT

HERE = Path(__file__).parent
FOLDER = ROOT / ".bench"
STAMP = "made-from"


class MissingError(Exception):
    """Something that a contestant needs is not here; the message says what."""


def python_of(environment: str) -> str:
    """Return the interpreter of an environment, which is made if need be."""
    if environment == OWN:
        return sys.executable
    folder = FOLDER / environment
    requirements = HERE / "requirements" / f"{environment}.txt"
    wanted = f"{sys.version}\n{requirements.read_text()}\n{_constraints()}"
    if not _is_made(folder, wanted):
        _install(folder, requirements)
        _stamp(folder, wanted)
    return str(folder / "bin" / "python")


def _install(folder: Path, requirements: Path) -> None:
    print(f"installing {requirements.stem} into {folder}", file=sys.stderr, flush=True)
    _run(sys.executable, "-m", "venv", "--clear", str(folder))
    constraints = folder / "constraints.txt"
    constraints.write_text(_constraints())
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet")
    _run(*pip, "--requirement", str(requirements), "--constraint", str(constraints))


def _constraints() -> str:
    """Pin what the driver's own environment has."""
    own = {each.metadata["Name"]: each.version for each in distributions()}
    return "".join(f"{name}=={version}\n" for name, version in sorted(own.items()))


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


def variables() -> dict[str, str]:
    """Return the environment variables of a worker, which imports itself from here.

    Hashes are the same in all, as the order of things in memory makes a difference of some µs.
    """
    own = {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "PYTHONHASHSEED": "0"}
    return {**os.environ, **own}
