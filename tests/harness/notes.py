"""The application's own table, to see what is committed together with a session."""

from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The application's declarative base."""


class Note(Base):
    """A row of application data; `text` is unique, so that a second one fails to flush."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(String(100), unique=True)
