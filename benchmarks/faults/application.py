"""The shop of the load, in a process whose clock can be set, and which dies when asked to."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from benchmarks.faults import careless
from benchmarks.load import application
from benchmarks.load.application import Wsgi
from pyramid_sqlsession import expiry

CLOCK, CARELESS = "FAULTS_CLOCK", "FAULTS_CARELESS"  # the environment
SHOP = f"{__name__}:serve()"
DIE = "die=1"  # in the query of a request

_doomed = threading.local()


def serve() -> Wsgi:
    """Return what a worker serves."""
    if CLOCK in os.environ:
        expiry.now = clock(Path(os.environ[CLOCK]))
    way = os.environ.get(CARELESS)
    if way == "deaths":
        event.listen(Session, "after_commit", _die_if_asked)
    else:
        event.listen(Engine, "commit", _die_if_asked)  # called when all is flushed, just before
    if way == "times":
        careless.move_times_back()
    shop = application.serve()
    if way == "answers":
        shop = careless.acknowledging_everything(shop)

    def dispatch(environ: dict[str, Any], start_response: Any) -> Any:
        _doomed.now = DIE in environ["QUERY_STRING"]
        return shop(environ, start_response)

    return dispatch


def clock(offset: Path) -> Callable[[], int]:
    """Return a clock that is as many seconds off as the file says."""

    def now() -> int:
        return int(time.time()) + int(offset.read_text() or 0)

    return now


def _die_if_asked(_connection: Any) -> None:
    if getattr(_doomed, "now", False):
        os.kill(os.getpid(), signal.SIGKILL)
