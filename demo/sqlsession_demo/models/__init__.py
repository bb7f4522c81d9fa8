"""The shop's tables and `request.dbsession`, joined to the transaction of the request."""

from __future__ import annotations

import zope.sqlalchemy
from pyramid.config import Configurator
from pyramid.request import Request
from sqlalchemy import Engine, engine_from_config, select
from sqlalchemy.orm import Session, configure_mappers, sessionmaker

from sqlsession_demo.models.meta import Base
from sqlsession_demo.models.order import Order, OrderLine
from sqlsession_demo.models.user import User
from sqlsession_demo.models.web_session import WebSession, session_fields

__all__ = ["Base", "Order", "OrderLine", "User", "WebSession", "session_fields"]

configure_mappers()

DEMO_USERS = (
    ("ada", "Ada Lovelace", "analytical-engine"),
    ("grace", "Grace Hopper", "flow-matic"),
)


def includeme(config: Configurator) -> None:
    """Include pyramid_tm, connect to `sqlalchemy.url`, add `request.dbsession`."""
    settings = config.get_settings()
    settings["tm.manager_hook"] = "pyramid_tm.explicit_manager"
    config.include("pyramid_tm")
    config.include("pyramid_retry")
    engine = engine_from_config(settings, "sqlalchemy.")
    config.registry["dbsession_factory"] = sessionmaker(engine)
    config.add_request_method(_dbsession, "dbsession", reify=True)
    _create_tables(engine)


def _dbsession(request: Request) -> Session:
    dbsession: Session = request.registry["dbsession_factory"](info={"request": request})
    zope.sqlalchemy.register(dbsession, transaction_manager=request.tm)
    return dbsession


def _create_tables(engine: Engine) -> None:
    """Create what is missing; an application that grows uses migrations instead."""
    Base.metadata.create_all(engine)
    with Session(engine) as dbsession, dbsession.begin():
        if dbsession.scalars(select(User)).first() is None:
            dbsession.add_all(_demo_user(*columns) for columns in DEMO_USERS)


def _demo_user(name: str, full_name: str, password: str) -> User:
    user = User(name=name, full_name=full_name)
    user.set_password(password)
    return user
