"""Three nodes of MariaDB that replicate to each other with Galera, on the loopback."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pymysql

from benchmarks.load.server import free_port
from benchmarks.programs import Account, Process, library, program

NODES = 3
PATIENCE = 60.0  # seconds for a node to come up
PROVIDER = "/usr/lib/galera/libgalera_smm.so"
DATABASE = "shop"
BATCH = "SELECT seq, REPEAT('x', 200) FROM seq_1_to_20000"
BATCH_PAUSE = 0.3  # seconds
SETTINGS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=32M",
    "--innodb-autoinc-lock-mode=2",
    "--binlog-format=ROW",
    "--wsrep-on=ON",
    f"--wsrep-provider={PROVIDER}",
    "--wsrep-cluster-name=shop",
    "--wsrep-sst-method=rsync",
)


class Node:
    """One of them."""

    def __init__(self, number: int, account: Account, folder: Path, suspect: int) -> None:
        self._suspect = suspect
        self.port, self.group_port = free_port(), free_port()
        self._account = account
        self._folder = folder
        self._name = f"node{number}"
        self._data = account.make(folder / self._name)
        self._transfer_ports = free_port(), free_port()
        self._log = folder / f"{self._name}.log"
        self._process: Process | None = None

    def install(self) -> None:
        """Make the tables of the server; other nodes get them from the cluster."""
        self._account.run(
            [
                *(program("mariadb-install-db", "mariadb-server"), "--no-defaults"),
                *(f"--datadir={self._data}", "--skip-test-db", "--skip-name-resolve"),
                "--auth-root-authentication-method=normal",
            ],
            self._folder,
        )

    def start(self, *more: str) -> None:
        """Start it, and return when it serves."""
        command = [program("mariadbd", "mariadb-server"), "--no-defaults", *self._options(), *more]
        self._process = Process(self._account, command, self._folder, self._log)
        self.wait()

    def wait(self) -> None:
        """Return when it takes part."""
        end = time.monotonic() + PATIENCE
        while self._state() != "Synced":
            is_well = self.is_running and time.monotonic() < end
            assert is_well, f"{self._name} does not serve: {self._log.read_text()[-3000:]}"
            time.sleep(0.2)

    def _options(self) -> list[str]:
        sst, ist = self._transfer_ports
        provider = {
            "gmcast.listen_addr": f"tcp://127.0.0.1:{self.group_port}",
            "ist.recv_addr": f"127.0.0.1:{ist}",
            "gcache.size": "32M",
            "evs.keepalive_period": f"PT{self._suspect / 5}S",
            "evs.suspect_timeout": f"PT{self._suspect}S",
            "evs.inactive_timeout": f"PT{3 * self._suspect}S",
        }
        return [
            *SETTINGS,
            f"--datadir={self._data}",
            f"--port={self.port}",
            f"--socket={self._folder / self._name}.sock",
            f"--pid-file={self._folder / self._name}.pid",
            f"--wsrep-node-name={self._name}",
            f"--wsrep-node-address=127.0.0.1:{self.group_port}",
            f"--wsrep-node-incoming-address=127.0.0.1:{self.port}",
            f"--wsrep-sst-receive-address=127.0.0.1:{sst}",
            f"--wsrep-provider-options={';'.join(f'{k}={v}' for k, v in provider.items())}",
        ]

    def freeze(self, seconds: float) -> None:
        """Let it do nothing for a while, as when its machine or its network stands still."""
        assert self._process is not None
        self._process.send(signal.SIGSTOP)
        time.sleep(seconds)
        self._process.send(signal.SIGCONT)

    def kill(self) -> None:
        """Let it die."""
        if self._process is not None:
            self._process.kill()

    @property
    def is_running(self) -> bool:
        """Whether it was started, and not killed."""
        return self._process is not None and self._process.is_running

    def _state(self) -> str:
        """Return what the node says of itself, nothing when it does not answer."""
        with suppress(pymysql.err.MySQLError):
            return self.ask("SHOW STATUS LIKE 'wsrep_local_state_comment'")[0][1]
        return ""

    def ask(self, *statements: str) -> tuple[tuple[str, ...], ...]:
        """Return the rows of the last statement."""
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", connect_timeout=5, autocommit=True
        )
        with connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            found: tuple[tuple[str, ...], ...] = cursor.fetchall()
        return found


class Cluster:
    """All of them."""

    def __init__(self, account: Account, folder: Path, suspect: int) -> None:
        self.nodes = [Node(number + 1, account, folder, suspect) for number in range(NODES)]
        self._refused = dict.fromkeys(self.nodes, 0)

    @property
    def running(self) -> list[Node]:
        """Those that were not killed."""
        return [node for node in self.nodes if node.is_running]

    def start(self) -> None:
        """Start one after another."""
        first, *others = self.nodes
        address = f"gcomm://{','.join(f'127.0.0.1:{node.group_port}' for node in self.nodes)}"
        first.install()
        first.start("--wsrep-new-cluster", f"--wsrep-cluster-address={address}")
        for node in others:
            node.start(f"--wsrep-cluster-address={address}")
        first.ask(f"CREATE DATABASE {DATABASE}")

    def url(self, first: int, *, wait: int) -> str:
        """Return a url that leads to one node, and to the others when it does not serve.

        `wait` is `wsrep_sync_wait`: what waits until everything has arrived that any node has
        acknowledged.
        """
        order = [*self.nodes[first:], *self.nodes[:first]]
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in order)
        times = "connect_timeout=2&read_timeout=10"
        waits = f"init_command=SET SESSION wsrep_sync_wait = {wait}"
        return f"mysql+pymysql://root@/{DATABASE}?hosts={hosts}&{times}&{waits}"

    def work(self, over: threading.Event) -> None:
        """Write a lot at the last node until it is over, so that the others fall behind."""
        node = self.nodes[-1]
        node.ask(f"CREATE TABLE {DATABASE}.batch (id INT PRIMARY KEY, text VARCHAR(200))")
        while not over.wait(BATCH_PAUSE):
            node.ask(f"USE {DATABASE}", f"INSERT INTO batch {BATCH}")
            node.ask(f"DELETE FROM {DATABASE}.batch")  # whole, to be applied whole

    def refused(self) -> int:
        """Count the transactions that a node refused or rolled back for another node's.

        Of a node that was killed, those until it was last asked.
        """
        for node in self.running:
            found = node.ask(
                "SHOW STATUS WHERE Variable_name IN "
                "('wsrep_local_cert_failures', 'wsrep_local_bf_aborts')"
            )
            self._refused[node] = sum(int(number) for _, number in found)
        return sum(self._refused.values())

    def differences(self, tables: list[str]) -> int:
        """Count the tables that are not the same on every node that runs."""
        wait = "SET SESSION wsrep_sync_wait = 15"
        check = f"CHECKSUM TABLE {', '.join(f'{DATABASE}.{table}' for table in tables)}"
        for node in self.running:
            node.wait()
        found = [node.ask(wait, check) for node in self.running]
        return sum(len(set(sums)) > 1 for sums in zip(*found, strict=True))


@contextmanager
def cluster(suspect: int = 5) -> Iterator[Cluster]:
    """Run a cluster in a folder that is thrown away.

    `suspect` is the number of seconds after which a silent node is given up.
    """
    library(PROVIDER, "galera-4")
    program("rsync", "rsync")
    program("mariadbd", "mariadb-server")  # without it, there is no such account either
    account = Account("mysql")
    with account.folder() as folder:
        made = Cluster(account, folder, suspect)
        try:
            made.start()
            yield made
        finally:
            for node in made.nodes:
                node.kill()
