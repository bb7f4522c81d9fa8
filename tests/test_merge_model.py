"""Requests that overlap, held against a plain model: apply my changes to the newest data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pyramid.testing import DummySession

from pyramid_sqlsession.merge import merge
from tests.harness import App, MakeApp, only_on_sqlite

Data = dict[str, Any]
Move = tuple[str, str]
Moves = list[Move]

KEYS, QUEUES = "ab", ["", "error"]
moves_on_keys = st.tuples(
    st.sampled_from(["put", "delete", "restore", "append"]), st.sampled_from(KEYS)
)
moves_on_queues = st.tuples(st.sampled_from(["flash", "pop"]), st.sampled_from(QUEUES))
PRESENT: Moves = [("flash", ""), ("put", "a")]  # there is a session, and something to disagree on
scripts = st.lists(moves_on_keys | moves_on_queues | st.just(("clear", "")), max_size=6)


# What a view does. Every value and message is new, so that two of them are never equal by chance.


class Visit:
    """A view's moves on a session; `base` is what it found there."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.base = copy.deepcopy(dict(session))

    def put(self, key: str, token: str) -> None:
        self.session[key] = [token]

    def delete(self, key: str, _token: str) -> None:
        self.session.pop(key, None)

    def restore(self, key: str, _token: str) -> None:
        """Make it as it was: no change, after all."""
        if key in self.base:
            self.session[key] = copy.deepcopy(self.base[key])
        else:
            self.session.pop(key, None)

    def append(self, key: str, token: str) -> None:
        self.session.setdefault(key, []).append(token)

    def flash(self, queue: str, token: str) -> None:
        self.session.flash(token, queue)

    def pop(self, queue: str, _token: str) -> None:
        self.session.pop_flash(queue)

    def clear(self, _key: str, _token: str) -> None:
        self.session.clear()


def play(to: Any, moves: Sequence[Move], who: str, *, first: int = 0) -> None:
    """Make the moves, with tokens that tell whose and which they are."""
    for number, (move, key) in enumerate(moves, first):
        getattr(to, move)(key, f"{who}{number}")


# The model


@dataclass
class State:
    """What a session holds: values by key, and messages by queue."""

    values: dict[str, list[str]] = field(default_factory=dict)
    queues: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in QUEUES})

    def as_data(self) -> Data:
        """What a session has of it: a queue is a key, and an empty one is none."""
        return {**self.values, **{f"_f_{name}": q for name, q in self.queues.items() if q}}


class Changes:
    """The same moves, remembered as what they ask for: values, deletions, messages."""

    def __init__(self, base: State) -> None:
        self.base = base
        self.values: dict[str, list[str]] = {}
        self.deleted: set[str] = set()
        self.shown: set[str] = set()
        self.added: dict[str, list[str]] = {name: [] for name in QUEUES}

    def put(self, key: str, token: str) -> None:
        self.deleted.discard(key)
        self.values[key] = [token]

    def delete(self, key: str, token: str) -> None:
        self.restore(key, token)
        if key in self.base.values:
            self.deleted.add(key)

    def restore(self, key: str, _token: str) -> None:
        self.deleted.discard(key)
        self.values.pop(key, None)

    def append(self, key: str, token: str) -> None:
        found = [] if key in self.deleted else self.base.values.get(key, [])
        value = [*self.values.get(key, found), token]
        self.deleted.discard(key)
        self.values[key] = value

    def flash(self, queue: str, token: str) -> None:
        self.added[queue].append(token)

    def pop(self, queue: str, _token: str) -> None:
        self.shown.update(self.base.queues[queue])
        self.added[queue] = []

    def clear(self, _key: str, token: str) -> None:
        for key in {*self.base.values, *self.values}:
            self.delete(key, token)
        for queue in QUEUES:
            self.pop(queue, token)

    def applied_to(self, newest: State) -> State:
        """Return the newest state with these changes."""
        kept = {key: value for key, value in newest.values.items() if key not in self.deleted}
        queues = {
            name: [message for message in queue if message not in self.shown] + self.added[name]
            for name, queue in newest.queues.items()
        }
        return State(kept | self.values, queues)


def changed(base: State, newest: State, moves: Moves, who: str) -> State:
    """Return what a request makes of the newest state when it made its moves on `base`."""
    changes = Changes(base)
    play(changes, moves, who)
    return changes.applied_to(newest)


def seeded(moves: Moves) -> State:
    """Return the state that all begin with; it has a key, so that there is a session."""
    return changed(State(), State(), [*moves, *PRESENT], "seed")


def saved_one_after_the_other(seed: Moves, requests: Sequence[Moves]) -> Data:
    """Return what is there in the end, when all have read the seed before the first is saved."""
    newest = base = seeded(seed)
    for number, moves in reversed(list(enumerate(requests))):
        newest = changed(base, newest, moves, f"request {number}, ")
    return newest.as_data()


# Held against it


@settings(deadline=None, max_examples=300)  # a slow machine is no failure
@given(seed=scripts, mine=scripts, theirs=scripts)
def test_a_merge_applies_my_changes_to_the_newest_data(
    seed: Moves, mine: Moves, theirs: Moves
) -> None:
    """Settings, deletions, messages added and messages shown."""
    base = seeded(seed).as_data()
    versions = []
    for number, moves in enumerate([mine, theirs]):
        session = DummySession(copy.deepcopy(base))
        play(Visit(session), moves, f"request {number}, ")
        versions.append(dict(session))
    assert merge(base, *versions) == saved_one_after_the_other(seed, [mine, theirs])


class Overlap:
    """Requests of one visitor of which each begins and ends while the one before it runs."""

    def __init__(self, make_app: MakeApp) -> None:
        self.app: App = make_app(views={"/seed": self._seed, "/": self._overlap})
        self.seed: Moves = []
        self.requests: list[Moves] = []
        self.begun = 0
        self.cookie = ""

    def run(self, seed: Moves, requests: list[Moves]) -> Data:
        """Return what the session holds when all requests are over."""
        self.seed, self.requests, self.begun = seed, requests, 0
        browser = self.app.another_browser()
        browser.get("/seed")
        self.cookie = str(browser.cookie)
        self._next()
        held: Data = browser.get("/read").json
        return held

    def _next(self) -> None:
        if self.begun < len(self.requests):
            browser = self.app.another_browser()
            browser.plant(self.cookie)
            browser.get("/")

    def _seed(self, request: Any) -> None:
        play(Visit(request.session), [*self.seed, *PRESENT], "seed")

    def _overlap(self, request: Any) -> None:
        """Make some moves before the next request comes and goes, and the others after it."""
        number, self.begun = self.begun, self.begun + 1
        visit, moves = Visit(request.session), self.requests[number]
        half = len(moves) // 2
        play(visit, moves[:half], f"request {number}, ")
        self._next()
        play(visit, moves[half:], f"request {number}, ", first=half)


@only_on_sqlite
def test_requests_that_overlap_leave_what_the_model_says(make_app: MakeApp) -> None:
    """Two or three at once, each saved when those that came after it are."""
    overlap = Overlap(make_app)

    @settings(deadline=None, max_examples=40)
    @given(seed=scripts, requests=st.lists(scripts, min_size=2, max_size=3))
    def holds(seed: Moves, requests: list[Moves]) -> None:
        assert overlap.run(seed, requests) == saved_one_after_the_other(seed, requests)

    holds()
