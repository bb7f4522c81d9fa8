"""The session and a plain dict, side by side: the same moves, results, errors and content."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyramid.testing import DummySession

from pyramid_sqlsession import UnstorableValueError
from pyramid_sqlsession.record import Record
from pyramid_sqlsession.rows import Row
from pyramid_sqlsession.serializers import dump
from pyramid_sqlsession.settings import parse_settings
from pyramid_sqlsession.states import Stored
from tests.harness import App, Clock, MakeApp
from tests.properties.effort import examples
from tests.properties.moves import LOADED, MOVES, Hand, Move, outcome
from tests.properties.strategies import one_in

SETTINGS = parse_settings({})

ENCRYPTED = {"sqlsession.encryption_keys": urlsafe_b64encode(b"k" * 32).decode()}


def as_json(values: Any) -> str | None:
    """Return the content as JSON has it, None when it has it not."""
    try:
        return json.dumps(dict(values), allow_nan=False)
    except (TypeError, ValueError):
        return None


def content(session: Any) -> dict[Any, Any]:
    """Return what a session holds, though nobody has asked it for that."""
    return dict(dict.items(session))


# In requests


class SideBySide:
    """Lets a browser and a plain dict do the same."""

    def __init__(self, make_app: MakeApp, settings: dict[str, str]) -> None:
        self.app: App = make_app(views={"/": self._view}, settings=settings)

    def begin(self) -> None:
        """Begin with another visitor, and nothing."""
        self.app.execute("DELETE FROM sessions")
        self.browser = self.app.another_browser()
        self.kept = "{}"  # as JSON
        self.saves = 0

    def visit(self, moves: list[Move]) -> None:
        """Send a request that makes these moves, and see what it has written."""
        self.moves, self.plain = moves, DummySession(json.loads(self.kept))
        with self.app.statements() as seen:
            response = self._response()
        statements = {"SELECT": 1} if self.saves else {}
        now = as_json(self.plain)
        assert (response is None) == (now is None)
        if now is not None and self._has_to_save(now):
            statements["UPDATE" if self.saves else "INSERT"] = 1
            self.kept, self.saves = now, self.saves + 1
        elif response is not None:
            assert self.app.set_cookies(response) == []
        assert seen.of_session == statements

    def _has_to_save(self, now: str) -> bool:
        is_forced = any(name == "changed" for name, _ in self.moves)
        return is_forced or now != json.dumps(json.loads(self.kept))

    def _response(self) -> Any:
        try:
            return self.browser.get("/")
        except UnstorableValueError:
            return None

    def _view(self, request: Any) -> None:
        """Make the moves on both; what a session holds is looked at behind its back."""
        session, plain = request.session, self.plain
        assert repr(content(session)) == repr(dict(plain))
        ours, theirs = Hand(session), Hand(plain)
        for move in self.moves:
            assert outcome(ours, move) == outcome(theirs, move)
        assert repr(content(session)) == repr(dict(plain))


@pytest.mark.parametrize("settings", [{}, ENCRYPTED], ids=["plain", "encrypted"])
def test_a_session_is_the_dict_that_it_looks_like(
    make_app: MakeApp, clock: Clock, settings: dict[str, str]
) -> None:
    """Whatever is done with it; and what is done is saved, once, if it makes a difference."""
    side_by_side = SideBySide(make_app, settings)

    @examples(25)
    @given(st.lists(st.lists(MOVES, max_size=6), min_size=1, max_size=4))
    def holds(requests: list[list[Move]]) -> None:
        side_by_side.begin()
        for moves in [*requests, []]:
            side_by_side.visit(moves)
        versions = [row.version for row in side_by_side.app.rows()]
        assert versions == ([side_by_side.saves] if side_by_side.saves else [])

    holds()


# Without requests


BETWEEN: st.SearchStrategy[Any] = st.sampled_from(["look", "save"])


class Bookkeeping:
    """A session that was just loaded, and what is known of what was saved of it last."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.plain = DummySession(json.loads(json.dumps(data)))
        written = dump(SETTINGS.serializer, self.plain)
        row = Row(1, b"digest", 0, 0, None, 0, 1, written)
        self.record = Record(SETTINGS, Stored(row, "session id"), json.loads(written))
        self.kept = as_json(self.plain)
        self.hands = Hand(self.record.session), Hand(self.plain)
        self.is_forced = False

    def make(self, move: Move) -> None:
        ours, theirs = self.hands
        assert outcome(ours, move) == outcome(theirs, move)
        self.is_forced = self.is_forced or move[0] == "changed"

    def look(self) -> None:
        """Serialise what is there, as something does that needs it before the end."""
        if as_json(self.plain) is None:
            with pytest.raises(UnstorableValueError):
                self.record.dump()
        else:
            self.record.dump()

    def save(self) -> None:
        """Have written what has to be, and see that it is no more and no less."""
        now = as_json(self.plain)
        has_to_save = now != self.kept or self.is_forced
        assert not (has_to_save and self.record.is_settled())
        if now is None:
            with pytest.raises(UnstorableValueError):
                self.record.change()
        else:
            written = self._written()
            assert (written is not None) == has_to_save
            assert written is None or json.loads(written) == json.loads(now)
            self.kept, self.is_forced = now, False

    def _written(self) -> bytes | None:
        change, stored = self.record.change(), self.record.current
        if change is None or change.data is None or stored is None:
            return None
        self.record.hold(stored.row._replace(data=change.data), stored.session_id)
        return change.data


@examples(400)
@given(LOADED, st.lists(one_in([MOVES, MOVES, BETWEEN]), min_size=4, max_size=10))
@example({"a": [1]}, ["look", ("reach_in", ("get", "a", 1))])
@example({}, [("put", ("a", [])), "save", ("grow", (1,))])
@example({}, [("update", ([("a", []), 7],)), "save", ("grow", (1,))])
def test_no_change_is_overlooked_and_nothing_equal_is_written(
    data: dict[str, Any], moves: list[Move | str]
) -> None:
    """However often it is saved meanwhile, and whoever holds a value that is in it."""
    books = Bookkeeping(data)
    for move in [*moves, "save"]:
        if isinstance(move, str):
            getattr(books, move)()
        else:
            books.make(move)
