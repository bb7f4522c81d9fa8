"""What DESIGN says of one request, as a plain model; `sessions` has what it works on.

A visit looks at its session when it makes its first move, makes more of them, and ends in one of
several ways. Then `cost` has its statements, and `told` what the browser is told.
"""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any, NamedTuple

from tests.properties.sessions import (
    INTERVAL,
    LOGIN,
    Content,
    Data,
    Key,
    Row,
    Site,
    applied,
)

Move = tuple[Any, ...]


class Told(NamedTuple):
    """A cookie: the id that it holds, None when it is to be forgotten, and its Max-Age."""

    key: Key | None
    max_age: int | None


FORGET = Told(None, 0)


class Conflict(Exception):
    """Another request has saved the session, and this one shall be repeated."""


class Visit:
    """A request with this id in its cookie, None for none."""

    def __init__(self, site: Site, key: Key | None) -> None:
        self.site, self.key = site, key
        self.cost: Counter[str] = Counter()
        self._moves: list[Move] = []
        self._begin()

    def _begin(self) -> None:
        self.content = Content()
        self.has_looked = False  # at its session
        self.created = 0
        self.row: Row | None = None  # of the session that it has now
        self.found: Row | None = None  # the row that its cookie opened, as it was then
        self.left: Row | None = None  # the row as this request has left it
        self._ended: Row | None = None  # by logging out
        self._is_use, self.has_failed, self._is_unanswered = True, False, False
        self._is_superseded = self._is_overtaken = self._is_gone = self._is_invalidated = False

    # While it runs

    def move(self, *move: Any) -> None:
        """Make a move, which is a look at the session, too."""
        self._moves.append(move)
        self.open()
        name, *arguments = move
        is_mine = name in ("look", "invalidate", "skip_touch")
        getattr(self if is_mine else self.content, name)(*arguments)

    def open(self) -> None:
        if not self.has_looked:
            self.has_looked, self.created = True, self.site.now
            if self.key is not None:
                self._look_up(self.key)

    def _look_up(self, key: Key) -> None:
        self.cost["SELECT"] += 1
        self.row = self.site.opened_by(key)
        if self.row is None:
            self.cost["SELECT"] += 1
            self._is_superseded = self.site.excuses(key)
        else:
            self.found = self.left = self.row.copy()
            self._go_back()

    def look(self) -> None:
        """See the session, and no more."""

    def skip_touch(self) -> None:
        self._is_use = False

    def invalidate(self) -> None:
        self._ended, self.row, self.left = self.row or self._ended, None, None
        self.content, self.created = Content(), self.site.now
        self._is_invalidated = True

    @property
    def seen(self) -> tuple[Data, bool]:
        """What the view sees: the data of the session, and whether that is new."""
        return self.content.data, self.row is None

    def fail(self) -> None:
        """Raise what an exception view answers; that may make moves, too."""
        self.has_failed = True
        if self.site.on_abort != "keep":
            self._go_back()

    def _go_back(self) -> None:
        found = None if self.row is None else self.found
        data = {} if found is None else deepcopy(found.data)
        self.content = Content(data, None if found is None else found.lifetime)

    # How it ends

    def finish(self) -> None:
        """Return from the view, or from the exception view."""
        if not self.has_failed:
            self._save_or_repeat()
        else:
            if self.site.on_abort == "discard":
                self._go_back()
            self._save("merge")
        self._touch()

    def doom(self) -> None:
        """Return from the view, but have all data rolled back."""
        if self.site.on_abort != "keep":
            self._go_back()
        self._save("merge")
        self._touch()

    def crash(self) -> None:
        """Raise what nobody answers."""
        self._is_unanswered = True
        self._delete_ended()

    def revoke_all(self) -> None:
        """End everybody's session, and return."""
        self._revoke(keep=None)

    def revoke_others(self) -> None:
        """End everybody's session but one's own, and return."""
        self.open()
        self._revoke(keep=self.row)

    def _revoke(self, *, keep: Row | None) -> None:
        did_end_any = self.site.revoke_all(keep=keep)
        self._is_gone = did_end_any and self.row is not None and self.row not in self.site.rows
        self.finish()

    # What it writes

    def _save_or_repeat(self) -> None:
        try:
            self._save(self.site.on_conflict)
        except Conflict:
            moves, self._moves = self._moves, []
            self._begin()
            for move in moves:
                self.move(*move)
            self._save(self.site.on_conflict)

    def _save(self, on_conflict: str) -> None:
        self._delete_ended()
        if self._is_superseded or self._is_gone:
            return
        if self.row is None:
            self._insert()
        elif self.found is not None and self._has_changed(self.found):
            self._overwrite(self.row, self.found, on_conflict)

    def _delete_ended(self) -> None:
        if self._ended is not None:
            self.cost["DELETE"] += 1
            self.site.delete(self._ended)

    def _insert(self) -> None:
        mine = self.content
        if mine.data or mine.is_forced or mine.lifetime is not None:
            self.cost["INSERT"] += 1
            key, now, data = self.site.new_key(), self.site.now, deepcopy(mine.data)
            self.row = Row(key, self.created, now, mine.lifetime, data)
            self.site.rows.append(self.row)
            self.left = self.row.copy()

    def _has_changed(self, found: Row) -> bool:
        mine = self.content
        is_other = (mine.data, mine.lifetime) != (found.data, found.lifetime)
        return is_other or mine.is_forced or mine.is_rotated

    def _overwrite(self, row: Row, found: Row, on_conflict: str) -> None:
        if self.site.is_alive(found):
            self.cost["UPDATE"] += 1
            if self._is_as_it_was(row, found):
                self._store(row, found)
                return
        self._look_again(row, found)
        if not self.site.is_alive(row):
            self._is_gone, self._is_overtaken = True, False
        if self._is_gone or self._is_overtaken:
            return
        if on_conflict == "retry":
            raise Conflict
        self.cost["UPDATE"] += 1
        self._store(row, found)

    def _is_as_it_was(self, row: Row, found: Row) -> bool:
        return row in self.site.rows and row.version == found.version

    def _look_again(self, row: Row, found: Row) -> None:
        self.cost["SELECT"] += 1
        self._is_gone = row not in self.site.rows
        self._is_overtaken = not self._is_gone and row.key is not found.key

    def _store(self, row: Row, found: Row) -> None:
        """Apply what was changed to the newest data, which mostly are those that were found."""
        mine, newest = self.content, row.data
        row.data = applied(found.data, mine.data, newest)
        if mine.is_rotated or newest.get(LOGIN) != row.data.get(LOGIN):
            row.previous, row.rotated, row.key = row.key, self.site.now, self.site.new_key()
        if mine.lifetime != found.lifetime:
            row.lifetime = mine.lifetime
        row.version, row.accessed = row.version + 1, self.site.now
        self.left = row.copy()

    def _touch(self) -> None:
        """Note the use, if that is due and no save has noted it."""
        row, found = self.row, self.found
        if row is None or found is None or self.left is not found or not self._is_use:
            return
        is_closed = self._is_gone or self._is_overtaken
        if not is_closed and self._is_touch_due(found) and self.site.is_alive(found):
            self._note_use(row, found)

    def _is_touch_due(self, found: Row) -> bool:
        life = found.lifetime
        wait = INTERVAL if life is None else max(1, min(INTERVAL, life // 2))
        return self.site.now - found.accessed >= wait

    def _note_use(self, row: Row, found: Row) -> None:
        self.cost["UPDATE"] += 1
        if self._is_as_it_was(row, found) and row.accessed < self.site.now:
            row.accessed = self.site.now
            self.left = row.copy()
        else:
            self._look_again(row, found)

    # What the browser is told

    @property
    def told(self) -> Told | None:
        """Return the cookie that the browser is sent; None for none."""
        if self._is_unanswered or self._is_overtaken:
            return None
        if self._is_gone or (self.row is None and self._is_invalidated):
            return None if self.found is None else FORGET
        return self._news()

    def _news(self) -> Told | None:
        left, found = self.left, self.found
        if left is None or left is found:
            return None
        is_known = found is not None and (left.key, left.lifetime) == (found.key, found.lifetime)
        return None if is_known and left.lifetime is None else Told(left.key, left.lifetime)
