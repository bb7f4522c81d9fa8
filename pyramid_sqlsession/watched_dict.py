"""A dict that knows whether it has changed, and looks inside its values only when it must."""

from __future__ import annotations

import marshal
from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any, NamedTuple

_UNCHANGEABLE = {str, int, float, bool, type(None)}  # whatever is done with such a value


def content_of(values: dict[str, Any]) -> bytes | None:
    """Return bytes that differ if a value or a type does, at any depth.

    They may differ though nothing does, and are made much faster than JSON is. None when there are
    values of other types than Python's plainest.
    """
    try:
        return marshal.dumps(values)
    except ValueError:
        return None


def is_another(old: Any, new: Any) -> bool:
    """Whether a value plainly is another; objects compare themselves in whatever way they like."""
    if type(old) is not type(new):
        return True
    return type(old) in _UNCHANGEABLE and bool(old != new)


class Moment(NamedTuple):
    """How often a dict had changed; and its content, None where that is not known."""

    changes: int
    content: bytes | None = None


class WatchedDict(dict[str, Any]):
    """Counts its changes, and notes when somebody gets hold of a value that may change inside.

    Python copies a dict behind the back of its methods, but not if `__iter__` is another one.
    """

    changes = 0
    _noted = -1  # how many there were when somebody noted the moment
    _lent: Moment | None = None  # when that was; the content is that of before

    def unwatched(self) -> dict[str, Any]:
        """Return a plain dict of the same values, and do not take that for lending them."""
        return dict(super().items())

    def moment(self) -> Moment:
        """Note what it is now."""
        self._noted = self.changes
        return Moment(self.changes, None if self._lent is None else self._content())

    def is_still(self, moment: Moment) -> bool:
        """Whether it plainly is what it was; if not, it may be so all the same."""
        if self.changes != moment.changes:
            return False
        if self._lent is None:
            return True
        content = self._content_at(moment)
        return content is not None and content == self._content()

    def has_other_content(self, moment: Moment) -> bool:
        """Whether it plainly is not what it was."""
        content = self._content_at(moment)
        return content is not None and content != self._content()

    def _content_at(self, moment: Moment) -> bytes | None:
        if moment.content is None and self._lent and self._lent.changes == moment.changes:
            return self._lent.content
        return moment.content

    def _content(self) -> bytes | None:
        return content_of(self.unwatched())

    def _lend(self, value: Any) -> Any:
        if self._lent is None and type(value) not in _UNCHANGEABLE:
            # Nobody will compare with what it is now, unless it was noted.
            content = self._content() if self._noted == self.changes else None
            self._lent = Moment(self.changes, content)
        return value

    def _lend_all(self) -> None:
        if not _UNCHANGEABLE.issuperset(map(type, super().values())):
            self._lend(self)

    # Reading

    def __getitem__(self, key: str) -> Any:
        return self._lend(super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default."""
        return self._lend(super().get(key, default))

    def __iter__(self) -> Iterator[str]:
        return super().__iter__()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # its view is not exported
        """Return a view of the values."""
        self._lend_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # its view is not exported
        """Return a view of the keys with their values."""
        self._lend_all()
        return super().items()

    # Changing; who has put a value in may hold it still

    def __setitem__(self, key: str, value: Any) -> None:
        self.changes += 1
        super().__setitem__(key, value)
        self._lend(value)

    def __delitem__(self, key: str) -> None:
        self.changes += 1
        super().__delitem__(key)

    def pop(self, *arguments: Any) -> Any:
        """Take out a value and return it, or the default."""
        self.changes += 1
        return super().pop(*arguments)

    def popitem(self) -> tuple[str, Any]:
        """Take out the last value and return it with its key."""
        self.changes += 1
        return super().popitem()

    def clear(self) -> None:
        """Take out everything."""
        self.changes += 1
        super().clear()

    def update(self, *arguments: Any, **values: Any) -> None:
        """Put in the values of another mapping."""
        self.changes += 1
        try:
            super().update(*arguments, **values)
        finally:  # it may fail half-way
            self._lend_all()

    def __ior__(self, other: Any) -> Any:  # type: ignore[misc]  # unlike `|`, it is this dict
        self.update(other)
        return self

    def setdefault(self, key: str, default: Any = None) -> Any:
        """Return a value; put in the default when there is none."""
        self.changes += 1
        return self._lend(super().setdefault(key, default))
