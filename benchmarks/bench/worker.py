"""The process of one contestant, which does what it is told on standard input, line by line.

    python -m benchmarks.bench.worker MODULE:FACTORY

A line is a JSON object: what to `do`, and its arguments; the answer is one too. This runs in the
contestant's environment, so nothing is imported but the standard library and the contestant.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.bench.asking import App, Environ, ask, environ_of, visit
from benchmarks.bench.clock import Clock
from benchmarks.bench.workloads import NOBODYS, REFRESHED_AFTER, UNCOUNTED, page

Told = dict[str, Any]


class Worker:
    """What can be done with a contestant."""

    def __init__(self, contestant: str, clock: Clock) -> None:
        self._contestant = contestant
        self._clock = clock
        self._app: App
        self._cookies: dict[tuple[str, bool], str] = {}  # by payload; m has its own

    def prepare(self, place: Told) -> Told:
        """Make the application; `place` says where its database and its Redis are."""
        module, _, name = self._contestant.partition(":")
        make = getattr(importlib.import_module(module), name)
        self._app = make(place)
        return {}

    def begin(self, payload: str, workload: str) -> Told:
        """Begin a session, and go on with it."""
        cookie = ask(self._app, environ_of(page("n", payload))).cookie
        self._cookies[payload, workload == "m"] = cookie
        return {"cookie": cookie}

    def take(self, workload: str, payload: str, requests: int) -> Told:
        """Ask for a page again and again; return what one request cost, in microseconds."""
        environ, app, clock = self._environ(workload, payload), self._app, self._clock
        step = workload == "m" and REFRESHED_AFTER
        for _ in range(UNCOUNTED):
            visit(app, environ)
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(requests):
            clock.ahead += step
            visit(app, environ)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        clock.ahead = 0.0
        return {"cpu": cpu / requests * 1e6, "wall": wall / requests * 1e6}

    def _environ(self, workload: str, payload: str) -> Environ:
        if workload == "n":
            return environ_of(page(workload, payload))
        cookie = self._cookies.get((payload, workload == "m"), NOBODYS)
        return environ_of(page(workload, payload), cookie)

    def mix(self, requests: int) -> Told:
        """Read, change and begin sessions in turn."""
        environs = [self._environ(workload, "small") for workload in "rwn"]
        for number in range(requests):
            visit(self._app, environs[number % len(environs)])
        return {}

    def memory(self) -> Told:
        """Count what is alive; the resident memory is in KiB."""
        gc.collect()
        status = Path("/proc/self/status").read_text()
        resident = status.partition("VmRSS:")[2].split()[0]
        return {
            "objects": len(gc.get_objects()),
            "blocks": sys.getallocatedblocks(),
            "resident": int(resident),
        }

    def race(self, key: str, cookie: str, requests: int) -> Told:
        """Add one to a key again and again, as fast as it goes, whatever is answered."""
        environ = environ_of("/add", cookie, f"key={key}")
        answers: Counter[str] = Counter()
        began = time.monotonic()
        for _ in range(requests):
            answers[_status(self._app, environ)] += 1
        return {"began": began, "ended": time.monotonic(), "answers": answers}

    def show(self, key: str, cookie: str) -> Told:
        """Return what a session holds in the end."""
        return {"body": ask(self._app, environ_of("/show", cookie, f"key={key}")).body}

    def serve(self) -> Told:
        """Serve over HTTP from now on, with one thread."""
        serving = importlib.import_module("benchmarks.bench.contestants.served")
        return {"port": serving.serve(self._app)}


def _status(app: App, environ: Environ) -> str:
    try:
        return str(ask(app, environ).status)
    except Exception as error:  # noqa: BLE001 - whatever the contestant raises is its answer
        return type(error).__name__


def main() -> None:
    """Do what is told until nobody tells anything."""
    clock = Clock()
    clock.install()
    worker = Worker(f"benchmarks.bench.contestants.{sys.argv[1]}", clock)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever contestants print
    for line in sys.stdin:
        told = json.loads(line)
        try:
            answer = getattr(worker, told.pop("do"))(**told)
        except Exception:  # noqa: BLE001 - the driver raises it
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
