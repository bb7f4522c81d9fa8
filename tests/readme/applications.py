"""What several tests of the README use: a view, and an application."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, registry

from pyramid_sqlsession import (
    SessionMixin,
)
from tests.harness import App, MakeApp


def begin(request: Any) -> None:
    request.session["x"] = 1


def store_app(make_app: MakeApp, **options: Any) -> App:
    """An application whose class has the column that the section on the store talks of."""
    columns = {"__annotations__": {"user_id": Mapped[int | None]}, "__tablename__": "web_sessions"}
    base = registry().generate_base()
    model = type("WebSession", (SessionMixin, base), columns)
    settings = {"sqlsession.model": model, "sqlsession.table": None}
    return make_app(settings=settings, **options)
