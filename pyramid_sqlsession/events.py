"""What subscribers may learn of sessions; public ids only, sent when the facts are settled."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from zope.interface import implementedBy

from pyramid_sqlsession.session import SQLSession

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SessionCreated:
    """A new session has a row; `session.id` is its public id."""

    request: Any
    session: SQLSession = field(repr=False)


@dataclass(frozen=True)
class SessionEnded:
    """A session ended; `reason` is ``invalidated`` or, when its row was gone, ``revoked``."""

    request: Any
    id: int
    reason: str


@dataclass(frozen=True)
class SessionIdChanged:
    """A session was given a new secret id; its public id stays."""

    request: Any
    session: SQLSession = field(repr=False)


@dataclass(frozen=True)
class SessionMerged:
    """A parallel request had saved the session first; the changes of both were kept."""

    request: Any
    session: SQLSession = field(repr=False)


@dataclass(frozen=True)
class UnknownSessionId:
    """A well-formed cookie came of which the database knows no live session."""

    request: Any


@dataclass(frozen=True)
class SupersededSessionId:
    """A cookie came whose id was replaced more than a minute ago; `id` is the public id."""

    request: Any
    id: int


@dataclass(frozen=True)
class SessionsPruned:
    """Expired sessions were deleted; `complete` when the whole table was looked at.

    `request` is none of a visitor, but as `pyramid.scripting.prepare` makes it.
    """

    request: Any
    deleted: int
    batches: int
    seconds: float
    complete: bool


def notify(request: Any, event: type[Any], *facts: Any) -> None:
    """Send an event, built only if somebody subscribes; a subscriber that fails is logged."""
    registry = getattr(request, "registry", None)
    if registry is None or not registry.adapters.subscriptions([implementedBy(event)], None):
        return
    try:
        registry.notify(event(request, *facts))
    except Exception:
        log.exception("a subscriber of %s failed", event.__name__)
