"""Who may log in."""

from __future__ import annotations

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from sqlsession_demo.models.meta import Base
from sqlsession_demo.passwords import hash_password, password_matches


class User(Base):
    """A customer with an account; the name is what the session remembers."""

    __tablename__ = "users"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    full_name: Mapped[str] = mapped_column(String(100))
    password_hash: Mapped[str] = mapped_column(String(200))

    def set_password(self, password: str) -> None:
        """Store a salted hash of `password`, never `password` itself."""
        self.password_hash = hash_password(password)

    def has_password(self, password: str) -> bool:
        """Tell whether `password` is this user's."""
        return password_matches(password, self.password_hash)
