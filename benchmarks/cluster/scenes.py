"""What is done while visitors come, and on which servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

from benchmarks.cluster import galera, postgresql
from benchmarks.cluster.listening import Faithful
from benchmarks.load.databases import TABLES
from benchmarks.load.server import SHOP
from benchmarks.load.visiting import Visitor

FROZEN = 15.0  # seconds
LAG = 1.0  # seconds for which a standby hears nothing before its primary dies


def _none() -> int:
    return 0


@dataclass
class Stage:
    """Servers that run, and what may be done to them."""

    urls: list[str]  # of one application each
    break_it: Callable[[], None] | None  # while visitors come; None is nothing
    application: str = SHOP
    counting_url: str | None = None  # None for the last of the urls
    kind: type[Visitor] = Visitor
    refused: Callable[[], int] = _none  # transactions that collided with another node's
    differences: Callable[[], int] = _none  # tables that are not the same everywhere


Break = Callable[[galera.Cluster], None]
Scene = Callable[[], AbstractContextManager[Stage]]


@contextmanager
def on_galera(*, break_it: Break | None = None, suspect: int = 5) -> Iterator[Stage]:
    """Two applications on the first and the second of three nodes."""
    with galera.cluster(suspect) as cluster:
        yield _stage(cluster, 7, break_it, Visitor)


def _stage(
    cluster: galera.Cluster, wait: int, break_it: Break | None, kind: type[Visitor]
) -> Stage:
    return Stage(
        urls=[cluster.url(first, wait=wait) for first in (0, 1)],
        break_it=None if break_it is None else partial(break_it, cluster),
        application="benchmarks.cluster.application:serve()",
        counting_url=cluster.url(1, wait=7),
        kind=kind,
        refused=cluster.refused,
        differences=partial(cluster.differences, TABLES),
    )


def kill(number: int, cluster: galera.Cluster) -> None:
    """Let a node die."""
    cluster.refused()  # while it can be asked
    cluster.nodes[number].kill()


def freeze(cluster: galera.Cluster) -> None:
    """Let the first node stand still until the others have gone on without it, and return."""
    cluster.nodes[0].freeze(FROZEN)


@contextmanager
def on_galera_behind(*, wait: int, kind: type[Visitor] = Visitor) -> Iterator[Stage]:
    """The same while a batch job keeps all nodes busy, without a fault."""
    with galera.cluster() as cluster:
        over = threading.Event()
        job = threading.Thread(target=cluster.work, args=[over])
        job.start()
        try:
            yield _stage(cluster, wait, None, kind)
        finally:
            over.set()
            job.join()


@contextmanager
def on_postgresql(*, synchronous_commit: str) -> Iterator[Stage]:
    """Two applications on a primary, which dies a while after its standby heard the last of it."""
    with postgresql.pair(synchronous_commit) as pair:

        def fail_over() -> None:
            pair.primary.stop_sending()
            time.sleep(LAG)
            pair.primary.kill()
            pair.standby.promote()

        yield Stage(urls=[pair.url()] * 2, break_it=fail_over)


SCENES: dict[str, dict[str, Scene]] = {
    "galera": {
        "peace": on_galera,
        "other killed": partial(on_galera, break_it=partial(kill, 2)),
        "own killed": partial(on_galera, break_it=partial(kill, 0)),
        "own killed, 2 s": partial(on_galera, break_it=partial(kill, 0), suspect=2),
        "own frozen": partial(on_galera, break_it=freeze),
        "behind": partial(on_galera_behind, wait=7),
        "behind, wait 1": partial(on_galera_behind, wait=1),
        "behind, wait 0": partial(on_galera_behind, wait=0),
        "behind, wait 0, sticky": partial(on_galera_behind, wait=0, kind=Faithful),
    },
    "failover": {
        "on": partial(on_postgresql, synchronous_commit="on"),
        "remote_apply": partial(on_postgresql, synchronous_commit="remote_apply"),
        "local": partial(on_postgresql, synchronous_commit="local"),
    },
}
# What is run when nobody asks for another; some of those show what goes wrong without a setting.
USUAL = {
    "galera": ["other killed", "own killed"],
    "failover": ["on"],
}
