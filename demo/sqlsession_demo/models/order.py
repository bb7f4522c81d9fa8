"""What was ordered."""

from __future__ import annotations

from datetime import datetime, timezone

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from sqlsession_demo.models.meta import Base
from sqlsession_demo.models.user import User


def _utc_now() -> datetime:
    return datetime.now(timezone.utc)


class Order(Base):
    """An order, by a user or, without one, by a guest."""

    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    placed: Mapped[datetime] = mapped_column(default=_utc_now)
    customer_name: Mapped[str | None] = mapped_column(ForeignKey(User.name))
    total: Mapped[int]  # cents

    customer: Mapped[User | None] = relationship()
    lines: Mapped[list[OrderLine]] = relationship(order_by="OrderLine.id")


class OrderLine(Base):
    """So many of one tea, at the price of that day."""

    __tablename__ = "order_lines"

    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey(Order.id))
    tea: Mapped[str] = mapped_column(String(100))
    quantity: Mapped[int]
    price: Mapped[int]  # cents, of one
