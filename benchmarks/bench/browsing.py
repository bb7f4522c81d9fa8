"""Asks a served contestant over one connection, and reads the clock of its process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from http.client import HTTPConnection

from benchmarks.bench.workloads import method

SCHEDULED = 2  # CPUCLOCK_SCHED of Linux: what the scheduler has counted, in nanoseconds


class Browser:
    """A client of one server; every answer must be 200."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)

    def visit(self, path: str, headers: Mapping[str, str]) -> str:
        """Ask for a page; return the cookie that is sent, or nothing."""
        self._connection.request(method(path), path, headers=dict(headers))
        response = self._connection.getresponse()
        response.read()
        if response.status != HTTPStatus.OK:
            raise RuntimeError(f"{path}: {response.status}")
        return (response.headers.get("Set-Cookie") or "").split(";")[0]

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def processor_time(pid: int) -> float:
    """Return the processor time of another process in seconds, as clock_getcpuclockid(3) finds it.

    `/proc/PID/stat` has the same in ticks of 10 ms.
    """
    return time.clock_gettime(~pid << 3 | SCHEDULED)
