"""Which settings do not go together, and what to write instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pyramid_sqlsession.model import is_required


class Rule(NamedTuple):
    """Settings of which not every combination works."""

    names: tuple[str, ...]
    is_contradiction: Callable[..., bool]  # of the converted values, in the order of the names
    remedy: str


def _has_prefix(cookie_name: str, *prefixes: str) -> bool:
    return cookie_name.lower().startswith(prefixes)  # browsers ignore the case


RULES = (
    Rule(
        ("additional_fields", "model"),
        lambda fields, model: fields and model,
        "your class has the columns that you give it: write them there, and remove "
        "additional_fields",
    ),
    Rule(
        ("additional_fields", "extend_default_fields"),
        lambda fields, callback: callback is None and any(map(is_required, fields.values())),
        "a column that must not be NULL and has no default needs a callback that fills it",
    ),
    Rule(
        ("touch_interval", "expiration"),
        lambda interval, expiration: (
            None not in (interval, expiration) and interval > expiration / 2
        ),
        "a session in use would end between two touches: write a touch_interval of at most half "
        "the expiration, or auto",
    ),
    Rule(
        ("cookie_samesite", "cookie_secure"),
        lambda samesite, secure: samesite == "None" and not secure,
        "browsers refuse such a cookie: write cookie_secure = true, or another cookie_samesite",
    ),
    Rule(
        ("cookie_name", "cookie_secure"),
        lambda name, secure: _has_prefix(name, "__host-", "__secure-") and not secure,
        "browsers refuse such a cookie: write cookie_secure = true, or another cookie_name",
    ),
    Rule(
        ("cookie_name", "cookie_domain"),
        lambda name, domain: _has_prefix(name, "__host-") and domain is not None,
        "browsers refuse such a cookie: write cookie_domain = none, or another cookie_name",
    ),
    Rule(
        ("cookie_name", "cookie_path"),
        lambda name, path: _has_prefix(name, "__host-") and path != "/",
        "browsers refuse such a cookie: write cookie_path = /, or another cookie_name",
    ),
)
