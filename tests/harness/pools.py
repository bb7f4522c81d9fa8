"""Which connections are open, and which are out of their pools, whoever made the pool."""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.pool import Pool, PoolProxiedConnection

_out: dict[Any, int] = {}
_open: dict[int, Any] = {}
_probes: WeakSet[Pool] = WeakSet()


def ignore(pool: Pool) -> None:
    """Do not count what the harness itself takes out of `pool`."""
    _probes.add(pool)


def checked_out() -> int:
    """Count the connections that are checked out of any pool now."""
    return len(_out)


def checked_out_here() -> set[Any]:
    """Return the connections that this thread checked out and did not give back."""
    return {record for record, thread in _out.items() if thread == threading.get_ident()}


def still_open() -> list[Any]:
    """Return the connections that nobody closed; the harness's own may stay open."""
    return list(_open.values())


def forget() -> None:
    """Start counting anew, so that one test's leak does not fail the next test too."""
    _out.clear()
    _open.clear()


@event.listens_for(Pool, "checkout")
def _note_checkout(connection: Any, record: Any, proxy: PoolProxiedConnection) -> None:
    if proxy._pool not in _probes:  # the event tells the pool in no other way
        _out[record] = threading.get_ident()
        _open[id(connection)] = connection


@event.listens_for(Pool, "detach")  # it is closed when it is given back
@event.listens_for(Pool, "checkin")
def _note_checkin(_connection: Any, record: Any) -> None:
    _out.pop(record, None)


@event.listens_for(Pool, "close")
@event.listens_for(Pool, "close_detached")
def _note_close(connection: Any, _record: Any = None) -> None:
    _open.pop(id(connection), None)
