"""Everything is logged, and heard by the search; by pytest only what it would hear otherwise."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tests.leaks.listening import PACKAGE, tell_of_error
from tests.leaks.search import Place, Search

EVERYTHING = logging.DEBUG - 1  # a level that no test sets itself
USUAL = logging.WARNING


class Listener(logging.Handler):
    """Tells the search what is logged, with the error that may come with it."""

    def __init__(self, search: Search) -> None:
        super().__init__()
        self._search = search

    def emit(self, record: logging.LogRecord) -> None:
        is_ours = record.name.partition(".")[0] == PACKAGE
        place = Place.OUR_LOG if is_ours else Place.OTHER_LOG
        self._search.read(place, record.getMessage())
        if is_ours:  # whatever a formatter or a service could show
            self._search.read(place, repr(vars(record)))
        if record.exc_info and record.exc_info[1]:
            tell_of_error(self._search, record.exc_info[1])


@contextmanager
def everything_logged(search: Search, *, with_echo: bool) -> Iterator[None]:
    """Log everything, and tell the search; with echo also what SQLAlchemy does."""
    levels = {"": EVERYTHING, "sqlalchemy": EVERYTHING if with_echo else USUAL}
    before = {name: logging.getLogger(name).level for name in levels}
    root, listener = logging.getLogger(), Listener(search)
    _set_levels(levels)
    root.addHandler(listener)
    try:
        yield
    finally:
        root.removeHandler(listener)
        _set_levels(before)


def leave_others_as_they_are() -> None:
    """Let who else listens hear no more than usual: tests say what was logged."""
    for handler in logging.getLogger().handlers:
        if not isinstance(handler, Listener):
            handler.addFilter(_is_usual)


def _is_usual(record: logging.LogRecord) -> bool:
    return record.levelno >= USUAL or _deciding(record.name).level != EVERYTHING


def _deciding(name: str) -> logging.Logger:
    """The logger whose level decides about another's records."""
    logger = logging.getLogger(name)
    while not logger.level and logger.parent:
        logger = logger.parent
    return logger


def _set_levels(levels: dict[str, int]) -> None:
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
