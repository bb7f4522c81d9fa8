"""The session id, which is the visitor's secret: new ones, their digest, form and signature."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets as random_source
from base64 import urlsafe_b64encode
from collections.abc import Sequence

_BYTES = 32
_PURPOSE = b"pyramid_sqlsession session id:"
_UNSIGNED = re.compile(r"[A-Za-z0-9_-]{43}")
_SIGNED = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")


class Hidden(str):
    """A text with a session id in it, which hides from error reports: they show the `repr`."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Show nothing."""
        return "<session id>"


class SessionId(Hidden):
    """What a browser holds, and what opens its session."""

    __slots__ = ()


def new_session_id() -> SessionId:
    """Return a new secret of 256 random bits: 43 url-safe characters."""
    return SessionId(random_source.token_urlsafe(_BYTES))


def digest(session_id: str) -> bytes:
    """Return the 32 bytes that the database holds in place of the session id."""
    return hashlib.sha256(session_id.encode()).digest()


def to_cookie(session_id: str, secrets: Sequence[str]) -> Hidden:
    """Return the value of the cookie, signed with the first secret; no secrets = unsigned."""
    if not secrets:
        return Hidden(session_id)
    return Hidden(f"{session_id}.{_signature(session_id, secrets[0])}")


def from_cookie(value: str, secrets: Sequence[str]) -> SessionId | None:
    """Return the session id in a cookie, or None when its form or its signature is wrong.

    No secrets means that only an unsigned cookie is right. Raises nothing, whatever comes in.
    """
    session_id = _from_signed(value, secrets) if secrets else _from_unsigned(value)
    return None if session_id is None else SessionId(session_id)


def _from_unsigned(value: str) -> str | None:
    return value if _UNSIGNED.fullmatch(value) else None


def _from_signed(value: str, secrets: Sequence[str]) -> str | None:
    match = _SIGNED.fullmatch(value)
    if match is None:
        return None
    session_id, signature = match.groups()
    return session_id if _is_signed_by_one_of(secrets, session_id, signature) else None


def _is_signed_by_one_of(secrets: Sequence[str], session_id: str, signature: str) -> bool:
    return any(
        hmac.compare_digest(_signature(session_id, secret), signature) for secret in secrets
    )


def _signature(session_id: str, secret: str) -> str:
    # The purpose keeps an application that signs other things with this secret apart from us.
    mac = hmac.new(secret.encode(), _PURPOSE + session_id.encode(), hashlib.sha256)
    return urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()
