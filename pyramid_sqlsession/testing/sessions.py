"""The session of a visitor, begun without a form and looked at from the test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyramid.registry import Registry
from pyramid.request import Request

from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.factory import factory_of
from pyramid_sqlsession.session import SQLSession
from pyramid_sqlsession.settings import SessionSettings
from pyramid_sqlsession.testing.visits import Browser, registry_behind, saving, visit


def begin_session(
    testapp: Browser,
    data: Mapping[str, Any] | None = None,
    *,
    expiration: int | None = None,
    registry: Registry | None = None,
) -> SQLSession:
    """Begin a session that holds `data`, have `testapp` keep its cookie, and return it.

    It is saved as if a view had filled it: columns of the application are filled, and events are
    sent. Where the requests of a test share a transaction it is written into that one, elsewhere
    it is committed. `expiration` is an idle life of its own in seconds, None for that of the
    settings. The session that the visitor had before does not end, but `testapp` forgets its
    cookie. `registry` is that of the application, None to find it behind `testapp`. Raises
    `UnstorableValueError` for data that cannot be stored; `SQLSessionError` when no application
    with our session factory is found, or when `testapp` or the database refuses the session.
    """

    def begin(request: Request) -> SQLSession:
        with saving(request):
            session: SQLSession = request.session
            session.update(data or {})
            session.set_expiration(expiration)
            session.changed()  # it shall have a row though it be empty
        return session

    registry = registry or registry_behind(testapp)
    settings = factory_of(registry).settings
    _forget_cookies(testapp, settings.cookie_name)
    begun = visit(testapp, registry, begin)
    if begun.id is None:
        raise SQLSessionError("the session could not be saved; the log tells why")
    if session_of(testapp, registry=registry) is None:
        raise _refused(settings)
    return begun


def _forget_cookies(testapp: Browser, name: str) -> None:
    for cookie in [one for one in testapp.cookiejar if one.name == name]:
        testapp.cookiejar.clear(cookie.domain, cookie.path, cookie.name)


def _refused(settings: SessionSettings) -> SQLSessionError:
    return SQLSessionError(
        f"the TestApp does not send back the cookie {settings.cookie_name!r}, whose domain is "
        f"{settings.cookie_domain!r}: let it ask a host of that domain, as "
        "TestApp(app, extra_environ={'HTTP_HOST': 'www.example.com'}) does"
    )


def session_of(testapp: Browser, *, registry: Registry | None = None) -> SQLSession | None:
    """Return the visitor's session as the database holds it now, None when there is none.

    Its `id` is the public id. To look is no use of the session, and what is changed in it is not
    saved. A cookie that opens nothing, such as that of an expired session, is told to subscribers
    of `UnknownSessionId`. `registry` is that of the application, None to find it behind
    `testapp`. Raises `SQLSessionError` when no application with our session factory is found.
    """

    def look(request: Request) -> SQLSession | None:
        session: SQLSession = request.session
        session.skip_touch()
        return None if session.new else session

    # Secure cookies are sent by https only, all others by https too.
    environ = {"wsgi.url_scheme": "https"}
    return visit(testapp, registry or registry_behind(testapp), look, **environ)
