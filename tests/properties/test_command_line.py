"""Whatever `prune_sessions` is called with, and whatever its file holds: one clear answer."""

from __future__ import annotations

import io
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import create_engine

from pyramid_sqlsession.model import generate_model
from pyramid_sqlsession.scripts.prune_sessions import Signals, main
from tests.engines import connecting_engines
from tests.properties.effort import examples
from tests.properties.strategies import CHARACTERS, TEXTS, edited

INI = """\
[app:main]
use = call:tests.prunable:main
sqlsession.sqlalchemy.url = sqlite:///%(here)s/sessions.sqlite
sqlsession.create_table = true
sqlsession.table = %(table)s

[app:other]
use = main

[DEFAULT]
table = sessions
"""
DONE, MISCONFIGURED = 0, 2


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the file of an application; nothing rests, and logging is left as it was."""
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    (tmp_path / "development.ini").write_text(INI)
    engine = create_engine(f"sqlite:///{tmp_path}/sessions.sqlite")
    mapped: Any = generate_model("sessions", None)
    mapped.metadata.create_all(engine)
    engine.dispose()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Signals, "wait", lambda self, timeout: None)  # a pause may be any
    yield tmp_path
    root.level, root.handlers[:] = before


def expire() -> None:
    """Have a session there that has expired."""
    with closing(sqlite3.connect("sessions.sqlite")) as connection, connection:
        connection.execute(
            "INSERT OR IGNORE INTO sessions (digest, created, expires, accessed, version, data)"
            " VALUES ('digest', 0, 0, 0, 1, '{}')"
        )


def run(*arguments: str) -> tuple[int, str, str]:
    """Return the status, and what was said on both ways out, as a terminal would take it."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", newline="") for _ in range(2)
    )
    with connecting_engines(), redirect_stdout(out), redirect_stderr(err):
        try:
            status = main(["prune_sessions", *arguments])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
    return status, _text(out), _text(err)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


OPTIONS = ["-n", "--app-name", "--batch-size", "--limit", "--time-limit", "--pause"]
FLAGS = ["--json", "--dry-run", "--report", "--reencrypt", "--from-plain", "-q", "-v", "--", "-h"]
WORDS = [
    *("development.ini", "development.ini#other", "development.ini#main", "nowhere.ini", ""),
    *("main", "other", "table=sessions", "a=b", "=", "a=%(b)s", "0", "1", "7", "0.5", "15m"),
    *("-1", "9" * 20, "9" * 400, "9" * 5000, "%", "#", "a:b", "é", "\udcff", "\n", "a\nb.ini"),
]
WORD = st.sampled_from(WORDS) | TEXTS | edited(st.sampled_from(WORDS[:9]), most=1)
PIECES = st.one_of(
    WORD.map(lambda word: [word]),
    st.sampled_from([*FLAGS, *OPTIONS]).map(lambda option: [option]),
    st.tuples(st.sampled_from(OPTIONS), WORD).map(list),
    st.tuples(st.sampled_from(OPTIONS), WORD).map(lambda pair: ["=".join(pair)]),
)
ARGUMENTS = st.lists(PIECES, max_size=4).map(lambda pieces: list(chain(*pieces)))
USUALLY_A_FILE = st.builds(
    lambda before, after: [*before, *after],
    st.lists(st.just("development.ini"), max_size=1),
    ARGUMENTS,
)


def check(arguments: list[str]) -> int:
    """See that the command ends as it promises to; return its status."""
    expire()
    status, out, err = run(*arguments)
    assert status in (DONE, MISCONFIGURED), err
    assert "Traceback" not in err or "-v" in arguments
    if status == MISCONFIGURED:
        assert out == ""
        said = err[err.rfind("prune_sessions: ") :]
        assert len(said.splitlines()) == 1
    return status


@examples(120)
@given(USUALLY_A_FILE)
@example(["development.ini", "--batch-size", "9" * 20])
@example(["development.ini", "--limit", "9" * 20])
@example(["development.ini", "--limit", "9" * 5000])
@example(["a\nb.ini"])
def _holds_for_arguments(arguments: list[str]) -> None:
    check(arguments)


def test_whatever_it_is_called_with_it_is_no_traceback(folder: Path) -> None:
    """It works or says in one line what is wrong, after how it is used, perhaps."""
    _holds_for_arguments()


LINES = st.one_of(
    st.sampled_from(
        [
            *INI.splitlines(),
            *("[app:main", "[]", "[pipeline:main]", "pipeline = other main", "[composite:main]"),
            *("use = egg:nothing", "use = call:", "use = call:tests.prunable:through", "use"),
            *("use = call:tests.prunable:broken", "use = main", "set a = %(b)s", "get x = y"),
            *("sqlsession.expiration = soon", "sqlsession.sqlalchemy.url = ", "[filter:f]", "= x"),
            *("filter-with = f", "table = %(table)s", "table = %", "\tx", "# no", "\ufeff", "\0"),
            *("sqlsession.sqlalchemy.url = sqlite://", "sqlsession.prune_interval = 0"),
        ]
    ),
    st.text(CHARACTERS, max_size=12),
)
FILES = st.one_of(
    st.binary(max_size=60),
    edited(st.just(INI)).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(LINES, max_size=8).map(lambda lines: "\n".join(lines).encode("utf-8", "replace")),
)


def test_whatever_stands_in_the_file_is_no_traceback(folder: Path) -> None:
    """Be it no text at all."""

    @examples(60)
    @given(FILES)
    def holds(content: bytes) -> None:
        (folder / "development.ini").write_bytes(content)
        check(["development.ini"])

    holds()
