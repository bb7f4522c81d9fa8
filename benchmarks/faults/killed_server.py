"""The database server is killed with SIGKILL and started again, under load and in the quiet."""

from __future__ import annotations

import time

from benchmarks.faults.fault import Fault, Scene

OUTAGE = 1.0  # seconds


class KilledServer(Fault):
    """Each process must find, with its next request, that its connections broke."""

    databases = ("postgresql", "mariadb")
    careless = "commits"  # not on the disk when they are acknowledged

    def strike(self, scene: Scene) -> None:
        """Kill it under load twice, and once while nobody comes."""
        for share in (0.2, 0.4):
            scene.budget.wait_for(share)
            with scene.breaking():
                restart(scene)
        scene.budget.wait_for(0.6)
        with scene.budget.closed():
            restart(scene)


def restart(scene: Scene) -> None:
    """Kill and start it."""
    assert scene.instance is not None
    scene.instance.kill()
    time.sleep(OUTAGE)
    scene.instance.start()
