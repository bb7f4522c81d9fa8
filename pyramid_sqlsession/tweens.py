"""The two tweens around exception views; they do nothing for requests without a session."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pyramid.registry import Registry
from pyramid.request import Request

from pyramid_sqlsession.lifecycle import RESPONSE, lifecycles_of

Handler = Callable[[Request], Any]

SAVING = "pyramid_sqlsession.tweens.saving_tween_factory"
WATCHING = "pyramid_sqlsession.tweens.watching_tween_factory"
AT_FIRST_REQUEST = "pyramid_sqlsession.at_first_request"  # in the registry: what to call then


def _do_nothing() -> None:
    pass


def saving_tween_factory(handler: Handler, registry: Registry) -> Handler:
    """Save what the view did: over the exception views, under pyramid_tm."""
    begun = None  # the process that was seen to serve

    def saving_tween(request: Request) -> Any:
        nonlocal begun
        if begun != os.getpid():
            begun = os.getpid()
            registry.get(AT_FIRST_REQUEST, _do_nothing)()
        response = handler(request)
        for lifecycle in lifecycles_of(request):
            response = lifecycle.save_at_end(response)
        request.__dict__[RESPONSE] = response
        return response

    return saving_tween


def watching_tween_factory(handler: Handler, registry: Registry) -> Handler:  # noqa: ARG001 - a tween factory
    """See the view fail before the exception views do."""

    def watching_tween(request: Request) -> Any:
        for lifecycle in lifecycles_of(request):
            lifecycle.view_begins()
        try:
            return handler(request)
        except Exception:
            for lifecycle in lifecycles_of(request):
                lifecycle.view_failed()
            raise

    return watching_tween
