"""The command `prune_sessions`: arguments, signals, what it says and its exit status."""

from __future__ import annotations

import argparse
import json
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from pyramid.config import global_registries
from pyramid.interfaces import ISessionFactory
from pyramid.paster import get_app, setup_logging
from pyramid.registry import Registry
from sqlalchemy import exc

from pyramid_sqlsession import expiry
from pyramid_sqlsession.census import take_census
from pyramid_sqlsession.exceptions import SQLSessionError
from pyramid_sqlsession.factory import SQLSessionFactory
from pyramid_sqlsession.pruning import BATCH_SIZE, BATCH_SIZES, Pruned, first_line, prune_sessions
from pyramid_sqlsession.reencryption import Reencrypted, reencrypt_sessions
from pyramid_sqlsession.refusals import is_missing
from pyramid_sqlsession.scripts.progress import Done, described, shown
from pyramid_sqlsession.scripts.report import facts_of, table_of

DONE, DATABASE_FAILED, MISCONFIGURED, KILLED = 0, 1, 2, 128

DESCRIPTION = "Delete the expired sessions of a Pyramid application, or count or rewrite all."
EPILOG = """\
A time is in seconds, or has a unit: 0.5, 90, 15m, 2h. The exit status is 0 when all is done, also
when there was nothing to do; 1 when the database failed; 2 when the command or the configuration
is wrong; 128 + its number after a signal: 130 after Ctrl+C, 143 after SIGTERM, which both let the
running batch end. Whatever the end is, what was deleted before is reported, and stays deleted.
"""
SIZES = ", ".join(f"on {name} {size}" for name, size in BATCH_SIZES.items())
_TIME = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smh]?)", re.ASCII)
_MOST_DIGITS = 18  # of a number that every database counts to
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}


class Signals:
    """Notes SIGINT and SIGTERM instead of dying of them; a second one kills as ever."""

    def __init__(self) -> None:
        self.received: int | None = None

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Note the signals that come meanwhile."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        handlers = [(number, signal.signal(number, self._note)) for number in numbers]
        try:
            yield
        finally:
            for number, handler in handlers:
                signal.signal(number, handler)

    def _note(self, number: int, _frame: Any) -> None:
        self.received = number
        signal.signal(number, signal.SIG_DFL)

    def is_set(self) -> bool:
        """Tell whether one came."""
        return self.received is not None

    def wait(self, timeout: float) -> None:
        """Wait so many seconds, or until one comes."""
        end = expiry.stopwatch() + timeout
        # An Event cannot be set safely by a signal that comes while it is waited for.
        while not self.is_set() and (left := end - expiry.stopwatch()) > 0:
            expiry.rest(min(left, 0.1))


def main(argv: Sequence[str] = sys.argv) -> int:
    """Run the command and return its exit status; `argv` begins with the name of the command.

    Arguments that the parser refuses raise SystemExit.
    """
    arguments = _parsed(argv[1:])
    signals = Signals()
    with signals.caught():
        try:
            registry = _load(arguments)
        except Exception as error:  # noqa: BLE001 - whatever an application raises at start-up
            return _failed(arguments, error)
        if arguments.report:
            status = _show_census(arguments, registry)
        elif arguments.reencrypt:
            status = _reencrypt(arguments, registry, signals)
        else:
            status = _prune(arguments, registry, signals)
        return KILLED + signals.received if status == DONE and signals.received else status


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    arguments = parser.parse_intermixed_args(argv)
    if arguments.from_plain and not arguments.reencrypt:
        parser.error("argument --from-plain: not allowed without argument --reencrypt")
    return arguments


def _load(arguments: argparse.Namespace) -> Registry:
    variables = {"__script__": "prune_sessions", **dict(arguments.variables)}
    setup_logging(arguments.config_uri, variables)
    app = get_app(arguments.config_uri, arguments.app_name, variables)
    return getattr(app, "registry", None) or _last_registry()


def _last_registry() -> Registry:
    """Return that of the application behind a pipeline: the last loaded with our sessions."""
    ours = [one for one in global_registries if _has_our_sessions(one)]
    return ours[-1] if ours else global_registries.last


def _has_our_sessions(registry: Registry) -> bool:
    return isinstance(registry.queryUtility(ISessionFactory), SQLSessionFactory)


def _prune(arguments: argparse.Namespace, registry: Registry, signals: Signals) -> int:
    act = partial(prune_sessions, registry, stop=signals, dry_run=arguments.dry_run)
    return _work(arguments, act, Pruned(dry_run=arguments.dry_run))


def _reencrypt(arguments: argparse.Namespace, registry: Registry, signals: Signals) -> int:
    act = partial(reencrypt_sessions, registry, stop=signals, from_plain=arguments.from_plain)
    return _work(arguments, act, Reencrypted())


def _work(arguments: argparse.Namespace, act: Callable[..., Done], done: Done) -> int:
    """Act, report what was done though it fail, and return the exit status."""
    try:
        with shown(quiet=arguments.quiet, verbose=arguments.verbose) as show:

            def note(so_far: Done, share: float) -> None:
                nonlocal done
                done = so_far
                show(so_far, share)

            done = act(progress=note, **_options(arguments))
    except (exc.SQLAlchemyError, SQLSessionError) as error:
        status = _failed(arguments, error)
        if status == DATABASE_FAILED:
            _report_done(arguments, done)
        return status
    _report_done(arguments, done)
    return DONE


def _show_census(arguments: argparse.Namespace, registry: Registry) -> int:
    try:
        census = take_census(registry)
    except (exc.SQLAlchemyError, SQLSessionError) as error:
        return _failed(arguments, error)
    _report(arguments, facts_of(census), table_of(census))
    return DONE


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    names = ("batch_size", "limit", "time_limit", "pause")
    return {name: getattr(arguments, name) for name in names}


def _report_done(arguments: argparse.Namespace, done: Done) -> None:
    _report(arguments, {**asdict(done), "seconds": round(done.seconds, 3)}, described(done))


def _report(arguments: argparse.Namespace, facts: dict[str, Any], text: str) -> None:
    if arguments.json:
        sys.stdout.write(f"{json.dumps(facts)}\n")
    elif not arguments.quiet:
        sys.stdout.write(f"{text}\n")


def _failed(arguments: argparse.Namespace, error: Exception) -> int:
    """Say what is wrong, on one line, and return the exit status."""
    if arguments.verbose:
        traceback.print_exception(error)
    config_uri = " ".join(arguments.config_uri.splitlines())
    sys.stderr.write(f"prune_sessions: {config_uri}: {_said(error)}\n")
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, exc.DBAPIError | exc.TimeoutError):
        cause = cause.__cause__
    return MISCONFIGURED if cause is None or is_missing(cause) else DATABASE_FAILED


def _said(error: Exception) -> str:
    if isinstance(error, exc.DBAPIError):
        return first_line(error)
    text = " ".join(str(error).split())
    return text if isinstance(error, SQLSessionError) else f"{type(error).__name__}: {text}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("prune_sessions", description=DESCRIPTION, epilog=EPILOG)
    add = parser.add_argument
    add("config_uri", metavar="CONFIG_URI", help="as for pserve: development.ini#section")
    add("variables", metavar="name=value", nargs="*", type=_variable, help="used in the .ini file")
    add("-n", "--app-name", metavar="NAME", help="the section of the application")
    add(
        "--batch-size",
        metavar="ROWS",
        type=_count,
        help=f"the most rows that one transaction deletes ({BATCH_SIZE}; {SIZES})",
    )
    add("--limit", metavar="ROWS", type=_count, help="the most rows to delete, or rewrite, in all")
    add("--time-limit", metavar="TIME", type=_time, help="begin no batch after that time")
    add("--pause", metavar="TIME", type=_time, default=0.0, help="rest between two batches")
    add("--json", action="store_true", help="report as one JSON object")
    add("--from-plain", action="store_true", help="with --reencrypt: what is plain text as well")
    instead = parser.add_mutually_exclusive_group()
    add = instead.add_argument
    add("--dry-run", action="store_true", help="count what would be deleted, and delete nothing")
    add("--report", action="store_true", help="count all sessions by age, and delete nothing")
    add(
        "--reencrypt",
        action="store_true",
        help="encrypt with the newest key what others have encrypted, and delete nothing",
    )
    loudness = parser.add_mutually_exclusive_group()
    add = loudness.add_argument
    add("-q", "--quiet", action="store_true", help="show errors only, and what --json prints")
    add("-v", "--verbose", action="store_true", help="a line for each batch; tracebacks of errors")
    return parser


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no variable: write name=value")
    return name, value


def _count(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    if not (is_number and int(text)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is refused: write a whole number from 1 on, of up to {_MOST_DIGITS} digits"
        )
    return int(text)


def _time(text: str) -> float:
    match = _TIME.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is refused: write seconds, or a number with a unit, such as 0.5, 90 or 15m"
        )
    return float(match[1]) * _UNITS[match[2]]
