"""The clock of the application jumps an hour ahead and back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from sqlalchemy import Engine, text

from benchmarks.faults.application import CLOCK
from benchmarks.faults.fault import Fault, Scene
from benchmarks.load.application import VARIANTS, make_engine, table_of
from benchmarks.load.http import Wires
from benchmarks.load.journal import Cookie

HOUR = 3600
JUMPS = (HOUR, 0, -HOUR, 0, HOUR, -HOUR, 0)
STAY = 0.8  # seconds between two jumps
EXPIRATION = 2 * HOUR
LONG_AGO = 6 * HOUR
OLD_SESSIONS = 40

FACTS = ("accessed", "version")
Seen = dict[tuple[str, int, int], tuple[int, ...]]


class JumpingClock(Fault):
    """Sessions that ended long ago stay so, living ones live, and no time moves backwards."""

    careless = "times"  # which are written as they come
    fails = False

    def __init__(self) -> None:
        self._old: list[Cookie] = []

    def told(self, scene: Scene) -> Mapping[str, str]:
        """Tell where the clock is."""
        return {CLOCK: str(_offset(scene))}

    def begin(self, scene: Scene) -> None:
        """Serve, and let some sessions be so old that they have ended."""
        _offset(scene).write_text(str(-LONG_AGO))
        settings = {"sqlsession.expiration": EXPIRATION}
        server = scene.serve(scene.stack, self, **settings)
        wires = Wires([server.port])
        for number in range(OLD_SESSIONS):
            variant = VARIANTS[number % len(VARIANTS)]
            answer = wires.send(f"/{variant}/add?key=old&token=old.{number}", None)
            assert answer.cookie
            self._old.append((variant, answer.cookie))
        _offset(scene).write_text("0")

    def strike(self, scene: Scene) -> None:
        """Move it, again and again, and watch the rows."""
        scene.budget.wait_for(0.1)
        engine, seen = make_engine(scene.url), Seen()
        with ExitStack() as stack:
            stack.callback(engine.dispose)
            for offset in JUMPS:
                _set(_offset(scene), offset)
                end = time.monotonic() + STAY
                while time.monotonic() < end:
                    scene.seen.extend(_moved_back(engine, seen))
                    time.sleep(0.02)

    def ended(self) -> Iterable[Cookie]:
        """Return those that ended long ago."""
        return self._old


def _offset(scene: Scene) -> Path:
    return scene.folder / "clock"


def _set(path: Path, offset: int) -> None:
    """Replace it at once: it is read all the time."""
    new = path.with_suffix(".new")
    new.write_text(str(offset))
    new.replace(path)


def _moved_back(engine: Engine, seen: Seen) -> list[str]:
    """Look at all rows, and tell of what was greater before."""
    found: list[str] = []
    with engine.connect() as connection:
        for variant in VARIANTS:
            query = text(f"SELECT id, created, {', '.join(FACTS)} FROM {table_of(variant)}")
            for number, created, *facts in connection.execute(query):
                before = seen.get((variant, number, created), facts)
                seen[variant, number, created] = tuple(facts)
                found.extend(
                    f"{name} was moved back"
                    for name, old, new in zip(FACTS, before, facts, strict=True)
                    if new < old
                )
    return found
