"""Requests over connections that are kept, and a cookie jar for one cookie."""

from __future__ import annotations

import json
import random
import select
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from http.cookies import SimpleCookie
from typing import Any

PATIENCE = 60.0  # seconds for one answer


@dataclass(frozen=True)
class Answer:
    """What a server said; `cookie` is the session's: empty when deleted, None when untouched."""

    status: int
    body: Any
    cookie: str | None

    @property
    def is_good(self) -> bool:
        """Whether the request was acknowledged."""
        return self.status == HTTPStatus.OK


class Wire:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def send(self, path: str, cookie: str | None) -> Answer:
        """Send a request; raise `OSError` when there is no answer."""
        headers = {"Cookie": f"session={cookie}"} if cookie else {}
        if self._was_hung_up():
            self._connection.close()
        try:
            self._connection.request("POST", path, headers=headers)
            response = self._connection.getresponse()
            text = response.read()
        except HTTPException as error:
            self._connection.close()
            raise ConnectionError from error
        except OSError:
            self._connection.close()
            raise
        body = json.loads(text) if response.status == HTTPStatus.OK else None
        return Answer(response.status, body, _session_cookie(response.headers.get("Set-Cookie")))

    def _was_hung_up(self) -> bool:
        """Whether the other end has closed a connection that was kept; a request would be lost."""
        kept = self._connection.sock
        return kept is not None and bool(select.select([kept], [], [], 0)[0])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()


def _session_cookie(header: str | None) -> str | None:
    morsel = SimpleCookie(header or "").get("session")
    return None if morsel is None else morsel.value


class Wires(threading.local):
    """Connections for each thread that asks, to ports that may change meanwhile."""

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._wires: dict[int, Wire] = {}

    def send(self, path: str, cookie: str | None) -> Answer:
        """Send a request to one of the ports; one that got no answer is answered with status 0."""
        port = random.choice(self._ports)
        wire = self._wires.setdefault(port, Wire(port))
        try:
            return wire.send(path, cookie)
        except OSError:
            return Answer(0, None, None)
