"""An entry of the guest book."""

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from tests.cookiecutter.models.meta import Base


class Entry(Base):
    """Somebody was here."""

    __tablename__ = "entries"
    __table_args__ = (Index("entries_by_name", "name", unique=True),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
