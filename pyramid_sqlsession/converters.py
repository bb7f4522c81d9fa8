"""Strict conversions of .ini text, which let the Python object through as well.

A converter raises `Refused` for what it does not accept. It knows neither the name of its
setting nor how to show the value: `settings` writes the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.engine import URL, make_url

_BOOLEANS = dict.fromkeys(("true", "yes", "on", "1"), True) | dict.fromkeys(
    ("false", "no", "off", "0"), False
)
_DURATION = re.compile(r"([0-9]{1,12}) ?([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 2**31 - 1  # what an INTEGER column and the date of a cookie can hold: 68 years
_SHORTEST_SECRET = 16


class Refused(ValueError):
    """The value is not accepted; the message, which may be empty, tells why."""


@dataclass(frozen=True)
class Converter:
    """A conversion, and the words that tell what it accepts."""

    accepts: str
    convert: Callable[[Any], Any]


def or_word(word: str, converter: Converter, *, meaning: Any = None) -> Converter:
    """Accept a word too, and the Python object None; both are converted to its meaning."""

    def convert(value: Any) -> Any:
        is_word = isinstance(value, str) and value.lower() == word
        return meaning if value is None or is_word else converter.convert(value)

    return Converter(f"{converter.accepts}, or {word}", convert)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _BOOLEANS:
        return _BOOLEANS[value.lower()]
    raise Refused


BOOLEAN = Converter("true or false (also yes, no, on, off, 1, 0)", _boolean)


def _seconds(value: Any) -> int:
    if isinstance(value, timedelta):
        return _seconds_of_timedelta(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise Refused
    return int(match[1]) * _UNITS[match[2]]


def _seconds_of_timedelta(value: timedelta) -> int:
    seconds, rest = divmod(value, timedelta(seconds=1))
    if rest:
        raise Refused("it has a fraction of a second")
    return seconds


def _duration(value: Any) -> int:
    seconds = _seconds(value)
    if not 1 <= seconds <= _LONGEST:
        raise Refused
    return seconds


DURATION = Converter(
    f"a duration between 1 and {_LONGEST} seconds, such as 90 (seconds), 15m, 24h or 14d",
    _duration,
)


def or_zero(converter: Converter, *, meaning: Any = 0) -> Converter:
    """Accept a duration of nothing too; it is converted to its meaning."""

    def convert(value: Any) -> Any:
        return converter.convert(value) if _seconds(value) else meaning

    return Converter(f"{converter.accepts}, or 0", convert)


def choice(*words: str) -> Converter:
    """Accept one of the words, in any case; it is converted to the word as it stands here."""
    by_lower = {word.lower(): word for word in words}

    def convert(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in by_lower:
            raise Refused
        return by_lower[value.lower()]

    return Converter(_either(words), convert)


def _either(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def text(pattern: str, accepts: str) -> Converter:
    """Accept text that matches the pattern as a whole, verbatim."""
    compiled = re.compile(pattern, re.ASCII)

    def convert(value: Any) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise Refused
        return value

    return Converter(accepts, convert)


def _keys(value: Any) -> tuple[str, ...]:
    keys = tuple(value.split()) if isinstance(value, str) else _texts(value)
    if not keys or "" in keys:
        raise Refused
    return keys


def _texts(value: Any) -> tuple[str, ...]:
    texts = tuple(value) if isinstance(value, list | tuple) else ()
    if not all(isinstance(item, str) for item in texts):
        raise Refused("it does not consist of text only")
    return texts


KEYS = Converter("keys of the session, separated by spaces or lines, or a list of keys", _keys)


def _secrets(value: Any) -> tuple[str, ...]:
    secrets = one_a_line(value)
    if not secrets:
        raise Refused("it holds no secret")
    if any(len(secret) < _SHORTEST_SECRET for secret in secrets):
        raise Refused("a secret in it is too short to be one")
    if not all(map(_is_utf_8, secrets)):
        raise Refused("a secret in it is no text: Python has read bytes that are not UTF-8")
    return secrets


def _is_utf_8(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def one_a_line(value: Any) -> tuple[str, ...]:
    """Return the lines of a text that are not empty, or the texts of a list; else nothing."""
    return tuple(_lines(value)) if isinstance(value, str) else _texts(value)


def _lines(value: str) -> Iterable[str]:
    return filter(None, map(str.strip, value.splitlines()))


SECRETS = Converter(
    f"one or more secrets of at least {_SHORTEST_SECRET} characters, one a line or in a list, as "
    'made by python -c "import secrets; print(secrets.token_urlsafe(32))"',
    _secrets,
)


def _database_url(value: Any) -> URL:
    try:
        url = make_url(value)
    except Exception:  # noqa: BLE001 - SQLAlchemy shows the value, which may raise anything
        # The error, which may quote a password, is kept out of the traceback.
        url = None
    if not isinstance(url, URL):  # SQLAlchemy 2.0.4 hands back whatever is no text
        raise Refused("it cannot be read as a url")
    return _with_known_dialect(url)


def _with_known_dialect(url: URL) -> URL:
    try:
        url.get_dialect()
    except Exception as error:  # some names lead SQLAlchemy to a module that is no dialect
        raise Refused(f"SQLAlchemy knows no {url.drivername}") from error
    return url


DATABASE_URL = Converter(
    "a database url, such as postgresql+psycopg://user:password@localhost/sessions or "
    "sqlite:///sessions.sqlite",
    _database_url,
)
