"""pyramid_beaker, with Beaker's sessions in the database."""

from __future__ import annotations

import tempfile
from typing import Any

from pyramid_beaker import session_factory_from_settings

from benchmarks.bench.asking import App
from benchmarks.bench.contestants.pages import Handling, Place
from benchmarks.bench.contestants.shape import finished, shaped


def refresh(request: Any) -> None:
    """Note the access at each request, as is Beaker's default."""
    request.session.__dict__["_params"]["save_accessed_time"] = True


def make(place: Place) -> App:
    """Store them by `ext:database`, which has an engine of its own."""
    config = shaped(place, Handling(refresh=refresh))
    settings = {
        "session.type": "ext:database",
        "session.url": place["url"],
        "session.key": "session",
        "session.secret": "a secret of the benchmark",
        "session.lock_dir": tempfile.gettempdir(),
        "session.save_accessed_time": "false",  # for the sake of m, see `refresh`
    }
    config.set_session_factory(session_factory_from_settings(settings))
    return finished(config)
