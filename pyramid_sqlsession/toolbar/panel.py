"""The panel, as the toolbar calls it."""

from __future__ import annotations

from typing import Any

from pyramid.request import Request
from pyramid_debugtoolbar.panels import DebugPanel

from pyramid_sqlsession.lifecycle import WHEN_OVER, Lifecycle
from pyramid_sqlsession.toolbar.account import Account, account_of
from pyramid_sqlsession.toolbar.statements import note_statements


class SQLSessionPanel(DebugPanel):  # type: ignore[misc]  # the toolbar is not annotated
    """Keeps what is told of the sessions of one request; it never looks at a session itself."""

    name = "sqlsession"
    template = "pyramid_sqlsession.toolbar:panel.dbtmako"
    title = "SQL session"
    nav_title = title
    has_content = True
    has_looked = False  # at a session, whether or not that can be shown

    def __init__(self, request: Request) -> None:
        self.accounts: list[Account] = []
        self.statements = note_statements(request)
        request.__dict__[WHEN_OVER] = self._take

    def _take(self, lifecycle: Lifecycle) -> None:
        self.has_looked = True
        self.accounts.append(account_of(lifecycle))

    @property
    def nav_subtitle(self) -> str:
        """One word for each session."""
        return ", ".join(account.summary for account in self.accounts)

    def render_vars(self, request: Request) -> dict[str, Any]:  # noqa: ARG002 - as the toolbar has it
        """Return what the template shows."""
        return {
            "accounts": self.accounts,
            "has_looked": self.has_looked,
            "statements": self.statements,
        }
