"""Database servers of our own, in a temporary directory, that may be killed and started again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import OperationalError

from benchmarks.load.server import free_port

PATIENCE = 60.0  # seconds for a server to recover


class Instance(ABC):
    """One server; what it acknowledges is on the disk, unless it is told to be careless."""

    name: str

    def __init__(self, folder: Path, settings: Mapping[str, str], *, careless: bool) -> None:
        self._folder = folder
        self._settings = settings  # beside those of its kind
        self._careless = careless
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where it is reached."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the files that a server needs."""

    @abstractmethod
    def command(self) -> Sequence[str]:
        """How it is started, in the foreground."""

    def start(self) -> None:
        """Return when it answers; try again while what was killed lies in the way."""
        end = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < end, f"{self.name} does not start: see {self._folder}"
            if self._process is None or self._process.poll() is not None:
                self._process = self._run(self.command())
            time.sleep(0.05)

    def kill(self) -> None:
        """End all its processes with SIGKILL."""
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            for pid in _family(self._process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        engine = create_engine(self.url, poolclass=NullPool)
        try:
            with engine.connect():
                return True
        except OperationalError:
            return False

    def _run(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*_as_user(self.user), *command], cwd=self._folder, stdout=log, stderr=log
            )

    def _run_to_end(self, command: Sequence[str]) -> None:
        assert self._run(command).wait() == 0, (self._folder / "log").read_text()

    @property
    @abstractmethod
    def user(self) -> str:
        """Whom the server runs as, when we are root."""


class PostgreSQL(Instance):
    """fsync and synchronous_commit are on, as they are by default."""

    name = "postgresql"
    user = "postgres"

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres?connect_timeout=5"

    def prepare(self) -> None:
        """Make a cluster."""
        options = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale")
        self._run_to_end([_program("initdb"), f"--pgdata={self._folder / 'data'}", *options])

    def command(self) -> Sequence[str]:
        """Start it with little memory."""
        settings = {
            "port": self._port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "32MB",
            "fsync": "on",
            "synchronous_commit": "off" if self._careless else "on",
            "wal_writer_delay": "10s" if self._careless else "200ms",
            **self._settings,
        }
        options = [f"-c{name}={value}" for name, value in settings.items()]
        return [_program("postgres"), f"-D{self._folder / 'data'}", *options]


class MariaDB(Instance):
    """innodb_flush_log_at_trx_commit is 1, as it is by default."""

    name = "mariadb"
    user = "mysql"

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"mysql+pymysql://root@127.0.0.1:{self._port}/mysql?connect_timeout=5"

    def prepare(self) -> None:
        """Make a data directory, where root needs no password."""
        options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin")
        data = f"--datadir={self._folder / 'data'}"
        self._run_to_end([_program("mariadb-install-db"), "--no-defaults", data, *options])

    def command(self) -> Sequence[str]:
        """Start it with little memory."""
        settings = {
            "port": self._port,
            "bind-address": "127.0.0.1",
            "skip-name-resolve": "on",
            "innodb-buffer-pool-size": "64M",
            "innodb-flush-log-at-trx-commit": 0 if self._careless else 1,
            "innodb-flush-log-at-timeout": 60 if self._careless else 1,
            **self._settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [_program("mariadbd"), *self._places(), *options]

    def _places(self) -> Sequence[str]:
        return [
            "--no-defaults",
            f"--datadir={self._folder / 'data'}",
            f"--socket={self._folder / 'socket'}",
            f"--pid-file={self._folder / 'pid'}",
        ]


KINDS: dict[str, type[Instance]] = {kind.name: kind for kind in (PostgreSQL, MariaDB)}
NEEDED = {"postgresql": "postgres", "mariadb": "mariadbd"}


def installed() -> list[str]:
    """Name the servers whose programs are here."""
    return [name for name, program in NEEDED.items() if _found(program)]


@contextmanager
def running(
    name: str, *, careless: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[Instance]:
    """Make a server, start it, and in the end leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="faults-") as path:
        instance = KINDS[name](Path(path), settings or {}, careless=careless)
        if os.geteuid() == 0:
            shutil.chown(path, instance.user)
        instance.prepare()
        try:
            instance.start()
            yield instance
        finally:
            instance.kill()


def _program(name: str) -> str:
    program = _found(name)
    assert program, f"{name} is not installed"
    return program


def _found(name: str) -> str | None:
    """Look where Debian puts what is not in everybody's path, the newest first."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    places = [os.environ.get("PATH", ""), "/usr/sbin", *map(str, versions)]
    return shutil.which(name, path=os.pathsep.join(places))


def _version(folder: Path) -> float:
    return float(folder.parent.name)


def _as_user(name: str) -> list[str]:
    """Neither server likes to be run by root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", f"--reuid={name}", f"--regid={name}", "--clear-groups", "--"]


def _family(pid: int) -> list[int]:
    """Name a process and its children, the parent first, so that it replaces none of them."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, listed.split())]
