"""A small guest book in the shape that the Pyramid cookiecutter gives to applications."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator


def main(global_config: dict[str, str], **settings: Any) -> Any:
    """Make the WSGI application, as `pserve development.ini` does."""
    with Configurator(settings=settings) as config:
        config.include(".models")
        config.include("pyramid_sqlsession")
        config.include(".routes")
        config.scan(".views")
    return config.make_wsgi_app()
