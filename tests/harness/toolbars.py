"""The developers' toolbar, which hears every statement of the process once it is imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pyramid_debugtoolbar.panels import sqla
from sqlalchemy import Engine, event

HEARS = (
    *("before_cursor_execute", "after_cursor_execute", "begin", "commit", "rollback"),
    *("savepoint", "rollback_savepoint", "release_savepoint"),
    *("begin_twophase", "prepare_twophase", "commit_twophase", "rollback_twophase"),
)


@contextmanager
def listening_toolbar() -> Iterator[None]:
    """Let it hear statements meanwhile only: requests are not the same when somebody listens."""
    for name in HEARS:
        event.listen(Engine, name, getattr(sqla, f"_{name}"))
    try:
        yield
    finally:
        _stop_listening()


def _stop_listening() -> None:
    for name in HEARS:
        event.remove(Engine, name, getattr(sqla, f"_{name}"))


_stop_listening()
