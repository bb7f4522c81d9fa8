"""A small shop that shows what pyramid_sqlsession is for."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Return the WSGI application that `development.ini` describes."""
    with Configurator(settings=settings) as config:
        config.include("pyramid_jinja2")
        config.include(".models")
        config.include("pyramid_sqlsession")
        config.include(".security")
        config.include(".cart")
        config.include(".routes")
        config.include(".views")
    return config.make_wsgi_app()
