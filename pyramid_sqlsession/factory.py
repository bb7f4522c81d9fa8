"""The session factory that Pyramid calls when `request.session` is first used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

from pyramid.interfaces import ISessionFactory
from pyramid.registry import Registry
from pyramid.request import Request
from sqlalchemy import Table, inspect
from sqlalchemy.exc import SQLAlchemyError
from zope.interface import implementer

from pyramid_sqlsession.access import Access
from pyramid_sqlsession.cookie import SessionCookie
from pyramid_sqlsession.database import Bind, open_database, passing_transaction
from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.extra_fields import ExtraFields, FieldValues
from pyramid_sqlsession.lifecycle import LIFECYCLES, Lifecycle
from pyramid_sqlsession.loading import Loader
from pyramid_sqlsession.model import SessionMixin, check_model, generate_model
from pyramid_sqlsession.request_store import RequestStore
from pyramid_sqlsession.rows import SessionRows
from pyramid_sqlsession.session import SQLSession
from pyramid_sqlsession.settings import SessionSettings, parse_settings


@implementer(ISessionFactory)
class SQLSessionFactory:
    """Makes the sessions of requests; `model` is the mapped class that holds them.

    Raises `SettingsError` when the settings' mapped class cannot.
    """

    def __init__(self, settings: SessionSettings) -> None:
        self.settings = settings
        self.model: type[SessionMixin] = settings.model or generate_model(
            settings.table, settings.schema, settings.additional_fields
        )
        check_model(self.model, is_filled=settings.extend_default_fields is not None)
        self._cookie_name = settings.cookie_name  # where others look for it
        self._cookie = SessionCookie(settings)
        self._rows = SessionRows(self.model, settings.encryption_keys)
        settings = replace(settings, serializer=self._rows.suited(settings.serializer))
        self._database = open_database(settings, self.model)
        self._loader = Loader(settings, self._rows, self._cookie)
        self._fields = ExtraFields(self.model, settings.extend_default_fields)

    def __call__(self, request: Request) -> SQLSession:
        """Return the session of this request, the same one for every call."""
        lifecycles = request.__dict__.setdefault(LIFECYCLES, {})
        if self not in lifecycles:
            lifecycles[self] = self._begin(request)
        session: SQLSession = lifecycles[self].record.session
        return session

    def _begin(self, request: Request) -> Lifecycle:
        fields = FieldValues(self._fields, request)
        access = Access(request, self._rows, self._database, fields)
        record = self._loader.load(request, access.query)
        lifecycle = Lifecycle(request, self.settings, self._cookie, access, record)
        lifecycle.begin()
        return lifecycle

    def bind(self, request: Request) -> Bind:
        """Return what a transaction aside from that of `request` can be opened on."""
        return self._database.bind(request)

    def store(self, request: Request) -> RequestStore:
        """Return the store that is used in this request, as `request.session_store`."""
        return RequestStore(request, self, self._database)

    def create_table(self, request: Request) -> None:
        """Create the table of the sessions, and only it, unless it is there.

        `request` leads to the dbsession, as one from `pyramid.scripting.prepare` does. Raises
        `SQLSessionError` when the database refuses.
        """
        table = self._rows.table
        bind = self._database.bind(request)
        try:
            with passing_transaction(bind) as connection:
                table.create(connection, checkfirst=True)
        except SQLAlchemyError as error:  # also one about a name or type that it does not have
            if not _exists(table, bind):  # another process may have been faster
                raise SQLSessionError(
                    f"sqlsession.create_table: the table {table.fullname!r} could not be "
                    f"created: {getattr(error, 'orig', error)}"
                ) from error


def _exists(table: Table, bind: Any) -> bool:
    try:
        return bool(inspect(bind).has_table(table.name, schema=table.schema))
    except SQLAlchemyError:
        return False


def factory_of(registry: Registry) -> SQLSessionFactory:
    """Return the application's session factory; raise `SQLSessionError` if it is not ours."""
    factory = registry.queryUtility(ISessionFactory)
    if not isinstance(factory, SQLSessionFactory):
        raise SQLSessionError(
            f"the application's session factory is {factory!r}, not that of pyramid_sqlsession: "
            'write config.include("pyramid_sqlsession")'
        )
    return factory


def session_factory_from_settings(
    settings: Mapping[str, Any], package: ModuleType | str | None = None
) -> SQLSessionFactory:
    """Return a factory made from the keys of `settings` that begin with ``sqlsession.``.

    Dotted names that begin with a dot are relative to `package`. Raises `SettingsError`, with all
    faults in one message.
    """
    return SQLSessionFactory(parse_settings(settings, package))
