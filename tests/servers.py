"""Real servers for tests that are about processes; each is ended with its test."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).parents[1]
PATIENCE = 30  # seconds, after which what did not happen never will


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Look again and again, but not for ever."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, f"in vain waited for: {what}"
        time.sleep(0.05)


def answer(port: int) -> str | None:
    """Return the body of the home page; None while nobody answers."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE) as response:
            return str(response.read().decode())
    except (URLError, ConnectionError):
        return None


@contextmanager
def served(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server, whose output goes into `log`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    program = str(Path(sys.executable).with_name(command[0]))
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [program, *command[1:]], cwd=folder, env=environment, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
