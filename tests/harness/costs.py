"""What requests were seen to cost, for the report at the end of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator


class Costs:
    """The counts of each scene, over all databases and managers that it was played on."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._played = 0

    def note(
        self, scene: tuple[str, str], statements: dict[str, int], set_cookies: int, left: int
    ) -> None:
        """Note one request: its statements, its cookies, and the connections it left open."""
        self._played += 1
        counted = ", ".join(f"{count} {kind}" for kind, count in statements.items()) or "none"
        self._seen[scene].add(f"{counted:<30}{set_cookies:>10}{left:>12}")

    def report(self) -> Iterator[str]:
        """Yield the lines of a table; a scene that differed somewhere has several."""
        if not self._seen:
            return
        yield f"{'request':<18}{'cookie':<12}{'statements':<30}Set-Cookie checked out"
        for (view, cookie), counts in self._seen.items():
            for count in sorted(counts):
                yield f"{view:<18}{cookie:<12}{count}"
        yield f"Seen in {self._played} requests."


costs = Costs()
