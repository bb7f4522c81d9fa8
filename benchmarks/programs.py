"""Programs of the system, run in a folder of their own by a user who may run them."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


def _version(folder: Path) -> float:
    return float(folder.parent.name)


# Debian puts the servers of PostgreSQL where nobody looks, one version beside the other.
SERVERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", *map(str, SERVERS)])


def is_installed(name: str) -> bool:
    """Tell whether a program is there."""
    return shutil.which(name, path=PATH) is not None


def program(name: str, package: str) -> str:
    """Return the path of a program; end with a sentence when it is not installed."""
    found = shutil.which(name, path=PATH)
    if found is None:
        sys.exit(f"{name} is not here: install the Debian package {package}.")
    return found


def library(path: str, package: str) -> str:
    """Return the path of a library; end with a sentence when it is not installed."""
    if not Path(path).exists():
        sys.exit(f"{path} is not here: install the Debian package {package}.")
    return path


def environment(folder: Path) -> dict[str, str]:
    """Return what a server is told; not /tmp, which any MariaDB that starts tidies up."""
    return {**os.environ, "PATH": PATH, "TMPDIR": str(folder)}


class Account:
    """The user who runs database servers, which refuse to be run by root."""

    def __init__(self, name: str) -> None:
        self._user = pwd.getpwnam(name) if os.geteuid() == 0 else None

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Lend a folder that belongs to this user."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            self._give(folder)
            yield folder

    def make(self, folder: Path) -> Path:
        """Make another one, for this user's eyes only."""
        folder.mkdir(mode=0o700)
        self._give(folder)
        return folder

    def _give(self, folder: Path) -> None:
        if self._user is not None:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)

    def command(self, command: Sequence[str]) -> list[str]:
        """Return the command as this user runs it, in the same process."""
        if self._user is None:
            return list(command)
        ids = f"--reuid={self._user.pw_uid}", f"--regid={self._user.pw_gid}"
        return [program("setpriv", "util-linux"), *ids, "--clear-groups", *command]

    def run(self, command: Sequence[str], folder: Path) -> None:
        """Wait for a command; end with what it said when it fails."""
        done = subprocess.run(
            self.command(command),
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


class Process:
    """One server, which may die at any time."""

    def __init__(self, account: Account, command: Sequence[str], folder: Path, log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                account.command(command),
                cwd=folder,
                env=environment(folder),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def children(self) -> list[int]:
        """Return the processes that it has started."""
        pid = self._process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(child) for child in listed.split()]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server alone."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Let it and all its processes die as with their machine."""
        if not self.is_running:
            return
        children = self.children()
        self._process.kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()
