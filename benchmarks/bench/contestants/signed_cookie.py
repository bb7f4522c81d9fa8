"""Pyramid's own sessions, which are in the cookie."""

from __future__ import annotations

from pyramid.session import SignedCookieSessionFactory

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Handling, Place
from benchmarks.bench.contestants.shape import finished, shaped


def make(place: Place) -> App:
    """Sign with a secret."""
    config = shaped(place, Handling())
    config.set_session_factory(SignedCookieSessionFactory("a secret of the benchmark"))
    return finished(config)
