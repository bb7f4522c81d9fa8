"""A panel for pyramid_debugtoolbar: what the session did in each request, and why.

debugtoolbar.includes = pyramid_sqlsession.toolbar
"""

from __future__ import annotations

from pyramid.config import Configurator

from pyramid_sqlsession.toolbar.panel import SQLSessionPanel
from pyramid_sqlsession.toolbar.statements import listen

__all__ = ["SQLSessionPanel", "includeme"]


def includeme(config: Configurator) -> None:
    """Add the panel to the toolbar, which includes this when its application is made."""
    listen()
    config.add_debugtoolbar_panel(SQLSessionPanel)
