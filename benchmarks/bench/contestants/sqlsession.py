"""Our own package, on the application's dbsession or an engine of its own."""

from __future__ import annotations

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Handling, Place
from benchmarks.bench.contestants.shape import finished, shaped

KEY = "k" * 42 + "A"


def make(place: Place) -> App:
    """Use the application's dbsession."""
    return including(place)


def apart(place: Place) -> App:
    """Use an engine of its own."""
    return including(place, **{"sqlsession.sqlalchemy.url": place["url"]})


def encrypted(place: Place) -> App:
    """Encrypt what sessions hold."""
    return including(place, **{"sqlsession.encryption_keys": KEY})


def repeating(place: Place) -> App:
    """Let pyramid_retry repeat what met a conflict."""
    return including(
        place, **{"sqlsession.on_conflict": "retry", "pyramid.includes": "pyramid_retry"}
    )


def including(place: Place, **settings: str) -> App:
    """Include this package; nothing is pruned meanwhile."""
    kept = {"sqlsession.create_table": "true", "sqlsession.prune_interval": "none"}
    config = shaped(place, Handling(), **kept, **settings)
    config.include("pyramid_sqlsession")
    return finished(config)
