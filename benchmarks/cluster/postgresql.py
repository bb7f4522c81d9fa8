"""A PostgreSQL server and the standby that follows it, on the loopback."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.load.server import free_port
from benchmarks.programs import Account, Process, program

PATIENCE = 30.0  # seconds
PACKAGE = "postgresql"
DATABASE = "shop"
STANDBY = "standby"
SETTINGS = (
    "-clisten_addresses=127.0.0.1",
    "-cshared_buffers=64MB",
    "-cwal_keep_size=64MB",
    "-cmax_wal_senders=4",
    "-chot_standby=on",
    "-cdynamic_shared_memory_type=mmap",  # what a killed server leaves is in its folder
)


class Server:
    """One of the two."""

    def __init__(self, name: str, account: Account, folder: Path) -> None:
        self.port = free_port()
        self.data = folder / name
        self._account = account
        self._folder = folder
        self._log = folder / f"{name}.log"
        self._process: Process | None = None

    def install(self) -> None:
        """Make an empty one."""
        self._run("initdb", "-D", str(self.data), "-U", "postgres", "--auth=trust", "--no-sync")

    def copy(self, primary: Server) -> None:
        """Make a standby of one that runs."""
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={STANDBY}"
        self._run("pg_basebackup", "-D", str(self.data), "-R", "-d", source, "-c", "fast")

    def start(self, *more: str) -> None:
        """Start it, and return when it serves."""
        self._process = Process(
            self._account,
            [
                *(program("postgres", PACKAGE), "-D", str(self.data), f"-cport={self.port}"),
                *(f"-cunix_socket_directories={self._folder}", *SETTINGS, *more),
            ],
            self._folder,
            self._log,
        )
        self.wait_for("SELECT 1", 1)

    def promote(self) -> None:
        """Make a primary of a standby."""
        self._run("pg_ctl", "promote", "-D", str(self.data), "-w", "-s")

    def _run(self, name: str, *arguments: str) -> None:
        self._account.run([program(name, PACKAGE), *arguments], self._folder)

    def wait_for(self, query: str, answer: object) -> None:
        """Return when a query has this answer."""
        end = time.monotonic() + PATIENCE
        while self._answer(query) != answer:
            assert time.monotonic() < end, f"{query}: {self._log.read_text()[-3000:]}"
            time.sleep(0.05)

    def _answer(self, query: str) -> object:
        try:
            return self.ask(query)
        except psycopg.OperationalError:
            return None

    def ask(self, query: str) -> object:
        """Return the first value of a query's answer."""
        options = f"host=127.0.0.1 port={self.port} user=postgres dbname=postgres"
        with psycopg.connect(options, autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            row = cursor.fetchone() if cursor.description else None
            return None if row is None else row[0]

    def stop_sending(self) -> None:
        """Let what it writes no longer reach the standby, as when the network stands still."""
        assert self._process is not None
        for child in self._process.children():
            if b"walsender" in Path(f"/proc/{child}/cmdline").read_bytes():
                os.kill(child, signal.SIGSTOP)

    def kill(self) -> None:
        """Let it die with all its processes, and free the shared memory that it left."""
        if self._process is not None and self._process.is_running:
            segment = (self.data / "postmaster.pid").read_text().splitlines()[6].split()[1]
            self._process.kill()
            self._account.run([program("ipcrm", "util-linux"), "-m", segment], self._folder)


class Pair:
    """Both."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.primary = Server("primary", account, folder)
        self.standby = Server("standby", account, folder)

    def start(self, synchronous_commit: str) -> None:
        """Start one, and the other as its copy.

        With `synchronous_commit` as on, a commit is acknowledged when the standby has written it
        down; as remote_apply, when it can be read there; as local, without asking the standby.
        """
        names = f"-csynchronous_standby_names={STANDBY}"
        self.primary.install()
        self.primary.start(names, f"-csynchronous_commit={synchronous_commit}")
        self.standby.copy(self.primary)
        self.standby.start("-cwal_retrieve_retry_interval=200ms")
        following = "SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"
        self.primary.wait_for(following, "sync")
        self.primary.ask(f"CREATE DATABASE {DATABASE}")

    def url(self) -> str:
        """Return a url that leads to the one that takes writes."""
        hosts = "&".join(f"host=127.0.0.1:{end.port}" for end in (self.primary, self.standby))
        return (
            f"postgresql+psycopg://postgres@/{DATABASE}?{hosts}"
            "&target_session_attrs=read-write&connect_timeout=2"
        )


@contextmanager
def pair(synchronous_commit: str) -> Iterator[Pair]:
    """Run a primary and its standby in a folder that is thrown away."""
    program("postgres", PACKAGE)  # without it, there is no such account either
    account = Account("postgres")
    with account.folder() as folder:
        made = Pair(account, folder)
        try:
            made.start(synchronous_commit)
            yield made
        finally:
            made.standby.kill()
            made.primary.kill()
