"""Encryption at rest: a ring of keys seals the data of a row, and opens it in that row alone.

Sealed data is one byte that names this form, four that name the key, a nonce, the ciphertext and
its tag. The cipher is AES-256-GCM, which every build of `cryptography` has. Its random nonces are
safe for 2**32 messages of one key, which a busy site saves within months; so what encrypts is a
key derived for each session id, under which nobody saves so often. AES-GCM-SIV would do without,
but took twenty times as long for 20 kB, and is missing where OpenSSL is older than 3.2. The nonces
of ChaCha20-Poly1305 are as short, and where processors know AES it is slower.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import sha256

KEY_BYTES = 32

_FORM = b"\x01"  # no serialised session begins so, be it JSON or a pickle
_NAME_BYTES = 4
_NONCE_BYTES = 12
_TAG_BYTES = 16
_HEAD_BYTES = len(_FORM) + _NAME_BYTES
_DATA_BEGINS = _HEAD_BYTES + _NONCE_BYTES
# Whoever uses the same key for something else makes other keys and names of it.
_PURPOSE_OF_NAME = b"pyramid_sqlsession name of key:"
_PURPOSE_OF_KEY = b"pyramid_sqlsession data:"


class KeyRing:
    """Keys of 32 bytes each: the first seals, all open.

    Raises ImportError when the package `cryptography` is not installed.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        # Nobody else needs the package, which is an extra.
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand  # noqa: PLC0415

        self._invalid, self._cipher = InvalidTag, AESGCM
        self._expand, self._hash = HKDFExpand, SHA256()
        self._keys = {_head(key): key for key in keys}
        self._newest = _head(keys[0])

    def __repr__(self) -> str:
        """Show no key."""
        return f"<KeyRing of {len(self)}>"

    def __len__(self) -> int:
        """Count the keys that can be told apart."""
        return len(self._keys)

    def seal(self, data: bytes, *, digest: bytes, created: int) -> bytes:
        """Return the data of the row with this digest and time of creation, encrypted."""
        head, nonce = self._newest, os.urandom(_NONCE_BYTES)
        cipher = self._cipher(self._derived(self._keys[head], digest))
        return head + nonce + cipher.encrypt(nonce, data, _bound_to(head, digest, created))

    def open(self, sealed: bytes, *, digest: bytes, created: int) -> bytes | None:
        """Return what was sealed for this row; None for anything else."""
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES:_DATA_BEGINS]
        key = self._keys.get(head)
        if key is None or len(sealed) < _DATA_BEGINS + _TAG_BYTES:
            return None
        cipher = self._cipher(self._derived(key, digest))
        try:
            return cipher.decrypt(nonce, sealed[_DATA_BEGINS:], _bound_to(head, digest, created))
        except self._invalid:
            return None

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the key that is in use now has sealed this, or would be said to have."""
        return sealed.startswith(self._newest)

    def _derived(self, key: bytes, digest: bytes) -> bytes:
        return self._expand(self._hash, KEY_BYTES, _PURPOSE_OF_KEY + digest).derive(key)


def may_be_sealed(data: bytes) -> bool:
    """Whether this begins as sealed data does, under whatever key."""
    return data.startswith(_FORM)


def _head(key: bytes) -> bytes:
    return _FORM + sha256(_PURPOSE_OF_NAME + key).digest()[:_NAME_BYTES]


def _bound_to(head: bytes, digest: bytes, created: int) -> bytes:
    """Return what is authenticated beside the data: a row's own digest, and when it began.

    Both are known before a row is inserted, and stay until a save writes its data anew, unlike
    its public id and its last use. The version would add nothing: who can put back an older text
    can put back its number too.
    """
    return head + digest + b"%d" % created
