"""The setting `encryption_keys`: each key is exactly as long as it must be."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Sequence
from typing import Any

from pyramid_sqlsession.converters import Converter, Refused, one_a_line
from pyramid_sqlsession.encryption import KEY_BYTES, KeyRing

# Of the last of 43 characters two bits are to spare; any but zeros are a slip of the hand.
_ENCRYPTION_KEY = re.compile(r"([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])=?")


def _encryption_keys(value: Any) -> KeyRing:
    texts = one_a_line(value)
    if not texts:
        raise Refused("it holds no key")
    ring = _key_ring([_encryption_key(text) for text in texts])
    if len(ring) < len(texts):
        raise Refused("two keys in it are the same, or cannot be told apart: make another")
    return ring


def _encryption_key(text: str) -> bytes:
    match = _ENCRYPTION_KEY.fullmatch(text)
    if match is None:
        raise Refused(f"a key in it is not {KEY_BYTES} bytes in url-safe base64")
    return urlsafe_b64decode(f"{match[1]}=")


def _key_ring(keys: Sequence[bytes]) -> KeyRing:
    try:
        return KeyRing(keys)
    except ImportError as error:
        raise Refused(
            "the package cryptography cannot be imported: pip install "
            '"pyramid_sqlsession[encryption]"'
        ) from error


ENCRYPTION_KEYS = Converter(
    f"one or more keys of {KEY_BYTES} bytes in url-safe base64, one a line or in a list, as made "
    f'by python -c "import secrets; print(secrets.token_urlsafe({KEY_BYTES}))"',
    _encryption_keys,
)
