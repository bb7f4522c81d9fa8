"""Who is logged in: the part of a session whose change gives it a new id."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from pyramid_sqlsession.serializers import Serializer
from pyramid_sqlsession.watched_dict import content_of


class Logins:
    """Tells logins apart by the values of `rotate_on_change_of`."""

    def __init__(self, keys: Sequence[str], serializer: Serializer) -> None:
        self._keys = keys
        self._serializer = serializer

    def of(self, values: Mapping[str, Any]) -> Hashable:
        """Return the login; where two are unequal, `differ` tells whether they really are."""
        login = {key: values[key] for key in self._keys if key in values}
        return (content_of(login) or self._serializer.dumps(login)) if login else b""

    def differ(self, old: bytes, new: bytes) -> bool:
        """Whether two serialised sessions have another login, however it is written."""
        return self._dumped(old) != self._dumped(new)

    def _dumped(self, data: bytes) -> bytes:
        values = self._serializer.loads(data)
        return self._serializer.dumps({key: values[key] for key in self._keys if key in values})
