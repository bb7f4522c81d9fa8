"""Rewriting encrypted rows with the newest key, and plain ones when that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DBAPIError

from pyramid_sqlsession import SQLSessionError, model
from pyramid_sqlsession.reencryption import Reencrypted, Run, Sealing, reencrypt_sessions
from pyramid_sqlsession.scripts import progress
from pyramid_sqlsession.scripts.prune_sessions import main
from tests.engines import connecting_engines
from tests.harness import App, Clock, MakeApp
from tests.harness.sessions import write_rows
from tests.test_encrypted_sessions import (
    NEW,
    OLD,
    SETTING,
    Binary,
    encrypting,
    store_into,
    with_model,
)


def visitors(app: App, count: int) -> list[Any]:
    """So many browsers, each with a session that has its number."""
    browsers = [app.another_browser() for _ in range(count)]
    for number, browser in enumerate(browsers):
        browser.get(f"/write?x={number}")
    return browsers


def rewritten(app: App, **options: Any) -> dict[str, Any]:
    """What is told of a run, but how long it took."""
    done = reencrypt_sessions(app.registry, **options)
    assert done.seconds >= 0
    return {name: value for name, value in vars(done).items() if name != "seconds"}


def told(done: int, current: int = 0, unreadable: int = 0, batches: int = 1) -> dict[str, Any]:
    return {
        "rewritten": done,
        "current": current,
        "unreadable": unreadable,
        "batches": batches,
        "complete": True,
    }


def read_with(app: App, browsers: list[Any]) -> list[Any]:
    """What these visitors find in an application."""
    found = []
    for browser in browsers:
        other = app.another_browser()
        other.plant(str(browser.cookie))
        found.append(other.get("/read").json)
    return found


# What it does


def test_afterwards_the_old_key_is_needed_no_more(make_app: MakeApp) -> None:
    """Everybody has what they had; a second run finds nothing to do."""
    browsers = visitors(encrypting(make_app, OLD), 5)
    both = encrypting(make_app, NEW, OLD)
    assert rewritten(both, batch_size=2) == told(5, batches=3)
    assert read_with(encrypting(make_app, NEW), browsers) == [{"x": str(n)} for n in range(5)]
    assert rewritten(both, batch_size=2) == told(0, current=5, batches=3)


def test_nothing_but_the_data_is_changed(make_app: MakeApp, clock: Clock) -> None:
    """It is no save and no use: neither the version nor the last use moves."""
    app = encrypting(make_app, OLD)
    visitors(app, 1)
    [before] = app.rows()
    clock.advance(3600)
    rewritten(encrypting(make_app, NEW, OLD))
    [after] = app.rows()
    assert before.raw != after.raw
    assert {**before.columns, "data": None} == {**after.columns, "data": None}


def test_a_row_of_the_newest_key_is_left_alone(make_app: MakeApp) -> None:
    """It is not even written."""
    app = encrypting(make_app, NEW, OLD)
    visitors(app, 3)
    with app.statements() as seen:
        assert rewritten(app) == told(0, current=3)
    assert "UPDATE" not in seen.of_session


def test_a_binary_column_is_rewritten_too(make_app: MakeApp) -> None:
    """As it is, not as text."""
    browsers = visitors(with_model(make_app, Binary, OLD), 2)
    assert rewritten(with_model(make_app, Binary, NEW, OLD)) == told(2)
    assert read_with(with_model(make_app, Binary, NEW), browsers) == [{"x": "0"}, {"x": "1"}]


def test_an_empty_table_is_done_at_once(make_app: MakeApp) -> None:
    """Without a batch."""
    assert rewritten(encrypting(make_app)) == told(0, batches=0)


def test_what_no_key_opens_is_counted_and_left(make_app: MakeApp) -> None:
    """Another key may open it."""
    app = encrypting(make_app, OLD)
    visitors(app, 2)
    before = [row.raw for row in app.rows()]
    new = encrypting(make_app, NEW)
    assert rewritten(new) == told(0, unreadable=2)
    assert [row.raw for row in app.rows()] == before


def test_a_row_that_only_says_to_be_of_the_newest_key_is_unreadable(make_app: MakeApp) -> None:
    """Who counts on a complete run shall not be deceived."""
    app = encrypting(make_app, NEW, OLD)
    visitors(app, 2)
    _, second = app.rows()
    store_into(app, second.raw)
    assert rewritten(app) == told(0, current=1, unreadable=1)


def test_a_session_that_is_saved_meanwhile_is_not_overwritten(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its save has encrypted it already, and what it has changed stays."""
    old = encrypting(make_app, OLD)
    [browser] = visitors(old, 1)
    both = encrypting(make_app, NEW, OLD)
    renewed = Sealing.renewed

    def save_meanwhile(sealing: Sealing, row: Any) -> Any:
        other = both.another_browser()
        other.plant(str(browser.cookie))
        other.get("/write?y=2")
        return renewed(sealing, row)

    monkeypatch.setattr(Sealing, "renewed", save_meanwhile)
    assert rewritten(both) == told(0)
    assert read_with(encrypting(make_app, NEW), [browser]) == [{"x": "0", "y": "2"}]


def test_a_request_that_runs_meanwhile_is_not_disturbed(make_app: MakeApp) -> None:
    """It saves what it has loaded before, without a conflict."""
    both = encrypting(make_app, NEW, OLD)

    def work(request: Any) -> None:
        request.session["y"] = "2"
        assert rewritten(both) == told(1)

    settings = {"sqlsession.on_conflict": "retry"}
    app = encrypting(make_app, OLD, NEW, views={"/work": work}, settings=settings)
    app.get("/write?x=1")
    app.get("/work")
    assert app.get("/read").json == {"x": "1", "y": "2"}
    assert [row.version for row in app.rows()] == [2]


# Plain rows


def test_plain_rows_are_left_unless_it_is_asked_for(make_app: MakeApp) -> None:
    """Whatever is in the table would be taken for a session."""
    app = make_app()
    browsers = visitors(app, 2)
    encrypted = encrypting(make_app)
    assert rewritten(encrypted) == told(0, unreadable=2)
    assert rewritten(encrypted, from_plain=True) == told(2)
    assert read_with(encrypted, browsers) == [{"x": "0"}, {"x": "1"}]


@pytest.mark.parametrize("garbage", ["", "{half", "[1]", "null"])
def test_what_is_no_session_is_not_made_one(make_app: MakeApp, garbage: str) -> None:
    """It would only be encrypted garbage."""
    app = encrypting(make_app)
    visitors(app, 1)
    store_into(app, garbage)
    assert rewritten(app, from_plain=True) == told(0, unreadable=1)


def test_what_is_sealed_is_never_taken_for_plain(
    make_app: MakeApp,
) -> None:
    """The serializer is not even asked; it might make something of it."""

    class Gullible:
        def dumps(self, value: Any) -> bytes:
            return json.dumps(value).encode()

        def loads(self, data: bytes) -> Any:
            return json.loads(data) if data[:1] == b"{" else {}

    options: Any = {"sqlsession.serializer": Gullible()}
    app = encrypting(make_app, OLD, settings=options)
    visitors(app, 1)
    new = encrypting(make_app, NEW, settings=options)
    assert rewritten(new, from_plain=True) == told(0, unreadable=1)


# How it ends


def test_it_stops_when_it_is_enough(make_app: MakeApp) -> None:
    """By the number of rows, by the time, and when it is told; the next run goes on."""
    visitors(encrypting(make_app, OLD), 5)
    app = encrypting(make_app, NEW, OLD)
    limited = rewritten(app, limit=3, batch_size=2)
    assert limited == {**told(3, batches=2), "complete": False}
    assert rewritten(app, time_limit=0) == {**told(0, batches=0), "complete": False}
    shares: list[float] = []
    assert rewritten(app, progress=lambda _, share: shares.append(share)) == told(2, current=3)
    assert shares == [1.0]


def test_it_is_repeated_when_the_database_refuses_for_a_while(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock in the way is waited for; what fails for good is raised."""
    visitors(encrypting(make_app, OLD), 2)
    app = encrypting(make_app, NEW, OLD)
    write, left = Run._write, [2]

    def refuse(run: Run, due: Any) -> int:
        done = write(run, due)
        if left[0]:
            left[0] -= 1
            raise DBAPIError("UPDATE", {}, Exception("database is locked"))
        return done

    monkeypatch.setattr(Run, "_write", refuse)
    assert rewritten(app) == told(2)
    left[0] = 100
    visitors(encrypting(make_app, OLD), 1)
    with pytest.raises(SQLSessionError):
        rewritten(app)


def test_without_keys_there_is_nothing_to_encrypt_with(make_app: MakeApp) -> None:
    """And it says so."""
    with pytest.raises(SQLSessionError, match="encryption_keys is not set"):
        reencrypt_sessions(make_app().registry)


# The command


INI = f"""
[app:main]
use = call:tests.prunable:main
sqlsession.sqlalchemy.url = sqlite:///%(here)s/sessions.sqlite
sqlsession.create_table = true
{SETTING} = {NEW}

[app:plain]
use = call:tests.prunable:main
sqlsession.sqlalchemy.url = sqlite:///%(here)s/sessions.sqlite
"""


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    """The file of an application with three sessions of plain text."""
    path = tmp_path / "development.ini"
    path.write_text(INI)
    engine = create_engine(f"sqlite:///{tmp_path}/sessions.sqlite")
    mapped = model.generate_model("sessions", None)
    mapped.metadata.create_all(engine)  # type: ignore[attr-defined]  # a declarative class
    write_rows(engine, mapped, ({} for _ in range(3)))
    engine.dispose()
    return path


def run(*arguments: object) -> int:
    with connecting_engines():
        return main(["prune_sessions", *map(str, arguments)])


def test_the_command_says_what_it_did(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In words, or as one JSON object; it deletes nothing."""
    assert run(ini, "--reencrypt") == 0
    assert capsys.readouterr().out.startswith(
        "0 sessions encrypted anew, 0 were already, 3 could not be read, "
    )
    assert run(ini, "--reencrypt", "--from-plain", "--json", "--limit", "1") == 0
    found = json.loads(capsys.readouterr().out)
    assert found.pop("seconds") >= 0
    assert found == {**told(1), "complete": False}
    assert run(ini, "--reencrypt", "--from-plain", "--verbose") == 0
    out, err = capsys.readouterr()
    assert out.startswith("2 sessions encrypted anew, 1 were already, 0 could not be read, ")
    assert err == "100%  2 sessions encrypted anew so far\n"


def test_the_command_says_when_it_stopped_early(
    ini: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One session is no plural."""
    assert run(ini, "--reencrypt", "--from-plain", "--limit", 1) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 session encrypted anew")
    assert out.endswith("; stopped before the end\n")


def test_the_command_needs_keys(ini: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Their absence is a fault of the configuration."""
    assert run(f"{ini}#plain", "--reencrypt") == 2
    assert "sqlsession.encryption_keys is not set" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--from-plain"], ["--reencrypt", "--dry-run"], ["--reencrypt", "--report"]]
)
def test_options_that_do_not_go_together_are_refused(
    ini: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is done."""
    with pytest.raises(SystemExit) as info:
        run(ini, *arguments)
    assert info.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_the_bar_counts_what_was_rewritten() -> None:
    """Where pruning counts what it deleted."""
    assert progress._counted(Reencrypted(rewritten=3)) == "3 encrypted anew"
