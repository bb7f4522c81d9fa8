"""Who is logged in: the session says so."""

from __future__ import annotations

from pyramid.authentication import SessionAuthenticationHelper
from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.security import Allowed, Denied

from sqlsession_demo.models import User


class SecurityPolicy:
    """Log in and out by the session; every permission is granted to every user."""

    def __init__(self) -> None:
        self._helper = SessionAuthenticationHelper()

    def identity(self, request: Request) -> User | None:
        """Return the user who is logged in, None for a guest."""
        name: str | None = self._helper.authenticated_userid(request)
        if name is None:
            return None
        user: User | None = request.dbsession.get(User, name)
        return user

    def authenticated_userid(self, request: Request) -> str | None:
        """Return the name of the user who is logged in, None for a guest."""
        user = self.identity(request)
        return None if user is None else user.name

    def permits(self, request: Request, context: object, permission: str) -> Allowed | Denied:
        """Grant `permission` to whoever is logged in."""
        if self.identity(request) is None:
            return Denied("nobody is logged in")
        return Allowed("somebody is logged in")

    def remember(self, request: Request, userid: str, **options: object) -> list[tuple[str, str]]:
        """Note in the session that `userid` is logged in; there are no headers to send."""
        headers: list[tuple[str, str]] = self._helper.remember(request, userid, **options)
        return headers

    def forget(self, request: Request, **options: object) -> list[tuple[str, str]]:
        """End the session, cart and all; there are no headers to send."""
        request.session.invalidate()
        return []


def includeme(config: Configurator) -> None:
    """Use the policy, and ask every POST for a CSRF token."""
    config.set_security_policy(SecurityPolicy())
    config.set_default_csrf_options(require_csrf=True)
