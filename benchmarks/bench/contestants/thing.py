"""What a page of the application asks its database for, by SQLAlchemy; the table is there."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The application's own tables."""


class Thing(Base):
    """Something with a name."""

    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


WANTED = select(Thing).where(Thing.id == 1)
