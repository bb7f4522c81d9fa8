"""The column `data`: what it takes for a serialised session, and what that is when it comes back.

This is where data is encrypted. Above, in the session and its record, it is compared as it was
serialised; encrypted, it would never be the same twice.
"""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from sqlalchemy import JSON, Column, inspect

from pyramid_sqlsession.encryption import KeyRing
from pyramid_sqlsession.exceptions import SettingsError
from pyramid_sqlsession.model import python_type
from pyramid_sqlsession.serializers import Serializer, SortingSerializer, sorted_json


class Unopened(bytes):
    """What a column holds that no key opens, as it stands there."""

    __slots__ = ()


class DataColumn:
    """The column of one mapped class; without `keys` it holds what was serialised.

    Raises `SettingsError` when it cannot hold what is encrypted.
    """

    def __init__(self, model: type[Any], keys: KeyRing | None) -> None:
        column = inspect(model).columns["data"]
        self.bound = _binding(column)  # what would be written if nothing were encrypted
        self.keys = keys
        self._is_binary = self.bound is bytes
        self._is_json = self.bound is json.loads
        self._name = f"the column {column.name!r} of {model!r}"
        if keys is not None and self._is_json:
            raise SettingsError(
                f"sqlsession.encryption_keys: {self._name} is JSON, which cannot hold what is "
                "encrypted: map a binary or a text column, or remove the keys"
            )

    def suited(self, serializer: Serializer) -> Serializer:
        """Return a serializer like this one whose bytes the column takes.

        Raises `SettingsError` when there is none.
        """
        try:
            self.bound(serializer.dumps({}))
        except ValueError as error:
            raise SettingsError(
                f"sqlsession.serializer: what it writes is not "
                f"{'JSON' if self._is_json else 'text'}, and {self._name} takes nothing else: map "
                "a binary column"
            ) from error
        return SortingSerializer(serializer) if self._is_json else serializer

    def value(self, data: bytes, *, digest: bytes, created: int) -> Any:
        """Return what is written for serialised data into the row that these facts identify."""
        if self.keys is None:
            return self.bound(data)
        sealed = self.keys.seal(data, digest=digest, created=created)
        return sealed if self._is_binary else b64encode(sealed).decode()

    def data(self, value: Any, *, digest: bytes, created: int) -> bytes:
        """Return the serialised data that such a row holds, `Unopened` when no key opens it."""
        if self.keys is None:
            return _bytes(value)
        opened = self.keys.open(self.sealed(value), digest=digest, created=created)
        return Unopened(_bytes(value)) if opened is None else opened

    def sealed(self, value: Any) -> bytes:
        """Return the sealed data that a value stands for; nothing when it cannot be any."""
        if self._is_binary:
            return _bytes(value)
        try:
            return b64decode(_bytes(value), validate=True)
        except binascii.Error:
            return b""


def _binding(column: Column[Any]) -> Callable[[bytes], Any]:
    """Return what makes of serialised data the value that the column takes."""
    if python_type(column) is bytes:
        return bytes
    return json.loads if isinstance(column.type, JSON) else bytes.decode


def _bytes(data: Any) -> bytes:
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    return sorted_json(data)  # the column is JSON
