"""The session's cookie, read from requests and set on responses."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from pyramid.request import Request
from webob.cookies import make_cookie
from webob.request import BaseRequest

from pyramid_sqlsession.session_id import from_cookie, to_cookie
from pyramid_sqlsession.settings import SessionSettings

log = logging.getLogger(__name__)

Headers = list[tuple[str, str]]

BEHIND_A_PROXY = {
    *("HTTP_FORWARDED", "HTTP_VIA", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST"),
    *("HTTP_X_FORWARDED_PROTO", "HTTP_X_REAL_IP"),
}
NOT_SHARED = {"private", "no-store", "no-cache"}


class CookieValue(NamedTuple):
    """What a cookie says and for how many seconds; None for as long as the browser runs."""

    value: str
    max_age: int | None


FORGET = CookieValue("", 0)


class SessionCookie:
    """Reads, sets and deletes the cookie that holds the session id."""

    def __init__(self, settings: SessionSettings) -> None:
        self._name = settings.cookie_name
        self._ours = re.compile(rf"(?:^|;)[ \t]*{re.escape(self._name)}[ \t]*=([^;]*)")
        self._secrets = settings.secret
        self._secure = settings.cookie_secure
        self._max_age = settings.cookie_max_age
        possible = (True, False) if self._secure is None else (self._secure,)
        self._attributes = {secure: _attributes(settings, secure) for secure in possible}
        self._warned_of_public = self._warned_of_proxy = False

    def read(self, request: Request) -> list[str]:
        """Return the session ids that the request carries, none malformed, each once."""
        found: dict[str, None] = {}
        for value in self.values(request):
            session_id = from_cookie(value, self._secrets)
            if session_id is not None:
                found[session_id] = None
        return list(found)

    def values(self, request: Request) -> list[str]:
        """Return what the cookies of our name hold, whatever that is."""
        header = getattr(request, "environ", {}).get("HTTP_COOKIE")
        if header is not None:
            return self._values_in(header) if self._name in header else []
        # There is none; but in a request that tests make up, they may be a plain dict.
        value = None if isinstance(request, BaseRequest) else request.cookies.get(self._name)
        return [value] if isinstance(value, str) else []

    def _values_in(self, header: str) -> list[str]:
        """Split where browsers join.

        WebOb also finds a cookie within the value of another one, which a sibling domain may set
        when it may not set ours, and none within quotes, which it may put around ours.
        """
        return [value.strip(' \t"') for value in self._ours.findall(header)]

    def value(self, session_id: str, lifetime: int | None) -> CookieValue:
        """Return the cookie of a session; `lifetime` is its own, in seconds, None for none."""
        return CookieValue(to_cookie(session_id, self._secrets), self.max_age(lifetime))

    def max_age(self, lifetime: int | None) -> int | None:
        """Return for how many seconds the browser keeps it, None for as long as it runs."""
        return self._max_age if lifetime is None else lifetime

    def tell(self, request: Request, response: Any, cookie: CookieValue | None) -> None:
        """Set the cookie in place of one of ours that the response has; None sets none."""
        headers = [header for header in response.headerlist if not self._is_ours(*header)]
        if cookie is not None:
            headers.append(("Set-Cookie", self._header(request, cookie)))
            self._keep_from_shared_caches(headers)
        response.headerlist = headers

    def _is_ours(self, name: str, value: str) -> bool:
        return name.lower() == "set-cookie" and value.startswith(f"{self._name}=")

    def _header(self, request: Request, cookie: CookieValue) -> str:
        secure = self._secure
        if secure is None:
            secure = getattr(request, "scheme", "http") == "https"
            if not secure and not self._warned_of_proxy:
                self._warn_of_proxy(getattr(request, "environ", {}))
        header = f"{self._name}={cookie.value}{self._attributes[secure]}"
        # WebOb's own max_age brings an Expires, from a clock that Python 3.12 warns of.
        return header if cookie.max_age is None else f"{header}; Max-Age={cookie.max_age}"

    def _warn_of_proxy(self, environ: Mapping[str, Any]) -> None:
        if _was_passed_on(environ):
            self._warned_of_proxy = True
            log.warning(
                "a proxy has passed on a request as plain http: the cookie %r is sent without "
                "Secure. If visitors come by https, let the proxy say so and the server heed it, "
                "or set sqlsession.cookie_secure = true",
                self._name,
            )

    def _keep_from_shared_caches(self, headers: Headers) -> None:
        directives = _items(headers, "cache-control")
        names = {directive.split("=")[0].strip().lower() for directive in directives}
        if names & NOT_SHARED:
            return
        if "public" not in names:
            _replace(headers, "Cache-Control", [*directives, "private"])
        elif not self._warned_of_public:
            self._warned_of_public = True
            log.warning(
                "a response with 'Cache-Control: public' sets the cookie %r: a shared cache may "
                "hand one visitor's session to others",
                self._name,
            )


def _attributes(settings: SessionSettings, secure: bool) -> str:
    """Return what follows the value of each cookie; the value needs no quotes."""
    attributes: dict[str, Any] = {
        "path": settings.cookie_path,
        "domain": settings.cookie_domain,
        "httponly": settings.cookie_httponly,
        "samesite": settings.cookie_samesite,
    }
    header: str = make_cookie(settings.cookie_name, "", secure=secure, **attributes)
    return header.partition("=")[2]


def _was_passed_on(environ: Mapping[str, Any]) -> bool:
    """Whether a proxy says so, or a browser that comes from a page of ours by https.

    Servers may remove what a proxy says when they do not trust it: waitress does.
    """
    if not BEHIND_A_PROXY.isdisjoint(environ):
        return True
    if environ.get("HTTP_SEC_FETCH_SITE") != "same-origin":
        return False
    pages = (environ.get("HTTP_ORIGIN", ""), environ.get("HTTP_REFERER", ""))
    return any(page.startswith("https:") for page in pages)


def vary_by_cookie(response: Any) -> None:
    """Tell caches that the response depends on the cookie."""
    headers = list(response.headerlist)
    names = _items(headers, "vary")
    if not {"*", "cookie"}.intersection(map(str.lower, names)):
        _replace(headers, "Vary", [*names, "Cookie"])
        response.headerlist = headers


def _items(headers: Headers, name: str) -> list[str]:
    values = [value for key, value in headers if key.lower() == name]
    items = [item.strip() for value in values for item in value.split(",")]
    return [item for item in items if item]


def _replace(headers: Headers, name: str, items: list[str]) -> None:
    if len(items) > 1:
        headers[:] = [header for header in headers if header[0].lower() != name.lower()]
    headers.append((name, ", ".join(items)))
