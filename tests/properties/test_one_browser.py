"""One browser with two requests in flight, and what becomes of its session meanwhile.

Hypothesis thinks of the requests, of when each goes on, and of what happens in between: logouts,
revocation, pruning, and the time that passes. `sessions` and `visits` say what must come of it.
"""

from __future__ import annotations

from itertools import count
from zlib import crc32

import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from pyramid_sqlsession.pruning import prune_sessions
from tests.attacks.scenes import with_and_without_secret
from tests.harness import App, Clock, MakeApp
from tests.harness.marks import on_every_on_abort
from tests.properties.choices import (
    BEGINNINGS,
    ENDS,
    PAUSES,
    REVOCATIONS,
    SELDOM,
    STAY,
    TAKE_TOKEN,
    some_moves,
)
from tests.properties.effort import examples
from tests.properties.flights import stopping_app
from tests.properties.probes import Probe, columns, digest, probing
from tests.properties.sessions import Key, Site
from tests.properties.visits import Move
from tests.properties.windows import Window

BEGINNING = 1_800_000_000
# Long examples find more than many: beyond the first ten, hypothesis mostly varies what it had. Of
# faults it shows one, and does not explain it, which would take minutes.
EFFORT = settings(
    examples(10),
    stateful_step_count=150,
    report_multiple_bugs=False,
    phases=[phase for phase in Phase if phase is not Phase.explain],
)


class OneBrowser(RuleBasedStateMachine):
    """A browser whose two windows share a cookie jar."""

    def __init__(self, app: App, site: Site, probe: Probe, clock: Clock) -> None:
        super().__init__()
        self.app, self.site, self.probe, self.clock = app, site, probe, clock
        self.clock.now = site.now
        self.probe.empty()
        self.pruned = 0  # when
        self.windows: dict[str, Window] = {}  # those whose request is not over
        self.tokens = count()
        self.jar: tuple[Key, int | None] | None = None  # and until when it is kept
        self.former: Key | None = None  # what was in the jar before
        self.over: set[Key] = set()  # ids that must never open anything again
        self.tried: set[Key] = set()

    @initialize(moves=st.sampled_from(BEGINNINGS))
    def come(self, moves: list[Move]) -> None:
        self.go_on("left", moves, "finish")

    # The browser

    def cookie(self) -> Key | None:
        """The id in the jar, unless the browser has forgotten it by now."""
        if self.jar is None:
            return None
        key, until = self.jar
        return key if until is None or self.site.now < until else None

    def former_cookie(self) -> Key | None:
        """The id that was in the jar before, if it was superseded; else the one that is there."""
        is_superseded = any(row.previous is self.former for row in self.site.rows)
        return self.former if is_superseded else self.cookie()

    @rule(
        side=st.sampled_from(["left", "right"]),
        is_former=st.sampled_from(SELDOM),
        pause=st.sampled_from(PAUSES),
        moves=some_moves,
        end=st.sampled_from(ENDS),
        is_slow=st.booleans(),
    )
    def go_on(
        self,
        side: str,
        moves: list[Move],
        end: str,
        *,
        pause: int = 0,
        is_slow: bool = False,
        is_former: bool = False,
    ) -> None:
        """Go on with the request of a window; if the last one is over, with the next one.

        That may still carry the former cookie. A slow response arrives when its window goes on.
        """
        self.wait(pause)
        window = self.window(side, self.former_cookie() if is_former else self.cookie())
        for move in moves:
            is_taking = move[0] in TAKE_TOKEN
            window.move((*move, next(self.tokens)) if is_taking else move)
        self.end(window, end)
        if window.flight.is_over and not is_slow:
            self.receive(side)

    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.site.now = self.clock()

    def window(self, side: str, cookie: Key | None) -> Window:
        """Return the request of a window; if the last one is over, the next one begins."""
        if side not in self.windows or self.windows[side].flight.is_over:
            self.receive(side)
            self.windows[side] = Window(self.app, self.site, cookie)
        return self.windows[side]

    def end(self, window: Window, end: str) -> None:
        """End a request in one of the ways in which it can."""
        if end == STAY:
            return
        if window.visit.has_failed:
            window.end("finish")
        elif end == "fail":
            window.fail()
        else:
            window.end(end, is_counted=end not in REVOCATIONS)

    def receive(self, side: str) -> None:
        """Let a response arrive that is on its way."""
        window = self.windows.pop(side, None)
        if window is not None and window.told is not None:
            key, max_age = window.told
            until = None if max_age is None else self.site.now + max_age
            self.former = self.cookie() or self.former
            self.jar = None if key is None else (key, until)

    # The world around

    @precondition(lambda self: self.site.rows and self.site.now > self.pruned)
    @rule()
    def prune(self) -> None:
        """Whatever is over is deleted, but for what the coarse `expires` makes wait."""
        prune_sessions(self.app.registry)
        self.pruned, left = self.site.now, self.probe.rows()
        for row in [row for row in self.site.rows if not self.site.is_alive(row)]:
            there = left.get(digest(row.key))
            assert there is None or there.columns["expires"] > self.site.now
            if there is None:
                self.site.delete(row)

    # What holds after each step

    @invariant()
    def the_table_is_that_of_the_model(self) -> None:
        found = self.probe.rows()
        assert found.keys() == {digest(row.key) for row in self.site.rows}
        for row in self.site.rows:
            there = found[digest(row.key)]
            assert there.data == row.data
            said = columns(row)
            assert {name: there.columns[name] for name in said} == said
            assert there.columns["expires"] >= row.ends()

    @invariant()
    def what_has_ended_opens_nothing(self) -> None:
        opens = {key for key in self.site.keys if self.site.opened_by(key) is not None}
        assert not opens & self.over
        closed = set(self.site.keys) - opens
        for key in closed - self.tried:
            self.try_out(key)
        self.tried = closed
        self.over |= closed

    def try_out(self, key: Key) -> None:
        """Look with a browser of its own."""
        browser = self.app.another_browser()
        browser.plant(str(key.cookie))
        with self.app.statements() as seen:
            response = browser.get("/read")
        assert response.json == {}
        assert self.app.set_cookies(response) == []
        assert seen.of_session == {"SELECT": 2}

    def teardown(self) -> None:
        for window in self.windows.values():
            window.flight.land()
        for key in self.over:
            self.try_out(key)


@on_every_on_abort
@pytest.mark.parametrize("on_conflict", ["merge", "retry"])
@with_and_without_secret
def test_the_promises_hold_whatever_two_requests_of_one_browser_do(
    request: pytest.FixtureRequest,
    make_app: MakeApp,
    clock: Clock,
    on_abort: str,
    on_conflict: str,
    secret: str | None,
) -> None:
    """Nobody gets in, nothing is lost, and nothing happens without need."""
    app = stopping_app(make_app, Site(on_abort, on_conflict), secret)
    with probing(app.probe) as probe:

        class Here(OneBrowser):
            def __init__(self) -> None:
                super().__init__(app, Site(on_abort, on_conflict, now=BEGINNING), probe, clock)

        if EFFORT.derandomize:
            seed(crc32(request.node.name.encode()))(Here)  # others in every variant
        run_state_machine_as_test(Here, settings=EFFORT)
