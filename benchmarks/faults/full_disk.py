"""The disk is full, with SQLite on it; then there is room again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.faults.fault import Fault, Scene

SIZE = "16m"
FULL = 4.0  # seconds
BLOCK = bytes(4096)


class FullDisk(Fault):
    """What cannot be written is refused, what can be read is read."""

    databases = ("sqlite",)
    careless = "answers"  # which say that all went well

    def strike(self, scene: Scene) -> None:
        """Fill what is left, and give it back, twice."""
        ballast = Path(scene.url.removeprefix("sqlite:///")).with_name("ballast")
        for share in (0.2, 0.5):
            scene.budget.wait_for(share)
            with scene.breaking():
                fill(ballast)
                ballast.unlink()


def fill(ballast: Path) -> None:
    """Leave no room for a while, whatever else is freed meanwhile."""
    end = time.monotonic() + FULL
    with ballast.open("ab", buffering=0) as file:
        while time.monotonic() < end:
            with suppress(OSError):
                while file.write(BLOCK):
                    pass
            time.sleep(0.01)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Lend a disk of a few megabytes; whoever is not root runs it all with `unshare -rm`."""
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)
