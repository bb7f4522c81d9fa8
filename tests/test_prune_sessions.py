"""The command prune_sessions: what it takes, what it says, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, exc
from tqdm import tqdm

from pyramid_sqlsession import census, expiry, model, pruning
from pyramid_sqlsession.scripts import progress, prune_sessions
from pyramid_sqlsession.scripts.prune_sessions import Signals, main
from pyramid_sqlsession.testing import clock_ahead
from tests.engines import connecting_engines
from tests.harness.sessions import write_rows

INI = """
[app:main]
use = call:tests.prunable:main
sqlsession.sqlalchemy.url = sqlite:///%(here)s/sessions.sqlite
sqlsession.create_table = true

[app:variable]
use = main
sqlsession.table = %(table)s

[app:shop]
use = main
sqlsession.sqlalchemy.url = sqlite:///%(here)s/shop.sqlite

[filter:through]
use = call:tests.prunable:through

[pipeline:piped]
pipeline = through main

[composite:both]
use = egg:Paste#urlmap
/ = main

[app:wrong]
use = main
sqlsession.expiration = soon

[app:broken]
use = call:tests.prunable:broken

[app:bare]
use = main
sqlsession.create_table = false
sqlsession.table = absent

[app:unreachable]
use = main
sqlsession.create_table = false
sqlsession.sqlalchemy.url = sqlite:///%(here)s/missing/sessions.sqlite

[app:refused]
use = main
sqlsession.sqlalchemy.url = postgresql+psycopg://nobody:secret@127.0.0.1:1/nothing

[app:refused-by-query]
use = main
sqlsession.sqlalchemy.url = postgresql+psycopg://127.0.0.1:1/nothing?user=nobody&password=secret
"""


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """The file of an application with seven expired sessions."""
    path = tmp_path / "development.ini"
    path.write_text(INI)
    fill(tmp_path / "sessions.sqlite", 7)
    return path


def fill(path: Path, count: int, table: str = "sessions") -> None:
    engine = create_engine(f"sqlite:///{path}")
    mapped = model.generate_model(table, None)
    mapped.metadata.create_all(engine)  # type: ignore[attr-defined]  # a declarative class
    write_rows(engine, mapped, ({} for _ in range(count)))
    engine.dispose()


def left(ini: Path, name: str = "sessions.sqlite", table: str = "sessions") -> int:
    with closing(sqlite3.connect(ini.with_name(name))) as connection:
        [[count]] = connection.execute(f"SELECT count(*) FROM {table}")
    return int(count)


def run(*arguments: object) -> int:
    with connecting_engines():
        return main(["prune_sessions", *map(str, arguments)])


# What it does


def test_it_deletes_and_says_how_many(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line, and a status of success."""
    assert run(ini) == 0
    assert left(ini) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"7 expired sessions deleted in 1 batch, \d+\.\d s\n", out)
    assert err == ""


def test_nothing_to_do_is_a_success(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A cron job must not complain of it."""
    run(ini)
    capsys.readouterr()
    assert run(ini) == 0
    assert capsys.readouterr().out.startswith("0 expired sessions deleted in 0 batches")


def test_json_is_one_object(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With everything that a machine may want to know."""
    assert run(ini, "--json", "--batch-size", 5) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("seconds") >= 0
    assert told == {"deleted": 7, "batches": 2, "complete": True, "dry_run": False}


def test_a_dry_run_deletes_nothing(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It tells what would be deleted."""
    assert run(ini, "--dry-run") == 0
    assert "7 expired sessions would be deleted" in capsys.readouterr().out
    assert left(ini) == 7


TABLE = """\
last used          live     expired    prunable
within 1h             2           0           0
within 1d             1           0           0
within 7d             0           1           0
within 30d            0           0           0
before that           0           7           7
all                   3           8           7
"""


def use(ini: Path, *ages: int) -> None:
    """Add sessions that were used so many seconds ago, and are due tomorrow."""
    now = expiry.now()
    with closing(sqlite3.connect(ini.with_name("sessions.sqlite"))) as connection, connection:
        for number, age in enumerate(ages, 100):
            connection.execute(
                "INSERT INTO sessions (id, digest, created, expires, accessed, version, data)"
                " VALUES (?, ?, ?, ?, ?, 1, '{}')",
                (number, b"%d" % number, now - age, now + 86400, now - age),
            )


def test_a_report_counts_all_sessions_by_age(
    ini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a table, and deletes nothing."""
    with clock_ahead():
        use(ini, 0, 3599, 3600, 86400)
        assert run(ini, "--report") == 0
    assert capsys.readouterr() == (TABLE, "")
    assert left(ini) == 11


def test_a_report_as_json_is_one_object(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With every age, whether anybody is there or not; it is printed though all else be quiet."""
    with clock_ahead():
        use(ini, 0, 86400)
        assert run(ini, "--report", "--json", "--quiet") == 0
    told = json.loads(capsys.readouterr().out)
    assert told.pop("seconds") >= 0
    nobody = {"live": 0, "expired": 0, "prunable": 0}
    assert told == {
        "live": 1,
        "expired": 8,
        "prunable": 7,
        "by_age": {
            "1h": {**nobody, "live": 1},
            "1d": nobody,
            "7d": {**nobody, "expired": 1},
            "30d": nobody,
            "older": {**nobody, "expired": 7, "prunable": 7},
        },
    }


def test_a_quiet_report_says_nothing(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Cron may look whether the database answers."""
    assert run(ini, "--report", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("section", "status"), [("bare", 2), ("refused", 1), ("wrong", 2)])
def test_a_report_ends_as_pruning_does(
    ini: Path, capsys: pytest.CaptureFixture[str], section: str, status: int
) -> None:
    """With one line and the same status."""
    assert run(f"{ini}#{section}", "--report") == status
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_during_a_report_shows_in_the_status(
    ini: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """The statement that is running is finished."""

    def take(registry: Any) -> census.Census:
        signal.raise_signal(number)
        return census.take_census(registry)

    monkeypatch.setattr(prune_sessions, "take_census", take)
    assert run(ini, "--report") == 128 + number
    assert "all " in capsys.readouterr().out


def test_a_limit_ends_it_early(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is said, and is no failure."""
    assert run(ini, "--limit", "1") == 0
    out = capsys.readouterr().out
    assert out.startswith("1 expired session deleted")
    assert out.endswith("; stopped before the end\n")
    assert left(ini) == 6


def test_the_options_are_handed_on(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times may have a unit."""
    given: dict[str, Any] = {}

    def note(_registry: Any, **options: Any) -> pruning.Pruned:
        given.update(options)
        return pruning.Pruned()

    monkeypatch.setattr(prune_sessions, "prune_sessions", note)
    run(ini, "--batch-size=9", "--limit=8", "--time-limit=15m", "--pause=0.5")
    wanted = {"batch_size": 9, "limit": 8, "time_limit": 900.0, "pause": 0.5, "dry_run": False}
    assert {name: given[name] for name in wanted} == wanted


def test_quiet_says_nothing(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that cron sends no mail."""
    assert run(ini, "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_verbose_has_a_line_for_each_batch(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the share of the whole."""
    run(ini, "--verbose", "--batch-size", 5)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split()[1] for line in lines] == ["5", "7"]
    assert lines[-1].startswith("100%")


def test_a_log_gets_a_line_now_and_then(
    ini: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one for each of a thousand batches."""
    clock = iter(range(1000))
    monkeypatch.setattr("pyramid_sqlsession.expiry.stopwatch", lambda: next(clock))
    run(ini, "--batch-size", 1)
    assert 1 <= len(capsys.readouterr().err.splitlines()) < 7


class Terminal:
    """Stands in front of the standard error output."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_a_terminal_gets_a_bar(ini: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is gone afterwards, and leaves the report."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert run(ini, "--batch-size", 1) == 0
    assert "0% |" in terminal.text
    assert terminal.text.endswith("\r")


def test_the_bar_shows_the_share_and_what_was_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as a batch is done."""
    monkeypatch.setattr(progress, "tqdm", partial(tqdm, mininterval=0))
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.shown(quiet=False, verbose=False) as show:
        show(pruning.Pruned(deleted=3), 0.5)
    assert " 50% |" in terminal.text
    assert "3 deleted" in terminal.text


def test_a_terminal_gets_lines_without_the_library_for_the_bar(
    ini: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The extra is not needed for the command to work."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "tqdm", None)
    assert run(ini) == 0
    assert terminal.text == ""
    assert left(ini) == 0


# What it takes, as pserve does


@pytest.mark.parametrize(
    "arguments",
    [
        ["development.ini"],
        ["development.ini#main"],
        ["-n", "main", "development.ini"],
        ["development.ini", "--app-name", "main"],
        ["development.ini#piped"],
        ["pastedeploy+ini:development.ini"],
        ["pastedeploy+ini:development.ini#piped"],
        ["development.ini#variable", "table=sessions"],
        ["development.ini", "a=b", "--limit", "7", "-n", "variable", "table=sessions", "-q"],
        ["--json", "development.ini", "table=sessions", "--dry-run=", "-n", "variable"][:3],
    ],
)
def test_the_application_is_named_as_for_pserve(
    ini: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """By file, section, option or scheme, with options anywhere."""
    monkeypatch.chdir(ini.parent)
    assert run(*arguments) == 0
    assert left(ini) == 0


def test_another_section_is_another_database(ini: Path) -> None:
    """Only the one that was named is pruned."""
    fill(ini.with_name("shop.sqlite"), 3)
    assert run(f"{ini}#shop") == 0
    assert (left(ini, "shop.sqlite"), left(ini)) == (0, 7)


def test_the_file_is_found_from_anywhere(
    ini: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`%(here)s` is the folder of the file, not the current one."""
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run(ini) == 0
    assert left(ini) == 0


# What is wrong


CONFIGURATION = [
    (["nowhere.ini"], "nowhere.ini"),
    (["development.ini#nowhere"], "nowhere"),
    (["-n", "nowhere", "development.ini"], "nowhere"),
    (["development.ini#variable"], "table"),
    (["development.ini#wrong"], "sqlsession.expiration = 'soon'"),
    (["development.ini#broken"], "KeyError: 'absent.setting'"),
    (["development.ini#bare"], "'absent'"),
    (["development.ini#unreachable"], "missing/sessions.sqlite"),
    (["nonsense:development.ini"], "nonsense"),
]


@pytest.mark.parametrize(("arguments", "named"), CONFIGURATION)
def test_a_wrong_configuration_is_one_line_that_names_it(
    ini: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
) -> None:
    """The file, the section, the variable, the setting, the table or the database."""
    monkeypatch.chdir(ini.parent)
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    assert line.startswith("prune_sessions: ")
    assert named in line


def test_a_name_of_several_lines_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever got into the variable that a script takes the name from."""
    assert run("no\nwhere.ini") == 2
    assert capsys.readouterr().err.splitlines()[0].startswith("prune_sessions: no where.ini: ")


def test_verbose_shows_where_it_went_wrong(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For the author of the application."""
    assert run(f"{ini}#broken", "-v") == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--batch-size", "0"], "argument --batch-size: '0' is refused"),
        (["--batch-size", "9" * 19], "argument --batch-size: '9999999999999999999' is refused"),
        (["--limit", "9" * 5000], "of up to 18 digits"),
        (["--batch-size", "many"], "argument --batch-size: 'many' is refused"),
        (["--limit", "-1"], "argument --limit: "),
        (["--time-limit", "x"], "argument --time-limit: 'x' is refused"),
        (["--pause", "-1"], "argument --pause: "),
        (["novariable"], "'novariable' is no variable"),
        (["--quiet", "--verbose"], "not allowed with"),
        (["--dry-run", "--report"], "not allowed with"),
    ],
)
def test_the_parser_refuses_what_makes_no_sense(
    ini: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """With what to write instead."""
    with pytest.raises(SystemExit) as caught:
        run(ini, *arguments)
    assert caught.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("section", ["refused", "refused-by-query"])
def test_a_database_that_does_not_answer_is_another_failure(
    ini: Path, capsys: pytest.CaptureFixture[str], section: str
) -> None:
    """It may be there later; the password is not shown, wherever the url has it."""
    assert run(f"{ini}#{section}") == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "refused" in line
    assert "secret" not in line


def test_what_was_done_before_a_failure_is_reported(
    ini: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was committed, whatever came then."""

    def fill_the_disk(done: pruning.Pruned, _share: float) -> None:
        if done.batches == 2:
            raise exc.OperationalError("DELETE", {}, Exception("the disk is full"))

    @contextmanager
    def shown(**_: Any) -> Iterator[pruning.Progress]:
        yield fill_the_disk

    monkeypatch.setattr(prune_sessions, "shown", shown)
    assert run(ini, "--json", "--batch-size", 2) == 1
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert (told["deleted"], told["complete"]) == (4, False)
    assert left(ini) == 3
    assert len(err.splitlines()) == 1
    assert "the disk is full" in err


# Signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_the_batch_with_the_report(
    ini: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    """The next run finishes what is left."""

    @contextmanager
    def shown(**_: Any) -> Iterator[pruning.Progress]:
        yield lambda _done, _share: signal.raise_signal(number)

    with monkeypatch.context() as patch:
        patch.setattr(prune_sessions, "shown", shown)
        assert run(ini, "--json", "--batch-size", 2, "--pause", "1h") == 128 + number
    told = json.loads(capsys.readouterr().out)
    assert (told["deleted"], told["batches"], told["complete"]) == (2, 1, False)
    assert left(ini) == 5
    assert run(ini) == 0
    assert left(ini) == 0


def test_the_signals_are_as_before_afterwards(ini: Path) -> None:
    """A program may call the command as a function."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    run(ini)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_kills() -> None:
    """Whoever insists does not wait for a batch."""
    signals = Signals()
    with signals.caught():
        signal.raise_signal(signal.SIGTERM)
        assert signals.is_set()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_pause_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing comes."""
    time = 0.0

    def rest(seconds: float) -> None:
        nonlocal time
        time += seconds

    monkeypatch.setattr("pyramid_sqlsession.expiry.stopwatch", lambda: time)
    monkeypatch.setattr("pyramid_sqlsession.expiry.rest", rest)
    Signals().wait(0.25)
    assert time == pytest.approx(0.25)


def test_the_installed_command_can_be_stopped(ini: Path) -> None:
    """A real process, a real signal, in the middle of a pause."""
    command = [str(Path(sys.executable).with_name("prune_sessions")), str(ini), "--json"]
    options = ["--batch-size", "2", "--pause", "1h", "--verbose"]
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [*command, *options],
        # Pyramid imports pkg_resources, which newer versions of setuptools warn of.
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert "2 expired sessions so far" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 143
    assert json.loads(out)["deleted"] == 2
    assert err == ""
    assert left(ini) == 5
