"""The models of the guest book, and how a request comes by its dbsession."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import zope.sqlalchemy
from sqlalchemy import Engine, engine_from_config
from sqlalchemy.orm import Session, configure_mappers, sessionmaker

# Whatever is imported here is known to the metadata, and so to migrations.
from tests.cookiecutter.models.entry import Entry
from tests.cookiecutter.models.meta import Base
from tests.cookiecutter.models.web_session import WebSession

__all__ = ["Base", "Entry", "WebSession", "get_engine", "get_session_factory", "get_tm_session"]

configure_mappers()


def get_engine(settings: Mapping[str, Any], prefix: str = "sqlalchemy.") -> Engine:
    """Make the engine that the settings ask for."""
    return engine_from_config(dict(settings), prefix)


def get_session_factory(engine: Engine) -> sessionmaker[Session]:
    """Make what makes dbsessions."""
    return sessionmaker(bind=engine)


def get_tm_session(
    session_factory: sessionmaker[Session], transaction_manager: Any, request: Any = None
) -> Session:
    """Make a dbsession that takes part in the transactions of `transaction_manager`.

    Without a request it is one for a script or a test; with one, `dbsession.info` knows it.
    """
    dbsession = session_factory(info={"request": request})
    zope.sqlalchemy.register(dbsession, transaction_manager=transaction_manager)
    return dbsession


def includeme(config: Any) -> None:
    """Give every request a `tm` and a `dbsession`; a test may bring its own in the environ."""
    settings = config.get_settings()
    settings["tm.manager_hook"] = "pyramid_tm.explicit_manager"
    config.include("pyramid_tm")
    config.include("pyramid_retry")

    engine = settings.get("dbengine") or get_engine(settings)
    session_factory = get_session_factory(engine)
    config.registry["dbsession_factory"] = session_factory

    def dbsession(request: Any) -> Session:
        given: Session | None = request.environ.get("app.dbsession")
        return given or get_tm_session(session_factory, request.tm, request=request)

    config.add_request_method(dbsession, reify=True)
