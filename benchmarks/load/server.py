"""The shop, served by several processes of gunicorn, and their memory."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import fmean

from benchmarks.load.application import THREADS
from benchmarks.load.http import Wire

ROOT = Path(__file__).parents[2]
SHOP = "benchmarks.load.application:serve()"
PATIENCE = 30.0  # seconds for all workers to answer
INTERVAL = 0.5  # seconds between two looks at the memory


@contextmanager
def served(
    told: Mapping[str, str], folder: Path, *, workers: int, application: str = SHOP
) -> Iterator[Server]:
    """Serve the shop on a port of the loopback; `told` is environment, the log is in `folder`."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "gunicorn", application),
        *("--bind", f"127.0.0.1:{port}", "--workers", str(workers)),
        *("--worker-class", "gthread", "--threads", str(THREADS), "--keep-alive", "75"),
    ]
    # gunicorn keeps a socket of its own in the home directory.
    environment = {**os.environ, **told, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log) as process,
    ):
        server = Server(process.pid, port, workers)
        try:
            server.wait()
            yield server
        finally:
            process.terminate()
            process.wait()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Server:
    """The processes that serve at a port."""

    def __init__(self, master: int, port: int, workers: int) -> None:
        self.master = master
        self.port = port
        self.workers = workers

    def wait(self) -> None:
        """Return when all workers answer."""
        end = time.monotonic() + PATIENCE
        while len(self.statuses()) < self.workers:
            assert time.monotonic() < end, "the workers do not answer"
            time.sleep(0.1)

    def statuses(self) -> list[dict[str, int]]:
        """Return what each worker tells of itself, of both variants together."""
        found: dict[tuple[int, str], dict[str, int]] = {}
        for number in range(40 * self.workers):  # whoever is free answers
            variant = ("merge", "retry")[number % 2]
            answer = self._ask(f"/{variant}/status")
            if answer is None:
                break
            found[answer["pid"], variant] = answer
            if len(found) == 2 * self.workers:
                break
        return _added_up(found)

    def _ask(self, path: str) -> dict[str, int] | None:
        """Ask whoever is free, over a new connection; None when nobody is there."""
        with closing(Wire(self.port)) as wire, suppress(OSError):
            told: dict[str, int] | None = wire.send(path, None).body
            return told
        return None

    def children(self) -> list[int]:
        """Return the processes of the workers."""
        listed = Path(f"/proc/{self.master}/task/{self.master}/children").read_text()
        return [int(child) for child in listed.split()]


def _added_up(found: dict[tuple[int, str], dict[str, int]]) -> list[dict[str, int]]:
    workers: dict[int, dict[str, int]] = {}
    for (pid, _), told in found.items():
        worker = workers.setdefault(pid, {"pid": pid, "in use": told["in use"]})
        for event in ("merged", "repeated"):
            worker[event] = worker.get(event, 0) + told.get(event, 0)
    return list(workers.values())


class Memory(threading.Thread):
    """Looks again and again at the resident memory of each worker."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._pids = server.children()
        self._samples: dict[int, list[float]] = defaultdict(list)
        self._over = threading.Event()

    def run(self) -> None:
        """Look until it is over."""
        while not self._over.wait(INTERVAL):
            for pid in self._pids:
                self._samples[pid].append(_resident(pid))

    def quarters(self) -> tuple[float, float]:
        """End, and return the means of the first and of the last quarter, in MiB."""
        self._over.set()
        self.join()
        first, last = [], []
        for samples in self._samples.values():
            quarter = max(1, len(samples) // 4)
            first.append(fmean(samples[:quarter]))
            last.append(fmean(samples[-quarter:]))
        return (fmean(first), fmean(last)) if first else (0.0, 0.0)


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0
