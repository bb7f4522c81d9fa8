"""What is known of a row of the session table."""

from __future__ import annotations

from pyramid_sqlsession.rows import Row
from pyramid_sqlsession.states import Stored


def test_a_row_shows_neither_its_digest_nor_its_data() -> None:
    """It may get into a log or a traceback."""
    row = Row(7, b"the digest", 1, 2, None, 86402, 3, b"the data")
    assert repr(row) == str(row) == "<Row 7, version 3>"


def test_what_is_stored_shows_no_session_id() -> None:
    """Nor what its row does not show."""
    row = Row(7, b"the digest", 1, 2, None, 86402, 3, b"the data")
    assert repr(Stored(row, "the secret id")) == "<Stored <Row 7, version 3>>"
