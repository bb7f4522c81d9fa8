"""Database servers of our own, in a temporary directory, that may be killed and started again."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import NullPool, create_engine
from sqlalchemy.exc import OperationalError

from benchmarks.load.server import free_port
from benchmarks.programs import Account, Process, is_installed, program

PATIENCE = 60.0  # seconds for a server to recover


class Instance(ABC):
    """One server; what it acknowledges is on the disk, unless it is told to be careless."""

    name: str
    server: str  # the program
    user: str  # whom the server runs as, when we are root

    def __init__(
        self, account: Account, folder: Path, settings: Mapping[str, str], *, careless: bool
    ) -> None:
        self._account = account
        self._folder = folder
        self._settings = settings  # beside those of its kind
        self._careless = careless
        self._port = free_port()
        self._process: Process | None = None

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
            if self._process is None or not self._process.is_running:
                log = self._folder / "log"
                self._process = Process(self._account, self.command(), self._folder, log)
            time.sleep(0.05)

    def kill(self) -> None:
        """End all its processes with SIGKILL."""
        if self._process is not None:
            self._process.kill()

    def _answers(self) -> bool:
        engine = create_engine(self.url, poolclass=NullPool)
        try:
            with engine.connect():
                return True
        except OperationalError:
            return False


class PostgreSQL(Instance):
    """fsync and synchronous_commit are on, as they are by default."""

    name = "postgresql"
    server = "postgres"
    user = "postgres"

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres?connect_timeout=5"

    def prepare(self) -> None:
        """Make a cluster."""
        options = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-locale")
        initdb = program("initdb", "postgresql")
        self._account.run([initdb, f"--pgdata={self._folder / 'data'}", *options], self._folder)

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
        return [program(self.server, "postgresql"), f"-D{self._folder / 'data'}", *options]


class MariaDB(Instance):
    """innodb_flush_log_at_trx_commit is 1, as it is by default."""

    name = "mariadb"
    server = "mariadbd"
    user = "mysql"

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"mysql+pymysql://root@127.0.0.1:{self._port}/mysql?connect_timeout=5"

    def prepare(self) -> None:
        """Make a data directory, where root needs no password."""
        options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-log-bin")
        install = program("mariadb-install-db", "mariadb-server")
        data = f"--datadir={self._folder / 'data'}"
        self._account.run([install, "--no-defaults", data, *options], self._folder)

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
        return [program(self.server, "mariadb-server"), *self._places(), *options]

    def _places(self) -> Sequence[str]:
        return [
            "--no-defaults",
            f"--datadir={self._folder / 'data'}",
            f"--socket={self._folder / 'socket'}",
            f"--pid-file={self._folder / 'pid'}",
        ]


KINDS: dict[str, type[Instance]] = {kind.name: kind for kind in (PostgreSQL, MariaDB)}


def installed() -> list[str]:
    """Name the servers whose programs are here."""
    return [name for name, kind in KINDS.items() if is_installed(kind.server)]


@contextmanager
def running(
    name: str, *, careless: bool = False, settings: Mapping[str, str] | None = None
) -> Iterator[Instance]:
    """Make a server, start it, and in the end leave nothing of it."""
    account = Account(KINDS[name].user)
    with account.folder() as folder:
        instance = KINDS[name](account, folder, settings or {}, careless=careless)
        instance.prepare()
        try:
            instance.start()
            yield instance
        finally:
            instance.kill()
