"""Commands in the documents: those of the project and of the package are carried out."""

from __future__ import annotations

import importlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import redirect_stdout

from pyramid.paster import get_app

from pyramid_sqlsession.scripts import prune_sessions
from tests.documents.blocks import ROOT


def run_command(command: str, shown: str) -> None:
    """Carry out a command in the present directory; what it prints is as shown, figures apart."""
    program, *arguments = shlex.split(command)
    with redirect_stdout(io.StringIO()) as printed:
        COMMANDS[program.removeprefix("env/bin/")](arguments)
    if shown.strip():
        assert _masked(printed.getvalue()) == _masked(shown), (command, printed.getvalue())


def _masked(text: str) -> str:
    """Without figures, nor the blanks that put them into columns."""
    return re.sub(r" +", " ", re.sub(r"\d+(\.\d+)?", "#", text)).strip()


def _module(name: str, arguments: list[str]) -> None:
    """Run what `python -m` runs, in a process of its own; its libraries may warn."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}.", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", name, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.stdout.write(done.stdout)


def _alembic(arguments: list[str]) -> None:
    _module("alembic", arguments)


def _initialize(arguments: list[str]) -> None:
    script = importlib.import_module("myapp.scripts.initialize_db")
    script.main(["initialize_myapp_db", *arguments])


def _prune(arguments: list[str]) -> None:
    assert prune_sessions.main(["prune_sessions", *arguments]) == 0


def _serve(arguments: list[str]) -> None:
    """Load what would be served."""
    assert set(arguments[1:]) <= {"--reload"}
    get_app(arguments[0])


def _pytest(arguments: list[str]) -> None:
    _module("pytest", ["-p", "no:cacheprovider", *arguments])


def _make(arguments: list[str]) -> None:
    """See that there is such a target."""
    targets = re.findall(r"^([\w-]+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(arguments) <= set(targets)


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "alembic": _alembic,
    "initialize_myapp_db": _initialize,
    "make": _make,
    "prune_sessions": _prune,
    "pserve": _serve,
    "pytest": _pytest,
}
