"""pyramid_session_redis: sessions in Redis."""

from __future__ import annotations

from pyramid_session_redis import session_factory_from_settings

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Handling, Place
from benchmarks.bench.contestants.shape import finished, shaped


def make(place: Place) -> App:
    """Have the cookie signed, and everything else as it is by default."""
    config = shaped(place, Handling())
    settings = {
        "redis.sessions.secret": "a secret of the benchmark",
        "redis.sessions.redis_url": place["redis"],
    }
    config.set_session_factory(session_factory_from_settings(settings))
    return finished(config)
