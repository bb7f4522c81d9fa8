"""What introspection, as in the debug toolbar, shows of the sessions: settings, less secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Protocol

from pyramid.config import Configurator
from sqlalchemy import make_url

from pyramid_sqlsession.refusals import shown_url
from pyramid_sqlsession.settings import PREFIX, SETTINGS, SessionSettings

CATEGORY = "pyramid_sqlsession"
NOT_SHOWN = "(not shown)"
WORDS_FOR_NONE = {"cookie_samesite": "off", "cookie_secure": "auto"}
_HARMLESS = re.compile(r"-?[0-9.]+|true|false|none", re.IGNORECASE)


class HasSettings(Protocol):
    """A session factory of ours."""

    settings: SessionSettings


def introduce(config: Configurator, factory: HasSettings) -> None:
    """Have introspection show a session factory, as Pyramid shows others, and its settings."""
    if config.introspection:
        for introspectable in (_factory(config, factory), *_settings(config, factory.settings)):
            introspectable.register(config.introspector, config.action_info)


def _factory(config: Configurator, factory: HasSettings) -> Any:
    category = "session factory"
    introspectable = config.introspectable(category, None, _name_of(factory), category)
    introspectable["factory"] = factory
    return introspectable


def _settings(config: Configurator, settings: SessionSettings) -> Iterator[Any]:
    shown = {f"{PREFIX}{name}": text for name, text in shown_settings(settings).items()}
    for title, is_given in (("given", True), ("by default", False)):
        introspectable = config.introspectable(CATEGORY, title, title, "session settings")
        introspectable.update(
            (key, text)
            for key, text in shown.items()
            if (key in config.get_settings()) is is_given
        )
        yield introspectable


def shown_settings(settings: SessionSettings) -> dict[str, str]:
    """Return each setting as it is in effect, by name; durations are in seconds.

    What may hold a secret is `(not shown)`; a database URL is shown without its password.
    """
    engine = {
        f"sqlalchemy.{name}": _option(name, value) for name, value in settings.sqlalchemy.items()
    }
    return {name: _shown(name, getattr(settings, name)) for name in SETTINGS} | engine


def _shown(name: str, value: Any) -> str:
    if value in (None, (), {}):
        return WORDS_FOR_NONE.get(name, "none")
    if SETTINGS[name].is_secret:
        return NOT_SHOWN
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return str(value)
    return " ".join(value) if isinstance(value, tuple | Mapping) else _name_of(value)


def _name_of(value: Any) -> str:
    """Return a dotted name; the `repr` of a serializer might show its key."""
    if isinstance(value, ModuleType):
        return value.__name__
    named = value if hasattr(value, "__qualname__") else type(value)
    return f"{named.__module__}.{named.__qualname__}"


def _option(name: str, value: Any) -> str:
    if name == "url":
        return shown_url(make_url(value))
    return str(value) if _HARMLESS.fullmatch(str(value)) else NOT_SHOWN
