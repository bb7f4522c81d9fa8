"""The settings under `sqlsession.`: how each is read, and what holds where it is not given.

They are read once, at start-up, into a frozen object; everything that is wrong is said at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import Any, NamedTuple

from sqlalchemy import Column

from pyramid_sqlsession.contradictions import RULES
from pyramid_sqlsession.converters import (
    BOOLEAN,
    DATABASE_URL,
    DURATION,
    KEYS,
    SECRETS,
    Converter,
    Refused,
    choice,
    or_word,
    or_zero,
    text,
)
from pyramid_sqlsession.encryption import KeyRing
from pyramid_sqlsession.encryption_keys import ENCRYPTION_KEYS
from pyramid_sqlsession.exceptions import SettingsError
from pyramid_sqlsession.expiry import Limits
from pyramid_sqlsession.extra_columns import ADDITIONAL_FIELDS
from pyramid_sqlsession.named_objects import (
    ATTRIBUTE_OR_CALLABLE,
    CALLBACK,
    CLASS,
    SERIALIZER,
    is_path,
    named_object,
)
from pyramid_sqlsession.serializers import JSONSerializer, Serializer

PREFIX = "sqlsession."
_ENGINE_PREFIX = "sqlalchemy."
_ENGINE_URL = "sqlalchemy.url"
_LONGEST_SHOWN = 100
_PASSWORD_IN_URL = re.compile(r"//.*@", re.DOTALL)  # SQLAlchemy takes passwords with spaces


@dataclass(frozen=True, kw_only=True)
class SessionSettings:
    """The settings, converted; the attributes are named as the settings, without the prefix."""

    dbsession: str | Callable[[Any], Any]
    sqlalchemy: Mapping[str, Any] = field(repr=False)  # holds a password; empty = no own engine
    model: type[Any] | None
    table: str
    schema: str | None
    additional_fields: Mapping[str, Column[Any]]
    extend_default_fields: Callable[..., Mapping[str, Any] | None] | None
    create_table: bool
    expiration: int | None
    absolute_expiration: int | None
    touch_interval: int | None
    prune_interval: int | None  # None = never
    serializer: Serializer = field(repr=False)  # may hold a key
    on_abort: str
    on_conflict: str
    rotate_on_change_of: tuple[str, ...]
    secret: tuple[str, ...] = field(repr=False)
    encryption_keys: KeyRing | None  # None = nothing is encrypted
    cookie_name: str
    cookie_path: str
    cookie_domain: str | None
    cookie_secure: bool | None  # None = when the request came by https
    cookie_httponly: bool
    cookie_samesite: str | None  # None = no such attribute
    cookie_max_age: int | None  # None = as long as the browser runs
    set_on_exception: bool

    @cached_property
    def limits(self) -> Limits:
        """How long sessions live."""
        return Limits(self.expiration, self.absolute_expiration)


class Setting(NamedTuple):
    """One row of the table: a text as default is read as in an .ini file, else it is final."""

    converter: Converter
    default: Any
    is_dotted_name: Callable[[str], bool] | None = None  # which texts name a Python object
    is_secret: bool = False  # then its value is never shown


_TABLE = text(r"\S|\S.*\S", "the name of a table, as it shall stand in the database")
_SCHEMA = text(r"\S|\S.*\S", "the name of a schema")
_COOKIE_NAME = text(
    # WebOb does not read a cookie with a $ before its name, or named as an attribute.
    r"(?!\$)(?!(?i:comment|domain|expires|httponly|max-age|path|samesite|secure)\Z)"
    # Name and value together may have 4096 bytes in a browser, each attribute 1024.
    r"[A-Za-z0-9!#$%&'*+\-.^_`|~]{1,256}",
    "at most 256 letters, digits and !#$%&'*+-.^_`|~, without $ in front, and not what cookie "
    "attributes are called (path, domain and so on)",
)
_COOKIE_PATH = text(
    # What WebOb would have to escape makes a path that no browser ever matches.
    r"/[A-Za-z0-9!#$%&'()*+\-./:<=>?@\[\]^_`{|}~]{0,1023}",
    "a path that begins with /, in at most 1024 characters of ASCII; others, and ; and , among "
    "them, as %XX",
)
_COOKIE_DOMAIN = text(
    r"(?=.{1,254}\Z)"
    r"\.?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*",
    "a domain such as example.com, in ASCII (xn--) and without a port",
)


_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})
_AUTO = -1
_LONGEST_AUTO = 600
_TOUCH_INTERVAL = or_word("none", or_word("auto", or_zero(DURATION), meaning=_AUTO))


def _is_any(_: str) -> bool:
    return True


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "dbsession": Setting(ATTRIBUTE_OR_CALLABLE, "dbsession", is_dotted_name=is_path),
        "model": Setting(CLASS, None, is_dotted_name=_is_any),
        "table": Setting(_TABLE, "sessions"),
        "schema": Setting(or_word("none", _SCHEMA), "none"),
        "additional_fields": Setting(ADDITIONAL_FIELDS, _NO_FIELDS, is_dotted_name=_is_any),
        "extend_default_fields": Setting(CALLBACK, None, is_dotted_name=_is_any),
        "create_table": Setting(BOOLEAN, "false"),
        "expiration": Setting(or_word("none", DURATION), "24h"),
        "absolute_expiration": Setting(or_word("none", DURATION), "none"),
        "touch_interval": Setting(_TOUCH_INTERVAL, "auto"),
        "prune_interval": Setting(or_word("none", or_zero(DURATION, meaning=None)), "15m"),
        "serializer": Setting(SERIALIZER, JSONSerializer(), is_dotted_name=_is_any),
        "on_abort": Setting(choice("exception-view", "discard", "keep"), "exception-view"),
        "on_conflict": Setting(choice("merge", "retry"), "merge"),
        "rotate_on_change_of": Setting(or_word("none", KEYS, meaning=()), "auth.userid"),
        "secret": Setting(SECRETS, (), is_secret=True),
        "encryption_keys": Setting(ENCRYPTION_KEYS, None, is_secret=True),
        "cookie_name": Setting(_COOKIE_NAME, "session"),
        "cookie_path": Setting(_COOKIE_PATH, "/"),
        "cookie_domain": Setting(or_word("none", _COOKIE_DOMAIN), "none"),
        "cookie_secure": Setting(or_word("auto", BOOLEAN), "auto"),
        "cookie_httponly": Setting(BOOLEAN, "true"),
        "cookie_samesite": Setting(or_word("off", choice("Lax", "Strict", "None")), "Lax"),
        "cookie_max_age": Setting(or_word("none", DURATION), "none"),
        "set_on_exception": Setting(BOOLEAN, "true"),
    }
)


def parse_settings(
    settings: Mapping[str, Any], package: ModuleType | str | None = None
) -> SessionSettings:
    """Return the settings under `sqlsession.`, converted; all other keys are ignored.

    A dotted name with a leading dot is looked up in the package; None = there is no package.
    Raises one SettingsError, which lists everything that is wrong.
    """
    given = _given(settings)
    engine = _engine_options(given)
    values, problems = _converted(given, package)
    problems += [*_unknown(given), *_contradictions(given, values), *_engine_problems(engine)]
    if problems:
        raise SettingsError("\n  ".join(["These settings cannot work:", *problems]))
    values["touch_interval"] = _touch_interval(values["touch_interval"], values["expiration"])
    return SessionSettings(sqlalchemy=MappingProxyType(engine), **values)


def _touch_interval(interval: int | None, expiration: int | None) -> int | None:
    if interval != _AUTO:
        return interval
    return _LONGEST_AUTO if expiration is None else min(expiration // 100, _LONGEST_AUTO)


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key.removeprefix(PREFIX): value
        for key, value in settings.items()
        if key.startswith(PREFIX)
    }


def _engine_options(given: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name.removeprefix(_ENGINE_PREFIX): value
        for name, value in given.items()
        if name.startswith(_ENGINE_PREFIX)
    }


def _converted(
    given: Mapping[str, Any], package: ModuleType | str | None
) -> tuple[dict[str, Any], list[str]]:
    values, problems = {}, []
    for name, setting in SETTINGS.items():
        value = given.get(name, setting.default)
        is_text_or_given = name in given or isinstance(value, str)
        try:
            values[name] = _value(setting, value, package) if is_text_or_given else value
        except Refused as refusal:
            problems.append(_refusal(name, value, refusal, setting.converter, setting.is_secret))
    return values, problems


def _value(setting: Setting, value: Any, package: ModuleType | str | None) -> Any:
    if isinstance(value, str) and setting.is_dotted_name and setting.is_dotted_name(value):
        value = named_object(value, package)
    return setting.converter.convert(value)


def _refusal(
    name: str, value: Any, refusal: Refused, converter: Converter, is_secret: bool
) -> str:
    shown = "(not shown)" if is_secret else _shown(value)
    reason = f" ({refusal})" if str(refusal) else ""
    return f"{PREFIX}{name} = {shown} is refused{reason}: write {converter.accepts}"


def _shown(value: Any) -> str:
    try:
        shown = _PASSWORD_IN_URL.sub("//***@", repr(value))
    except Exception:  # noqa: BLE001 - an object may raise anything, a very long number does
        return f"a {type(value).__name__} that cannot be shown"
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[:_LONGEST_SHOWN]}..."


def _unknown(given: Mapping[str, Any]) -> Iterator[str]:
    for name in given:
        if name not in SETTINGS and not name.startswith(_ENGINE_PREFIX):
            known = [*SETTINGS, _ENGINE_URL]
            (nearest,) = get_close_matches(name.lower(), known, n=1, cutoff=0)
            yield f"{PREFIX}{name} is unknown: the nearest known name is {PREFIX}{nearest}"


def _contradictions(given: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[str]:
    for names, is_contradiction, remedy in RULES:
        if any(name not in values for name in names):
            continue  # a value that was refused contradicts nothing
        if is_contradiction(*(values[name] for name in names)):
            received = " with ".join(_received(name, given) for name in names)
            yield f"{received}: {remedy}"


def _received(name: str, given: Mapping[str, Any]) -> str:
    return f"{PREFIX}{name} = {_shown(given.get(name, SETTINGS[name].default))}"


def _engine_problems(options: Mapping[str, Any]) -> Iterator[str]:
    if "url" in options:
        yield from _url_problems(options["url"])
    elif options:
        names = ", ".join(f"{PREFIX}{_ENGINE_PREFIX}{name}" for name in options)
        yield f"{names} without an engine: write {PREFIX}{_ENGINE_URL} as well, or remove them"


def _url_problems(url: Any) -> Iterator[str]:
    try:
        DATABASE_URL.convert(url)
    except Refused as refusal:
        yield _refusal(_ENGINE_URL, url, refusal, DATABASE_URL, is_secret=True)
