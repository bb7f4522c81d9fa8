"""What introspection shows: the settings in effect, and no secret."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from typing import Any

import pytest
from pyramid.config import Configurator
from pyramid.session import SignedCookieSessionFactory
from sqlalchemy import Integer

from pyramid_sqlsession import SQLSessionFactory, includeme
from pyramid_sqlsession.introspection import CATEGORY, shown_settings
from pyramid_sqlsession.settings import SETTINGS, parse_settings
from tests.harness import MakeApp, only_on_sqlite

SECRET = "a-secret-of-the-introspection"
PASSWORD = "swordfish"
HERE = {"REMOTE_ADDR": "127.0.0.1"}


def configured(**settings: Any) -> Configurator:
    """A configuration with our include, carried out."""
    config = Configurator(settings={f"sqlsession.{k}": v for k, v in settings.items()})
    config.include("pyramid_sqlsession")
    config.commit()
    return config


def introduced(config: Configurator) -> dict[str, dict[str, Any]]:
    """Our introspectables by title."""
    found = config.introspector.get_category(CATEGORY, default=[])
    return {entry["introspectable"].title: entry["introspectable"] for entry in found}


def shown(**settings: Any) -> dict[str, str]:
    """Each setting as it is shown; two underscores stand for a dot."""
    given = {f"sqlsession.{k.replace('__', '.')}": v for k, v in settings.items()}
    return shown_settings(parse_settings(given))


# What there is


def test_what_is_given_is_apart_from_what_holds_by_default() -> None:
    """Every setting is in one of the two, with its full name."""
    found = introduced(configured(expiration="2h", cookie_name="shop"))
    assert found["given"] == {"sqlsession.expiration": "7200", "sqlsession.cookie_name": "shop"}
    assert found["by default"].keys() == {
        f"sqlsession.{name}" for name in SETTINGS.keys() - {"expiration", "cookie_name"}
    }


def test_settings_that_are_changed_after_the_include_are_shown_as_they_are_then() -> None:
    """They are read when the configuration is carried out."""
    config = Configurator(settings={})
    config.include("pyramid_sqlsession")
    config.add_settings({"sqlsession.table": "shop"})
    config.commit()
    assert introduced(config)["given"] == {"sqlsession.table": "shop"}


def test_the_factory_is_shown_where_pyramid_shows_session_factories() -> None:
    """As if the application had set it."""
    config = configured()
    [entry] = config.introspector.get_category("session factory")
    assert isinstance(entry["introspectable"]["factory"], SQLSessionFactory)
    assert entry["introspectable"].title == "pyramid_sqlsession.factory.SQLSessionFactory"


@pytest.mark.parametrize("is_early", [True, False])
def test_settings_without_effect_are_not_shown(is_early: bool) -> None:
    """The application has a session factory of its own, set before ours would be or after."""
    other = SignedCookieSessionFactory("secret")
    config = Configurator()
    if is_early:
        config.set_session_factory(other)
        config.commit()
    config.include("pyramid_sqlsession")
    if not is_early:
        config.set_session_factory(other)
    config.commit()
    [entry] = config.introspector.get_category("session factory")
    assert entry["introspectable"]["factory"] is other
    assert introduced(config) == {}


def test_nothing_is_shown_where_introspection_is_off() -> None:
    """Pyramid forgets that in what is included, so the include is called as a function."""
    config = Configurator(settings={}, introspection=False)
    includeme(config)
    config.commit()
    assert introduced(config) == {}


# How values are shown


class Serializer:
    """One that holds a key."""

    def __init__(self) -> None:
        self.key = PASSWORD

    def __repr__(self) -> str:
        return f"<Serializer {self.key}>"

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)


def fill(defaults: Any, session: Any) -> None:
    pass


SHOWN: list[tuple[str, Any, str]] = [
    ("create_table", "true", "true"),
    ("cookie_httponly", False, "false"),
    ("expiration", "none", "none"),
    ("absolute_expiration", "14d", "1209600"),
    ("touch_interval", "auto", "600"),
    ("touch_interval", "0", "0"),
    ("prune_interval", "0", "none"),
    ("rotate_on_change_of", "auth.userid admin", "auth.userid admin"),
    ("rotate_on_change_of", "none", "none"),
    ("cookie_secure", "auto", "auto"),
    ("cookie_secure", "true", "true"),
    ("cookie_samesite", "off", "off"),
    ("cookie_samesite", "Strict", "Strict"),
    ("cookie_domain", "none", "none"),
    ("dbsession", "dbsession", "dbsession"),
    ("dbsession", fill, f"{__name__}.fill"),
    ("model", Serializer, f"{__name__}.Serializer"),
    ("serializer", Serializer(), f"{__name__}.Serializer"),
    ("serializer", pickle, "pickle"),
    ("extend_default_fields", fill, f"{__name__}.fill"),
    ("additional_fields", {"user_id": Integer, "agent": Integer}, "user_id agent"),
    ("additional_fields", {}, "none"),
]


@pytest.mark.parametrize(("name", "value", "expected"), SHOWN)
def test_a_setting_is_shown_as_it_is_in_effect(name: str, value: Any, expected: str) -> None:
    """In the words of the .ini file, durations in seconds, objects by their names."""
    assert shown(**{name: value})[name] == expected


@pytest.mark.parametrize("secret", [SECRET, f"{SECRET}\n{SECRET * 2}"])
def test_a_secret_is_not_shown(secret: str) -> None:
    """Neither what it is, nor how long, nor how many there are; only that there is one."""
    assert shown(secret=secret)["secret"] == "(not shown)"
    assert shown()["secret"] == "none"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite:///shop.sqlite", "sqlite:///shop.sqlite"),
        (f"postgresql://u:{PASSWORD}@db/shop", "postgresql://u:***@db/shop"),
        (f"postgresql://db/shop?password={PASSWORD}", "postgresql://db/shop?..."),
        (f"mysql+pymysql://u:{PASSWORD}@db/?passwd={PASSWORD}", "mysql+pymysql://u:***@db/?..."),
    ],
)
def test_a_database_url_is_shown_without_its_password(url: str, expected: str) -> None:
    """Wherever in it that is."""
    assert shown(sqlalchemy__url=url)["sqlalchemy.url"] == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", "5"),
        (True, "True"),
        ("false", "false"),
        ("0.5", "0.5"),
        ({"password": PASSWORD}, "(not shown)"),
        (PASSWORD, "(not shown)"),
    ],
)
def test_options_of_the_engine_are_shown_where_they_cannot_hold_a_secret(
    value: Any, expected: str
) -> None:
    """Numbers and words for yes and no cannot."""
    found = shown(sqlalchemy__url="sqlite://", sqlalchemy__option=value)
    assert found["sqlalchemy.option"] == expected


@dataclass
class Encrypting(Serializer):
    """One that shows its key when it is asked who it is."""

    key: str = PASSWORD


def test_the_repr_of_the_settings_shows_no_key_of_a_serializer() -> None:
    """Whatever that says of itself."""
    settings = parse_settings({"sqlsession.serializer": Encrypting()})
    assert PASSWORD in repr(settings.serializer)
    assert PASSWORD not in repr(settings)


# In the debug toolbar


@only_on_sqlite
def test_the_debug_toolbar_shows_the_settings_and_no_secret(make_app: MakeApp) -> None:
    """Its panel for introspection, as the browser gets it."""
    settings = {
        "sqlsession.secret": SECRET,
        "sqlsession.expiration": "2h",
        "sqlsession.serializer": Encrypting(),
        "debugtoolbar.global_panels": "introspection",
        "debugtoolbar.panels": "headers",
    }
    app = make_app(includes=["pyramid_debugtoolbar"], settings=settings, own_engine=False)
    app.browser.get("/read", extra_environ=HERE)
    [[request_id, _]] = app.registry.pdtb_history.last(1)
    page = app.browser.get(f"/_debug_toolbar/{request_id}", extra_environ=HERE).text
    assert "sqlsession.expiration" in page
    assert "7200" in page
    assert SECRET not in page
    assert PASSWORD not in page
