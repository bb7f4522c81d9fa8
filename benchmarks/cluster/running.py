"""Visitors, and a fault while they come."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.cluster.listening import Heard, Listening
from benchmarks.cluster.report import Findings, Result
from benchmarks.cluster.scenes import Scene, Stage
from benchmarks.load.application import URL, make_engine
from benchmarks.load.counting import count_all
from benchmarks.load.databases import make_tables
from benchmarks.load.http import Wires
from benchmarks.load.server import Server, served
from benchmarks.load.visiting import Budget, visit

WORKERS = 2  # processes of each application
VISITORS = 8
BREAKS_AFTER = 0.4  # of the requests
ERROR = re.compile(r"[a-z][\w.]*\.\w+: ")  # the end of a traceback


class Fault(threading.Thread):
    """Breaks something when the visitors have asked often enough; None is nothing."""

    def __init__(self, break_it: Callable[[], None] | None, heard: Heard, *, after: int) -> None:
        super().__init__(daemon=True)
        self._break_it = break_it
        self._heard = heard
        self._after = after

    def run(self) -> None:
        """Wait, and do it."""
        if self._break_it is None:
            return
        while len(self._heard.answers) < self._after:
            time.sleep(0.01)
        self._heard.broken = time.monotonic()
        self._break_it()


def run(name: str, scene: Scene, requests: int, logs: Path) -> Result:
    """Serve, visit, break something, and count; the applications' logs are kept in a folder."""
    with scene() as stage, _shops(stage, logs) as shops:
        heard = Heard()
        ports = [shop.port for shop in shops]
        fault = Fault(stage.break_it, heard, after=int(requests * BREAKS_AFTER))
        fault.start()
        begun = time.monotonic()
        wires = Listening(ports, heard)
        journal = visit(wires, Budget(requests), visitors=VISITORS, kind=stage.kind)
        seconds = time.monotonic() - begun
        fault.join()
        workers = [worker for shop in shops for worker in shop.statuses()]
        at_once = Findings.of(journal)
        engine = make_engine(stage.counting_url or stage.urls[-1])
        count_all(journal, engine, Wires(ports))
        engine.dispose()
        return Result(
            name=name,
            journal=journal,
            heard=heard,
            seconds=seconds,
            workers=workers,
            expected_workers=WORKERS * len(shops),
            at_once=at_once,
            refused=stage.refused(),
            differences=stage.differences(),
            errors=_errors(logs),
        )


@contextmanager
def _shops(stage: Stage, logs: Path) -> Iterator[list[Server]]:
    """Serve an application for each url."""
    make_tables(stage.urls[0])
    with ExitStack() as stack:
        shops = []
        for number, url in enumerate(stage.urls):
            folder = logs / str(number)
            folder.mkdir(parents=True)
            shop = served({URL: url}, folder, workers=WORKERS, application=stage.application)
            shops.append(stack.enter_context(shop))
        yield shops


def _errors(logs: Path) -> Counter[str]:
    """Count the errors that the applications told of, by their first lines."""
    lines = (line for log in logs.glob("*/log") for line in log.read_text().splitlines())
    return Counter(line[:150] for line in lines if ERROR.match(line))
