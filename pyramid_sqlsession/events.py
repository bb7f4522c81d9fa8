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
    """A new session has a row; sent at the end of the request.

    `request` is the one that began the session, and `session` its `request.session`, whose `id` is
    the public id.
    """

    request: Any
    session: SQLSession = field(repr=False)


@dataclass(frozen=True)
class SessionEnded:
    """A session that a request used has ended; sent at the end of the request.

    `request` is the one that used it, and `id` was its public id. `reason` is ``invalidated``, or
    ``revoked`` when somebody else had deleted the row, or `request.session_store` had.
    """

    request: Any
    id: int
    reason: str


@dataclass(frozen=True)
class SessionIdChanged:
    """A session was given a new secret id; sent at the end of the request.

    `request` is the one that caused it, as a login does, and `session` its `request.session`,
    whose `id`, the public one, stays.
    """

    request: Any
    session: SQLSession = field(repr=False)


@dataclass(frozen=True)
class SessionMerged:
    """Two parallel requests have changed a session, and both are kept; sent at the end.

    `request` is the one that saved last, and `session` its `request.session`, which holds the
    changes of both.
    """

    request: Any
    session: SQLSession = field(repr=False)


@dataclass(frozen=True)
class UnknownSessionId:
    """A well-formed cookie opened no session; sent when the session is first looked at.

    `request` is the one that brought the cookie, of a session that has expired or was ended, or of
    none that ever was.
    """

    request: Any


@dataclass(frozen=True)
class SupersededSessionId:
    """A cookie came whose id was replaced over a minute ago; sent when it is first looked at.

    `request` is the one that brought it, and `id` the public id of the session that it opened
    before.
    """

    request: Any
    id: int


@dataclass(frozen=True)
class SessionsPruned:
    """Expired sessions were looked for and deleted; sent at the end of the run.

    `request` is none of a visitor, but as `pyramid.scripting.prepare` makes it. So many rows were
    `deleted`, in so many `batches` and `seconds`; `complete` when the whole table was looked at.
    """

    request: Any
    deleted: int
    batches: int
    seconds: float
    complete: bool


def notify(request: Any, event: type[Any], *facts: Any) -> None:
    """Send an event, built only if somebody subscribes; a subscriber that fails is logged."""
    registry = getattr(request, "registry", None)
    if registry is None or not registry.has_listeners:
        return
    if not registry.adapters.subscriptions([implementedBy(event)], None):
        return
    try:
        registry.notify(event(request, *facts))
    except Exception:
        log.exception("a subscriber of %s failed", event.__name__)
