"""The session as views see it: a dict of plain data, and what they may ask of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyramid.interfaces import ISession
from zope.interface import implementer

from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.watched_dict import WatchedDict

FLASH = "_f_"
CSRF = "_csrft_"


@dataclass
class State:
    """What is known of a session besides its data."""

    created: int
    accessed: int
    limits: Limits
    on_invalidate: Callable[[], None]
    new: bool = True
    id: int | None = None
    lifetime: int | None = None
    forced: int = 0  # how often changed() was called
    rotations: int = 0  # how often regenerate_id() was called
    is_use: bool = True  # no skip_touch() was called

    def begin_anew(self, now: int) -> None:
        """Be the state of a session that begins now."""
        self.created = self.accessed = now
        self.new, self.id, self.lifetime = True, None, None
        self.forced = self.rotations = 0


@implementer(ISession)
class SQLSession(WatchedDict):
    """A visitor's session, readable for as long as anybody holds it.

    What is put into it is saved with the request's transaction; nested changes are noticed.
    """

    def __init__(self, data: dict[str, Any], state: State) -> None:
        super().__init__(data)
        self._state = state

    def __reduce__(self) -> tuple[type[dict[str, Any]], tuple[dict[str, Any]]]:
        return dict, (dict(self),)

    @property
    def created(self) -> int:
        """When the session began, in seconds since the epoch."""
        return self._state.created

    @property
    def new(self) -> bool:
        """Whether the session began with this request."""
        return self._state.new

    @property
    def id(self) -> int | None:
        """The public id, fit for foreign keys and logs; None while there is no row."""
        return self._state.id

    @property
    def expires(self) -> int | None:
        """The epoch second at which the session ends if nobody uses it again; None for never."""
        state = self._state
        return state.limits.ends(
            accessed=state.accessed, created=state.created, lifetime=state.lifetime
        )

    def changed(self) -> None:
        """Have the session saved even if its content looks the same."""
        self._state.forced += 1

    def invalidate(self) -> None:
        """End this session, whatever becomes of the transaction, and begin an empty one."""
        self.clear()
        self._state.on_invalidate()

    def regenerate_id(self) -> None:
        """Give the session a new secret id when it is saved; data and public id stay."""
        self._state.rotations += 1

    def set_expiration(self, seconds: int | None) -> None:
        """Give this session an idle life of its own, in seconds; None for that of the settings.

        Raises `ValueError` unless it is a whole number of at least one second.
        """
        if seconds is not None and (isinstance(seconds, bool) or not isinstance(seconds, int)):
            raise ValueError(f"an expiration is a whole number of seconds, not {seconds!r}")
        if seconds is not None and seconds < 1:
            raise ValueError(f"an expiration is at least one second, not {seconds!r}")
        self._state.lifetime = seconds

    def skip_touch(self) -> None:
        """Do not count this request as a use of the session, unless it changes something."""
        self._state.is_use = False

    def flash(self, msg: Any, queue: str = "", allow_duplicate: bool = True) -> None:
        """Append a message to a queue, for the next page that pops it."""
        messages = self.setdefault(FLASH + queue, [])
        if allow_duplicate or msg not in messages:
            messages.append(msg)

    def pop_flash(self, queue: str = "") -> list[Any]:
        """Take all messages out of a queue."""
        messages: list[Any] = self.pop(FLASH + queue, [])
        return messages

    def peek_flash(self, queue: str = "") -> list[Any]:
        """Read the messages of a queue and leave them there."""
        messages: list[Any] = self.get(FLASH + queue, [])
        return messages

    def new_csrf_token(self) -> str:
        """Make a new token against cross-site request forgery and remember it."""
        token = self[CSRF] = secrets.token_hex(20)
        return token

    def get_csrf_token(self) -> str:
        """Return the token against cross-site request forgery, made now if there is none."""
        token: str | None = self.get(CSRF)
        return self.new_csrf_token() if token is None else token
