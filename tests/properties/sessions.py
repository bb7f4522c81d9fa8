"""What DESIGN says of sessions: the rows of an application, and what a view does to one of them.

This is the plain model that the package is held against. It has no database, and nothing of the
package: no statements, no serializer, no hooks.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

IDLE, ABSOLUTE, INTERVAL, EXCUSED = 100, 150, 10, 60  # seconds
LOGIN, FLASH = "auth.userid", "_f_"

Data = dict[str, Any]


@dataclass(eq=False)
class Key:
    """A session id; `cookie` is the value that the browser was sent for it."""

    cookie: str | None = None


@dataclass(eq=False)
class Row:
    """A session as the database holds it."""

    key: Key
    created: int
    accessed: int
    lifetime: int | None
    data: Data
    version: int = 1
    previous: Key | None = None
    rotated: int | None = None

    def ends(self) -> int:
        """When it is over."""
        idle = IDLE if self.lifetime is None else self.lifetime
        return min(self.accessed + idle, self.created + ABSOLUTE)

    def copy(self) -> Row:
        return replace(self, data=deepcopy(self.data))


@dataclass
class Site:
    """The table of an application, its clock, and every id that it has given out."""

    on_abort: str = "exception-view"
    on_conflict: str = "merge"
    now: int = 0
    rows: list[Row] = field(default_factory=list)
    keys: list[Key] = field(default_factory=list)

    def new_key(self) -> Key:
        self.keys.append(Key())
        return self.keys[-1]

    def is_alive(self, row: Row) -> bool:
        return self.now < row.ends()

    def opened_by(self, key: Key) -> Row | None:
        return next((row for row in self.rows if row.key is key and self.is_alive(row)), None)

    def excuses(self, key: Key) -> bool:
        """Whether the id was superseded a moment ago."""
        return any(
            row.previous is key and self.is_alive(row) and self.now < (row.rotated or 0) + EXCUSED
            for row in self.rows
        )

    def delete(self, gone: Row) -> None:
        self.rows = [row for row in self.rows if row is not gone]

    def revoke_all(self, *, keep: Row | None = None) -> bool:
        """End the sessions but one; tell whether there were any."""
        before, self.rows = self.rows, [row for row in self.rows if row is keep]
        return self.rows != before


@dataclass
class Content:
    """What a view sees of a session, and wishes of it."""

    data: Data = field(default_factory=dict)
    lifetime: int | None = None
    is_forced: bool = False
    is_rotated: bool = False

    def put(self, key: str, token: int) -> None:
        self.data[key] = token

    def put_the_same(self, key: str) -> None:
        """Write what is there already, which is no change."""

    def delete(self, key: str) -> None:
        self.data.pop(key, None)

    def buy(self, token: int) -> None:
        self.data.setdefault("cart", []).append(token)

    def flash(self, queue: str, token: int) -> None:
        self.data.setdefault(FLASH + queue, []).append(token)

    def show(self, queue: str) -> None:
        self.data.pop(FLASH + queue, None)

    def clear(self) -> None:
        self.data.clear()

    def log_in(self, user: str) -> None:
        self.data[LOGIN] = user

    def forget(self) -> None:
        self.data.pop(LOGIN, None)

    def changed(self) -> None:
        self.is_forced = True

    def regenerate_id(self) -> None:
        self.is_rotated = True

    def set_expiration(self, seconds: int | None) -> None:
        self.lifetime = seconds


def applied(base: Data, mine: Data, newest: Data) -> Data:
    """Return the newest data with what led from `base` to `mine`.

    No value of these sessions is None, and no list is empty: that stands for a key that is not
    there. Every message is another one.
    """
    keys = {*base, *mine, *newest}
    merged = {key: _applied(key, base.get(key), mine.get(key), newest.get(key)) for key in keys}
    return {key: value for key, value in merged.items() if value not in (None, [])}


def _applied(key: str, base: Any, mine: Any, newest: Any) -> Any:
    if not key.startswith(FLASH):
        return newest if mine == base else mine
    before, after = base or [], mine or []
    shown = [message for message in before if message not in after]
    added = [message for message in after if message not in before]
    return [message for message in newest or [] if message not in shown] + added
