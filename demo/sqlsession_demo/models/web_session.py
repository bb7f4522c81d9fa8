"""The sessions, mapped by the shop itself, so that it can tell whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from pyramid_sqlsession import SessionMixin
from sqlsession_demo.models.meta import Base
from sqlsession_demo.models.user import User


class WebSession(SessionMixin, Base):
    """A session; `user_id` is the name of the user who is logged in, NULL for a guest."""

    __tablename__ = "web_sessions"

    user_id: Mapped[str | None] = mapped_column(ForeignKey(User.name), index=True)


def session_fields(defaults: Mapping[str, Any], session: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands in the shop's own columns of a session."""
    return {"user_id": session.get("auth.userid")}
