"""A process of the server is killed with SIGKILL when all is flushed, before the commit."""

from __future__ import annotations

import time

from benchmarks.faults.application import DIE
from benchmarks.faults.fault import Fault, Scene
from benchmarks.load.life import Life
from benchmarks.load.visiting import Visitor

DEATHS = 0.02  # of the turns
LAST = 0.8  # of the load; then it must recover


class Killer(Visitor):
    """Sends, now and then, a request whose process dies of it."""

    def _work(self, life: Life) -> bool:
        """Change nothing in the end, neither the session nor the application's data."""
        if self._choose.random() > DEATHS or self._budget.share > LAST:
            return super()._work(life)
        token = next(self._tokens)
        what = self._choose.choice([f"add?key={token}&", "login?", "logout?"])
        asked = time.monotonic()
        (answer,) = self._ask(life.cookie, [f"{what}token={token}&{DIE}"])
        self.journal.spells.append((asked - 1, time.monotonic()))
        self.journal.refused.append(token)
        life.removed.add(token)
        if answer.status != 0:
            self.journal.strange.append("a dead process has answered")
        return True


class KilledWorker(Fault):
    """What else that process was about is done as a whole or not at all."""

    visitor = Killer
    careless = "deaths"  # that come when it is committed

    def strike(self, scene: Scene) -> None:
        """Leave it to the visitors."""
