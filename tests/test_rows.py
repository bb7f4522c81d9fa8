"""What is known of a row of the session table."""

from __future__ import annotations

import pytest
from sqlalchemy import LargeBinary
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeEngine

from pyramid_sqlsession import SessionMixin
from pyramid_sqlsession.rows import Row, SessionRows
from pyramid_sqlsession.states import Stored


def test_a_row_shows_neither_its_digest_nor_its_data() -> None:
    """It may get into a log or a traceback."""
    row = Row(7, b"the digest", 1, 2, None, 86402, 3, b"the data")
    assert repr(row) == str(row) == "<Row 7, version 3>"


def test_what_is_stored_shows_no_session_id() -> None:
    """Nor what its row does not show."""
    row = Row(7, b"the digest", 1, 2, None, 86402, 3, b"the data")
    stored = Stored(row, "the secret id")
    assert "secret" not in repr(stored)
    assert not isinstance(stored, tuple)


@pytest.mark.parametrize(
    "binary", [LargeBinary(), mysql.LONGBLOB(), mysql.VARBINARY(500), postgresql.BYTEA()]
)
def test_a_binary_column_takes_whatever_a_serializer_writes(binary: TypeEngine[bytes]) -> None:
    """Also if it is of a type of one database, which LargeBinary is no class above."""

    class Base(DeclarativeBase):
        """An application's."""

    class WebSession(SessionMixin, Base):
        __tablename__ = "sessions"
        data = mapped_column(binary)

    assert SessionRows(WebSession).bound(b"\xff\0") == b"\xff\0"
