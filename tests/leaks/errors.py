"""What is shown of an error: its traceback, and by some services the variables of its frames."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import FrameType

import sqlalchemy

import pyramid_sqlsession

FOLDERS = (*pyramid_sqlsession.__path__, *sqlalchemy.__path__)


def traceback_of(error: BaseException) -> str:
    """The traceback, with those of all causes."""
    return "".join(traceback.format_exception(error))


def variables_of(error: BaseException) -> Iterator[str]:
    """The local variables of our frames and of SQLAlchemy's, each by its `repr`."""
    for frame in _frames_of(error):
        if frame.f_code.co_filename.startswith(FOLDERS):
            yield from map(shown, frame.f_locals.values())


def shown(value: object) -> str:
    """The `repr` of an object; nothing where it has none."""
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - an object that is half made may raise anything
        return ""


def _frames_of(error: BaseException | None) -> Iterator[FrameType]:
    """All frames of an error, of its causes, and of what was being handled."""
    while error is not None:
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield frame
        error = error.__cause__ or error.__context__
