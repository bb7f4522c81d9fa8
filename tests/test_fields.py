"""What the columns of an application can equal."""

from __future__ import annotations

import enum
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import JSON, DateTime, Enum, Float, LargeBinary, Numeric, String, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, UserDefinedType

from pyramid_sqlsession import SessionMixin
from pyramid_sqlsession.fields import Fields


class Device(enum.Enum):
    """Where somebody is logged in."""

    PHONE = "phone"
    DESK = "desk"


class Ticket:
    """A value that only its column understands."""


class TicketType(TypeDecorator[Any]):
    """Keeps tickets as text."""

    impl = String
    cache_ok = True


class Point(UserDefinedType[Any]):
    """A type that does not say what its values are in Python, as SQLAlchemy 2.0 leaves it."""

    cache_ok = True

    @property
    def python_type(self) -> type[Any]:
        raise NotImplementedError


class Base(DeclarativeBase):
    """The application's base."""


class Visit(SessionMixin, Base):
    """A column of every kind."""

    __tablename__ = "visits"

    number: Mapped[int | None]
    name: Mapped[str | None]
    is_admin: Mapped[bool | None]
    seen: Mapped[datetime | None] = mapped_column(DateTime)
    day: Mapped[date | None]
    took: Mapped[timedelta | None]
    share: Mapped[float | None] = mapped_column(Float)
    price: Mapped[Decimal | None] = mapped_column(Numeric)
    account: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    device: Mapped[Device | None] = mapped_column(Enum(Device))
    key: Mapped[bytes | None] = mapped_column(LargeBinary)
    ticket: Mapped[Ticket | None] = mapped_column(TicketType)
    place: Mapped[Any] = mapped_column(Point)
    notes: Mapped[Any] = mapped_column(JSON)


NOON = datetime(2026, 11, 20, 12)  # noqa: DTZ001 - a column without time zone
ACCOUNT = uuid.UUID(int=7)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", 42),
        ("name", "ada"),
        ("is_admin", False),
        ("seen", NOON),
        ("day", date(2026, 11, 20)),
        ("took", timedelta(1)),
        ("share", 0.5),
        ("share", 1),
        ("price", Decimal(1)),
        ("price", 1),
        ("account", ACCOUNT),
        ("device", Device.PHONE),
        ("key", b"k"),
        ("ticket", Ticket()),
        ("place", (1, 2)),
        ("notes", {"a": 1}),
    ],
)
def test_a_value_of_the_columns_type_is_accepted(name: str, value: Any) -> None:
    """And so is None, for every column."""
    assert len(Fields(Visit).where({name: value})) == 1
    [condition] = Fields(Visit).where({name: None})
    assert str(condition).endswith("IS NULL")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", "42"),
        ("number", True),
        ("number", 42.0),
        ("number", Decimal(42)),
        ("name", 42),
        ("name", b"ada"),
        ("name", Device.PHONE),
        ("is_admin", 1),
        ("is_admin", "true"),
        ("seen", date(2026, 11, 20)),
        ("seen", "2026-11-20"),
        ("day", NOON),
        ("took", 5),
        ("share", True),
        ("share", "0.5"),
        ("price", 0.5),
        ("account", str(ACCOUNT)),
        ("device", "PHONE"),
        ("key", "k"),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    """However much alike they look, and though some database would convert it."""
    with pytest.raises(TypeError, match=rf"Visit\.{name} holds "):
        Fields(Visit).where({name: value})


@pytest.mark.parametrize("name", [*SessionMixin.__annotations__, "numbr", "metadata"])
def test_what_the_application_has_not_added_is_no_field(name: str) -> None:
    """Our own columns are not; the message lists those that are, and never shows the value."""
    with pytest.raises(
        TypeError, match=rf"{name!r} is no field of Visit: .* number, name"
    ) as error:
        Fields(Visit).where({name: "the value"})
    assert "the value" not in str(error.value)
