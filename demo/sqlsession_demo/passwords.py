"""Passwords are kept as salted scrypt hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def hash_password(password: str) -> str:
    """Return a hash of `password` with a salt of its own, as text to store."""
    salt = secrets.token_bytes(16)
    return f"{salt.hex()}${_scrypt(password, salt).hex()}"


def password_matches(password: str, stored: str) -> bool:
    """Tell whether `stored`, made by `hash_password`, was made from `password`."""
    salt, expected = (bytes.fromhex(part) for part in stored.split("$"))
    return hmac.compare_digest(_scrypt(password, salt), expected)


def _scrypt(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)
