"""What of a page is to be searched."""

from __future__ import annotations

import html

PANEL = 'id="pDebugPanel-'


def searchable(page: str) -> str:
    """A page without escapes; of one of the toolbar for developers our panel alone.

    Other panels of it show headers, the cookie among them, and statements with their values.
    """
    panel = our_panel(page)
    return html.unescape(page if panel is None else panel)


def our_panel(page: str) -> str | None:
    """What a page of the toolbar has in our panel; None where there is none."""
    _, found, rest = page.partition(f'{PANEL}sqlsession-content"')
    return rest.partition(PANEL)[0] if found else None
