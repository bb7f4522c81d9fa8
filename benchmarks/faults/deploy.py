"""Two deploys in which old and new processes with different settings serve the same sessions."""

from __future__ import annotations

import time
from contextlib import ExitStack

from benchmarks.faults.fault import REST, Fault, Scene
from benchmarks.load.life import Life, id_of
from benchmarks.load.visiting import Visitor

OLD, NEW = "the-old-secret-of-the-shop", "the-new-secret-of-the-shop"

FIRST = {"sqlsession.secret": OLD}
SECOND = {
    "sqlsession.secret": f"{OLD}\n{NEW}",
    "sqlsession.expiration": "2h",
    "sqlsession.touch_interval": "1m",
    "sqlsession.cookie_max_age": "14d",
    "sqlsession.on_conflict": "retry",
}
THIRD = {
    "sqlsession.secret": f"{NEW}\n{OLD}",
    "sqlsession.expiration": "none",
    "sqlsession.touch_interval": "0",
    "sqlsession.absolute_expiration": "30d",
}
AT_ONCE = {**THIRD, "sqlsession.expiration": "2h"}  # signs what the first does not know


class Keeper(Visitor):
    """Takes a cookie that is sent again, in whatever signature."""

    def _take(self, life: Life, cookie: str) -> None:
        """Wonder at another id only."""
        if id_of(cookie) == id_of(life.cookie):
            life.cookies[-1] = cookie
        else:
            super()._take(life, cookie)


class Deploy(Fault):
    """Nobody notices anything."""

    visitor = Keeper
    careless = "secrets"  # of which the newest is put in front before all processes know it
    fails = False

    def begin(self, scene: Scene) -> None:
        """Serve the first."""
        self._old = scene.stack.enter_context(ExitStack())
        scene.serve(self._old, self, **FIRST)

    def strike(self, scene: Scene) -> None:
        """Replace it by the second, and that by the third."""
        for share, settings in (
            (0.1, AT_ONCE if scene.careless else SECOND),
            (0.5, THIRD),
        ):
            scene.budget.wait_for(share)
            new = scene.stack.enter_context(ExitStack())
            with scene.budget.closed():  # or little would be left of the load
                scene.serve(new, self, **settings)
            scene.budget.wait_for(share + 0.3)  # both serve
            scene.ports.pop(0)
            time.sleep(REST)
            scene.servers.pop(0)
            self._old.close()
            self._old = new
