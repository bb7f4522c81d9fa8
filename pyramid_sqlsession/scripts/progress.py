"""What `prune_sessions` says of its work: a bar on a terminal, lines elsewhere, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pyramid_sqlsession.pruning import Pruned
from pyramid_sqlsession.reencryption import Reencrypted

try:
    from tqdm import tqdm
except ImportError:  # pragma: no cover - the tests have the extra `progress`
    tqdm = None

SECONDS_BETWEEN_LINES = 10
Done = Pruned | Reencrypted
Progress = Callable[[Any, float], None]
BAR = "{percentage:3.0f}% |{bar}| {postfix} {elapsed}"


def described(done: Done) -> str:
    """Return what was done, in words."""
    return _rewritten(done) if isinstance(done, Reencrypted) else _deleted(done)


def _rewritten(done: Reencrypted) -> str:
    sessions = "session" if done.rewritten == 1 else "sessions"
    rest = "" if done.complete else "; stopped before the end"
    return (
        f"{done.rewritten} {sessions} encrypted anew, {done.current} were already, "
        f"{done.unreadable} could not be read, {done.seconds:.1f} s{rest}"
    )


def _deleted(done: Pruned) -> str:
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


def _nothing(_done: Done, _share: float) -> None:
    pass


def _on(bar: Any) -> Progress:
    def show(done: Done, share: float) -> None:
        bar.set_postfix_str(_counted(done), refresh=False)
        bar.update(share - bar.n)

    return show


def _counted(done: Done) -> str:
    if isinstance(done, Reencrypted):
        return f"{done.rewritten} encrypted anew"
    return f"{done.deleted} deleted"


def _so_far(done: Done) -> str:
    if isinstance(done, Reencrypted):
        return f"{done.rewritten} sessions encrypted anew"
    return f"{done.deleted} expired sessions"


def _lines(seconds: float) -> Progress:
    due = seconds

    def show(done: Done, share: float) -> None:
        nonlocal due
        if done.seconds >= due:
            due = done.seconds + seconds
            sys.stderr.write(f"{share:4.0%}  {_so_far(done)} so far\n")

    return show
