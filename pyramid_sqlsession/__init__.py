"""Sessions in the application's own SQL database, saved in the same transaction as its data."""

from __future__ import annotations

import logging

from pyramid.config import PHASE3_CONFIG, Configurator
from pyramid.events import ApplicationCreated
from pyramid.interfaces import ISessionFactory, ITweens
from pyramid.registry import Registry
from pyramid.request import Request
from pyramid.scripting import prepare
from pyramid.tweens import EXCVIEW, INGRESS

from pyramid_sqlsession.advice import advice_on
from pyramid_sqlsession.exceptions import (
    SessionConflict,
    SettingsError,
    SQLSessionError,
    UnstorableValueError,
)
from pyramid_sqlsession.factory import SQLSessionFactory, session_factory_from_settings
from pyramid_sqlsession.introspection import introduce
from pyramid_sqlsession.model import SessionMixin
from pyramid_sqlsession.pruner import Pruner, get_pruner
from pyramid_sqlsession.pruning import Pruned, prune_sessions
from pyramid_sqlsession.serializers import JSONSerializer
from pyramid_sqlsession.session import SQLSession
from pyramid_sqlsession.store import SessionStore
from pyramid_sqlsession.tweens import AT_FIRST_REQUEST, SAVING, WATCHING, watching_tween_factory

__all__ = [
    "JSONSerializer",
    "Pruned",
    "Pruner",
    "SQLSession",
    "SQLSessionError",
    "SQLSessionFactory",
    "SessionConflict",
    "SessionMixin",
    "SessionStore",
    "SettingsError",
    "UnstorableValueError",
    "get_pruner",
    "includeme",
    "prune_sessions",
    "session_factory_from_settings",
]

log = logging.getLogger(__name__)

LAST = PHASE3_CONFIG + 1000  # the order of an action, behind those of applications


def includeme(config: Configurator) -> None:
    """Register the session factory that the settings under ``sqlsession.`` describe."""

    def register() -> None:
        # An action, so that code after the include may still change the settings; with
        # Pyramid's own discriminator, so that the application's factory wins.
        if config.registry.queryUtility(ISessionFactory) is None:
            factory = session_factory_from_settings(config.get_settings(), config.root_package)
            config.registry.registerUtility(factory, ISessionFactory)
            introduce(config, factory)

    def place_watching_tween() -> None:
        # The last that is added comes next to EXCVIEW. Another between the two could fail after
        # the view, unseen, and what the view did would pass for the exception view's.
        tweens = config.registry.queryUtility(ITweens)
        tweens.add_implicit(WATCHING, watching_tween_factory, under=EXCVIEW)

    config.action(ISessionFactory, register)
    config.action(WATCHING, place_watching_tween, order=LAST)
    config.add_tween(SAVING, over=EXCVIEW, under=("pyramid_tm.tm_tween_factory", INGRESS))
    config.add_request_method(_session_store, "session_store", reify=True)
    config.action(None, lambda: config.registry.registerHandler(_start, (ApplicationCreated,)))


def _session_store(request: Request) -> SessionStore:
    factory = request.registry.queryUtility(ISessionFactory)
    if isinstance(factory, SQLSessionFactory):
        return factory.store(request)
    raise SQLSessionError(
        f"request.session_store is that of pyramid_sqlsession's session factory, but the "
        f"application has set {factory!r}: call store(request) of the factory that you mean"
    )


def _start(event: ApplicationCreated) -> None:
    registry = event.app.registry
    _stop_listening(registry)
    factory = registry.queryUtility(ISessionFactory)
    if not isinstance(factory, SQLSessionFactory):
        return
    _warn_of_missing_tweens(registry)
    for sentence in advice_on(factory.settings):
        log.warning("%s", sentence)
    if factory.settings.create_table:
        with prepare(registry=registry) as env:
            factory.create_table(env["request"])
    registry[AT_FIRST_REQUEST] = get_pruner(registry).start


def _stop_listening(registry: Registry) -> None:
    """Leave no subscriber, for whose sake Pyramid would send its events at every request."""
    registry.unregisterHandler(_start, (ApplicationCreated,))
    others = [*registry.registeredHandlers(), *registry.registeredSubscriptionAdapters()]
    registry.has_listeners = bool(others)


def _warn_of_missing_tweens(registry: Registry) -> None:
    explicit = registry.queryUtility(ITweens).explicit
    names = {name for name, _ in explicit}
    missing = [name for name in (SAVING, WATCHING) if explicit and name not in names]
    if missing:
        log.warning(
            "pyramid.tweens does not list %s: sessions are saved by the hook before each commit, "
            "too late for a conflict to be retried. Put %r over and %r under %r",
            " and ".join(missing),
            SAVING,
            WATCHING,
            EXCVIEW,
        )
