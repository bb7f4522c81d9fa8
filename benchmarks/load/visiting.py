"""Visitors: each has a cookie jar, and sends several requests at once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from benchmarks.load.acts import Act, Add, Count, Flash, Remove, Show
from benchmarks.load.http import Answer, Wires
from benchmarks.load.journal import Journal, bound_together
from benchmarks.load.life import Life

AT_ONCE = 3  # requests of one visitor
LONGEST_LIFE = 20  # rounds
FRIGHT = 0.3  # seconds that a visitor looks at an error before doing anything else


class Budget:
    """The number of requests that may still be sent, by all visitors together."""

    def __init__(self, requests: int) -> None:
        self._left = self._requests = requests
        self._lock = threading.Lock()

    def spend(self, requests: int) -> None:
        """Take some, though there may be fewer."""
        with self._lock:
            self._left -= requests

    @property
    def share(self) -> float:
        """How much of all is spent."""
        return 1 - self._left / self._requests

    def is_spent(self) -> bool:
        """Whether it is time to go."""
        return self._left <= 0


class Visitor:
    """One person after another, who come, fill carts, log in and out, and go."""

    def __init__(self, number: int, variant: str, wires: Wires, budget: Budget) -> None:
        self.journal = Journal()
        self._variant = variant
        self._wires = wires
        self._budget = budget
        self._choose = random.Random(number)
        self._tokens = (f"{number}.{token}" for token in count())
        self._threads = ThreadPoolExecutor(AT_ONCE)

    def visit(self) -> None:
        """Live one life after another while there are requests to spend."""
        with self._threads:
            while not self._budget.is_spent():
                life = self._come()
                if life is not None:
                    self._live(life)

    def _come(self) -> Life | None:
        """Get a session by adding something."""
        act = Add(next(self._tokens), "first")
        (answer,) = self._ask(None, [act.path])
        if not answer.is_good:
            return None
        if not answer.cookie:
            self.journal.strange.append("a first change was answered without a cookie")
            return None
        life = Life(self._variant, [answer.cookie])
        self._settle(life, [act], [answer], is_certain=True)
        return life

    def _live(self, life: Life) -> None:
        for _ in range(self._choose.randint(1, LONGEST_LIFE)):
            if self._budget.is_spent():
                break
            (turn,) = self._choose.choices(
                [self._work, self._look, self._log_in, self._log_out, self._be_revoked],
                [70, 10, 8, 7, 5],
            )
            if not turn(life):
                return
        self.journal.lives.append(life)

    # The turns, which tell whether the session goes on

    def _work(self, life: Life) -> bool:
        """Change several things at once; every change counts."""
        acts = self._some_acts(life)
        answers = self._ask(life.cookie, [act.path for act in acts])
        self._settle(life, acts, answers, is_certain=True)
        for answer in answers:
            if answer.cookie is not None:
                self._take(life, answer.cookie)
        return True

    def _take(self, _life: Life, _cookie: str) -> None:
        """Wonder at a cookie that came with the answer to a change."""
        self.journal.strange.append("a cookie was sent without a reason")

    def _look(self, life: Life) -> bool:
        """See whether all is there that was acknowledged so far."""
        (answer,) = self._ask(life.cookie, ["read"])
        if answer.is_good:
            data = answer.body["data"] if answer.body["id"] is not None else None
            self.journal.lost.extend(life.faults(data))
        return True

    def _log_in(self, life: Life) -> bool:
        """Change the id; what is on its way with the old one may be dropped."""
        user, old = next(self._tokens), life.cookie
        login = self._race(life, f"login?token={user}")
        if not login.is_good:
            life.unanswered_user = user
            return self._leave(life)
        self.journal.tokens.append(user)
        if login.cookie in (None, "", old):
            self.journal.strange.append("a login did not change the id")
            return False
        life.user = user
        life.cookies.append(str(login.cookie))
        self._end(old)
        return True

    def _log_out(self, life: Life) -> bool:
        """End the session."""
        token = next(self._tokens)
        if not self._race(life, f"logout?token={token}").is_good:
            life.may_have_ended = True
            return self._leave(life)
        self.journal.tokens.append(token)
        self._end(life.cookie)
        return False

    def _be_revoked(self, life: Life) -> bool:
        """Have the session ended by somebody else."""
        token = next(self._tokens)
        (seen,) = self._ask(life.cookie, ["read"])
        if not seen.is_good:
            return True
        how = f"revoke?token={token}&id={seen.body['id']}"
        if life.user is not None and self._toss():
            how = f"revoke_user?token={token}&user={life.user}"
        revoked = self._race(life, how, with_cookie=False)
        if not revoked.is_good:
            life.may_have_ended = True
            return self._leave(life)
        self.journal.tokens.append(token)
        self._end(life.cookie)
        if not revoked.body:
            self.journal.strange.append("a revocation found no session")
        return False

    # What they are made of

    def _leave(self, life: Life) -> bool:
        """Go without knowing what became of the session."""
        self.journal.lives.append(life)
        return False

    def _race(self, life: Life, path: str, *, with_cookie: bool = True) -> Answer:
        """Ask for what ends an id, half of the time while other requests are under way."""
        adds: list[Act] = [
            Add(token, token)
            for token in (next(self._tokens) for _ in range(AT_ONCE - 1))
            if self._toss()
        ]
        place = self._choose.randint(0, len(adds))
        paths = [act.path for act in adds]
        cookies: list[str | None] = [life.cookie] * len(paths)
        paths.insert(place, path)
        cookies.insert(place, life.cookie if with_cookie else None)
        answers = self._ask_with(cookies, paths)
        answer = answers.pop(place)
        self._settle(life, adds, answers, is_certain=False)
        return answer

    def _end(self, cookie: str) -> None:
        """Expect nothing of a cookie from now on, and look at once."""
        self.journal.ended.append((self._variant, cookie))
        (answer,) = self._ask(cookie, ["read"])
        if answer.is_good and (answer.body["id"] is not None or answer.body["data"]):
            self.journal.resurrected.append("an ended session was opened")

    def _toss(self) -> bool:
        return self._choose.choice([True, False])

    def _some_acts(self, life: Life) -> list[Act]:
        kinds = self._choose.choices(
            [Add, Remove, Flash, Show, Count], [40, 15, 15, 10, 20], k=AT_ONCE
        )
        removable = [key for key in life.values if key not in life.uncertain]
        self._choose.shuffle(removable)
        acts: list[Act] = []
        for kind in kinds:
            token = next(self._tokens)
            if kind is Remove and removable:
                acts.append(Remove(token, removable.pop()))
            elif kind is Show and not any(isinstance(act, Show) for act in acts):
                acts.append(Show(token))
            elif kind is Flash:
                acts.append(Flash(token))
            elif kind is Count and self._variant == "retry":
                acts.append(Count(token))
            else:
                acts.append(Add(token, token))
        return acts

    def _settle(
        self, life: Life, acts: Sequence[Act], answers: Sequence[Answer], *, is_certain: bool
    ) -> None:
        for act, answer in zip(acts, answers, strict=True):
            if answer.is_good and not isinstance(act, Show):
                self.journal.tokens.append(act.token)
            if answer.is_good and is_certain:
                act.happened(life, answer.body)
            else:
                act.may_have_happened(life)
                if is_certain and not answer.is_good:
                    life.unanswered.append(act)

    def _ask(self, cookie: str | None, paths: Sequence[str]) -> list[Answer]:
        return self._ask_with([cookie] * len(paths), paths)

    def _ask_with(self, cookies: Sequence[str | None], paths: Sequence[str]) -> list[Answer]:
        """Send all requests at once."""
        self._budget.spend(len(paths))
        full = [f"/{self._variant}/{path}" for path in paths]
        asked = time.monotonic()
        answers = list(self._threads.map(self._wires.send, full, cookies))
        for path, answer in zip(full, answers, strict=True):
            self.journal.note(self._variant, path, answer, asked)
        if not all(answer.is_good for answer in answers):
            time.sleep(FRIGHT)
        return answers


def visit(
    wires: Wires, budget: Budget, *, visitors: int, kind: type[Visitor] = Visitor
) -> Journal:
    """Let visitors come until the requests are spent; every fourth repeats instead of merging."""
    each = [
        kind(number, "merge" if number % 4 else "retry", wires, budget)
        for number in range(visitors)
    ]
    with ThreadPoolExecutor(visitors) as threads:
        list(threads.map(Visitor.visit, each))
    return bound_together(visitor.journal for visitor in each)
