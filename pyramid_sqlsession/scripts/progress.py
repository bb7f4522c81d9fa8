"""What `prune_sessions` shows while it works: a bar on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pyramid_sqlsession.pruning import Progress, Pruned

try:
    from tqdm import tqdm
except ImportError:  # pragma: no cover - the tests have the extra `progress`
    tqdm = None

SECONDS_BETWEEN_LINES = 10
BAR = "{percentage:3.0f}% |{bar}| {postfix} {elapsed}"


def described(done: Pruned) -> str:
    """Return what was done, in words."""
    verb = "would be deleted" if done.dry_run else "deleted"
    sessions = "session" if done.deleted == 1 else "sessions"
    batches = "batch" if done.batches == 1 else "batches"
    rest = "" if done.complete else "; stopped before the end"
    return (
        f"{done.deleted} expired {sessions} {verb} in {done.batches} {batches}, "
        f"{done.seconds:.1f} s{rest}"
    )


@contextmanager
def shown(*, quiet: bool, verbose: bool) -> Iterator[Progress]:
    """Open the way of showing progress that suits, and close it in the end."""
    if quiet:
        yield _nothing
    elif tqdm is not None and sys.stderr.isatty() and not verbose:
        with tqdm(total=1.0, bar_format=BAR, leave=False, file=sys.stderr) as bar:
            yield _on(bar)
    else:
        yield _lines(0 if verbose else SECONDS_BETWEEN_LINES)


def _nothing(_done: Pruned, _share: float) -> None:
    pass


def _on(bar: Any) -> Progress:
    def show(done: Pruned, share: float) -> None:
        bar.set_postfix_str(f"{done.deleted} deleted", refresh=False)
        bar.update(share - bar.n)

    return show


def _lines(seconds: float) -> Progress:
    due = seconds

    def show(done: Pruned, share: float) -> None:
        nonlocal due
        if done.seconds >= due:
            due = done.seconds + seconds
            sys.stderr.write(f"{share:4.0%}  {done.deleted} expired sessions so far\n")

    return show
