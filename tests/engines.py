"""Engines that a test cannot reach by name, to look at them and to end them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, event

from tests.harness.statements import PROBE


@contextmanager
def connecting_engines() -> Iterator[list[Engine]]:
    """Collect the engines that connect meanwhile, and dispose of them in the end."""
    engines: list[Engine] = []

    def note(connection: Connection) -> None:
        if PROBE not in connection.get_execution_options():  # those of the harness stay
            engines.append(connection.engine)

    event.listen(Engine, "engine_connect", note)
    try:
        yield engines
    finally:
        event.remove(Engine, "engine_connect", note)
        for engine in engines:
            engine.dispose()
