"""Pruning in the background, in one thread of each process that serves."""

from __future__ import annotations

import logging
import os
import random
import weakref
from threading import Event, Thread, current_thread
from typing import Any

from pyramid.registry import Registry

from pyramid_sqlsession.factory import factory_of
from pyramid_sqlsession.pruning import Stop, first_line, prune_sessions

log = logging.getLogger(__name__)

PRUNER = "pyramid_sqlsession.pruner"  # its place in the registry


class Pruner:
    """Prunes in the background, in one thread of each process, every `prune_interval`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._interval = factory_of(registry).settings.prune_interval
        self._threads: dict[int, _Background] = {}  # by process: a fork copies no threads
        self._is_failing = False

    def start(self) -> None:
        """Begin, if this process has not; do nothing when `prune_interval` is none."""
        if self._interval is None:
            return
        thread = _Background(self, self._interval)
        if self._threads.setdefault(os.getpid(), thread) is thread:  # one only, without a lock
            weakref.finalize(self, thread.enough.set)  # at the exit of the process at the latest
            thread.start()

    def stop(self) -> None:
        """End after the batch that is running, and wait for that; `start` begins again."""
        thread = self._threads.pop(os.getpid(), None)
        if thread is not None:
            thread.enough.set()
            if thread is not current_thread():
                thread.join()

    def prune(self, **options: Any) -> int:
        """Delete what has expired, now and here, and return how many sessions that were.

        `options` are those of `Options`. Raises what `prune_sessions` raises.
        """
        return prune_sessions(self._registry, **options).deleted

    def try_to_prune(self, stop: Stop) -> None:
        """Prune, and log what came of it; a failure that lasts is logged once."""
        try:
            deleted = self.prune(stop=stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next time it may be gone
            if not self._is_failing:
                log.warning("expired sessions are not deleted for now: %s", first_line(error))
            self._is_failing = True
        else:
            if self._is_failing:
                log.warning("expired sessions are deleted again")
            self._is_failing = False
            log.info("%s expired sessions deleted", deleted)


class _Background(Thread):
    """The thread of a pruner; it lives no longer than that, which need not be stopped."""

    def __init__(self, pruner: Pruner, interval: int) -> None:
        super().__init__(name="pyramid_sqlsession-pruner", daemon=True)
        self.enough = Event()
        self._interval = interval
        self._pruner = weakref.ref(pruner)

    def run(self) -> None:
        """Prune every interval; first after a part of it, as many processes start at once."""
        pause = self._interval * random.random()  # noqa: S311 - no secret
        while not self.enough.wait(pause):
            self._prune()
            pause = self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - no secret

    def _prune(self) -> None:
        pruner = self._pruner()
        if pruner is not None:  # it may end at any moment
            pruner.try_to_prune(self.enough)


def get_pruner(registry: Registry) -> Pruner:
    """Return the pruner of an application; raise `SQLSessionError` if it has other sessions."""
    pruner: Pruner = registry.get(PRUNER) or registry.setdefault(PRUNER, Pruner(registry))
    return pruner
