"""The threads that prune in the background, of whatever application."""

from __future__ import annotations

from threading import enumerate as all_threads

from pyramid_sqlsession.pruner import _Background


def running() -> list[_Background]:
    """Return the threads that prune in this process."""
    return [thread for thread in all_threads() if isinstance(thread, _Background)]


def end() -> None:
    """End them, and wait for that."""
    for thread in running():
        thread.enough.set()
        thread.join()
