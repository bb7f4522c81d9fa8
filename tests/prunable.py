"""Applications that .ini files of the tests name."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from pyramid.config import Configurator

from pyramid_sqlsession.events import SessionsPruned


def main(_globals: dict[str, Any], **settings: Any) -> Any:
    """Return an application with sessions on an engine of their own."""
    config = Configurator(settings=settings)
    config.include("pyramid_tm")
    config.include("pyramid_sqlsession")
    if "tests.tell" in settings:
        config.add_subscriber(tell, SessionsPruned)
    config.add_route("home", "/")
    config.add_view(visit, route_name="home", renderer="json")
    return config.make_wsgi_app()


def visit(request: Any) -> int:
    """Tell the process."""
    request.session["visits"] = request.session.get("visits", 0) + 1
    return os.getpid()


def tell(event: SessionsPruned) -> None:
    """Tell the process into the log of the server."""
    sys.stderr.write(f"pruned by {os.getpid()}\n")


def through(_globals: dict[str, Any]) -> Callable[[Any], Any]:
    """Return a filter that hides the application behind a function."""
    return lambda app: partial(_call, app)


def _call(app: Any, environ: Any, start_response: Any) -> Any:
    return app(environ, start_response)


def broken(_globals: dict[str, Any], **settings: Any) -> Any:
    """Fail as applications do that miss a setting."""
    return settings["absent.setting"]
