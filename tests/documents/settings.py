"""Settings in the documents: each is judged by those who will read it."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import engine_from_config
from waitress.adjustments import Adjustments

from pyramid_sqlsession.settings import PREFIX, parse_settings

ENGINE = "sqlalchemy."
OF_OTHERS = {  # settings of the companions, which they read without complaint whatever they hold
    "debugtoolbar.includes",
    "retry.attempts",
    "tm.annotate_user",
    "tm.commit_veto",
    "use",
}


def check_settings(section: str, settings: dict[str, str]) -> None:
    """Fail when one of these settings is refused or unknown."""
    CHECKS[section](settings)


def _check_application(settings: dict[str, str]) -> None:
    assert settings
    parse_settings(settings)
    if f"{ENGINE}url" in settings:
        engine_from_config(settings, ENGINE)
    unknown = {name for name in settings if not name.startswith((PREFIX, ENGINE))} - OF_OTHERS
    assert unknown == set()


def _check_server(settings: dict[str, str]) -> None:
    assert settings.pop("use") == "egg:waitress#main"
    Adjustments(**settings)


CHECKS: dict[str, Callable[[dict[str, str]], None]] = {
    "app:main": _check_application,
    "server:main": _check_server,
}
