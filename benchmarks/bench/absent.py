"""What cannot be had on this machine, and what is left out for it, loudly."""

from __future__ import annotations

import argparse
import sys

from benchmarks.bench import environments
from benchmarks.bench.roster import COUNTS, PARALLEL, SERVER
from benchmarks.faults.instances import installed

ON_A_SERVER = (COUNTS, PARALLEL)


def leave_out(options: argparse.Namespace) -> dict[str, str]:
    """Make the environments; take what cannot be had out of the options, and say why."""
    left_out = _without_server(options) | _without_environments(options)
    for title, reason in left_out.items():
        print(f"LEFT OUT: {title}: {reason}", file=sys.stderr, flush=True)
    return left_out


def _without_server(options: argparse.Namespace) -> dict[str, str]:
    reasons = {}
    for server in SERVER:
        if server in options.databases and server not in installed():
            options.databases.remove(server)
            reasons[server] = "it is not installed"
        if server not in options.databases:
            needing = [name for name in options.sections if name in ON_A_SERVER]
            options.sections = [name for name in options.sections if name not in ON_A_SERVER]
            reasons |= dict.fromkeys(needing, f"it runs on {server} alone")
    return reasons


def _without_environments(options: argparse.Namespace) -> dict[str, str]:
    able = [one for one in options.contestants if set(one.databases) & set(options.databases)]
    needed = dict.fromkeys(one.environment for one in able)
    reasons = {name: reason for name in needed if (reason := environments.missing(name))}
    options.contestants = [one for one in able if one.environment not in reasons]
    return {one.title: reasons[one.environment] for one in able if one.environment in reasons}
