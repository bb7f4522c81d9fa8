"""The search for leaks finds what it looks for, in every place, and lets a test fail for it."""

from __future__ import annotations

import base64
import logging
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyramid_sqlsession import SQLSessionError, events, session_id
from pyramid_sqlsession.lifecycle import lifecycles_of
from pyramid_sqlsession.session_id import SessionId, digest
from tests.harness import MakeApp, only_on_sqlite
from tests.leaks.listening import listening
from tests.leaks.logs import everything_logged
from tests.leaks.marks import shows_ids
from tests.leaks.plugin import OPTION, UNHEARD, verdict
from tests.leaks.search import Find, Place, Search

SECRET = "a secret of the application"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
FIND = Find(Place.BODY, "a session id", "'…'")
log = logging.getLogger("pyramid_sqlsession.test")


def id_of(request: Any) -> str:
    """What the browser has sent, signed as it may be."""
    return str(request.cookies["session"])


def log_it(request: Any) -> None:
    log.debug("opened by %s", id_of(request))


def leave_it_to_be_logged(request: Any) -> None:
    logging.getLogger("application").info("cookies: %r", dict(request.cookies))


def print_it(request: Any) -> None:
    print(id_of(request))  # noqa: T201 - that somebody does so is the scene


def warn_of_it(request: Any) -> None:
    with pytest.warns(UserWarning, match="odd"):
        warnings.warn(f"an odd id: {id_of(request)}", UserWarning, stacklevel=1)


def send_it_back(request: Any) -> str:
    return f"You are {id_of(request)}"


def send_it_in_a_header(request: Any) -> None:
    request.response.headers["X-Visitor"] = id_of(request)


def keep_it(request: Any) -> None:
    request.session["visitor"] = id_of(request)


def catch_an_error_with_it(request: Any) -> None:
    with pytest.raises(SQLSessionError):
        raise SQLSessionError(f"the session {id_of(request)} is odd")


LEAKS = {
    Place.OUR_LOG: log_it,
    Place.OTHER_LOG: leave_it_to_be_logged,
    Place.OUTPUT: print_it,
    Place.WARNING: warn_of_it,
    Place.BODY: send_it_back,
    Place.HEADER: send_it_in_a_header,
    Place.OBJECT: keep_it,
    Place.ERROR: catch_an_error_with_it,
}


@pytest.mark.parametrize("secret", [None, SECRET], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    ("place", "leak"),
    [
        pytest.param(place, leak, id=place.name, marks=shows_ids(place, reason="to be found"))
        for place, leak in LEAKS.items()
    ],
)
@only_on_sqlite
def test_an_id_is_found_wherever_it_can_be_read(
    make_app: MakeApp,
    capsys: pytest.CaptureFixture[str],
    secret: str | None,
    place: Place,
    leak: Callable[[Any], Any],
) -> None:
    """There, and nowhere else: the browser itself is sent it."""
    search = Search()
    with listening(search), everything_logged(search, with_echo=False):
        app = make_app(views={"/leak": leak}, settings={"sqlsession.secret": secret})
        app.get("/write?x=1")
        assert search.finds() == []
        app.get("/leak")
        capsys.readouterr()
    assert {find.place for find in search.finds()} == {place}
    assert "a session id is in" in str(search.finds()[0])


def searched(monkeypatch: pytest.MonkeyPatch, make_app: MakeApp) -> set[Place]:
    """Where the id can be read of a visitor who comes anew, and of one who cannot be saved."""
    search = Search()
    with listening(search), everything_logged(search, with_echo=False):
        app = make_app()
        app.get("/write?x=1")
        app.execute("DROP TABLE sessions")
        with pytest.raises(SQLSessionError, match="does not exist"):
            app.another_browser().get("/write?x=1")
    return {find.place for find in search.finds()}


@shows_ids(Place.VARIABLE, Place.OBJECT, reason="to be found")
@only_on_sqlite
def test_an_id_is_found_in_the_variables_of_an_error_and_in_objects(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are shown by their `repr`, and that of ids shows nothing."""
    assert searched(monkeypatch, make_app) == set()
    monkeypatch.setattr(SessionId, "__repr__", str.__repr__)
    assert searched(monkeypatch, make_app) == {Place.VARIABLE, Place.OBJECT}


@shows_ids(Place.EVENT, reason="to be found")
@only_on_sqlite
def test_an_id_is_found_in_an_event_though_nobody_subscribes(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events are built for the search."""

    def show(event: events.SessionCreated) -> str:
        [lifecycle] = lifecycles_of(event.request)
        assert lifecycle.record.current is not None
        return str(lifecycle.record.current.session_id)

    monkeypatch.setattr(events.SessionCreated, "__repr__", show)
    assert searched(monkeypatch, make_app) == {Place.EVENT}


def written(session_id: str) -> dict[str, str]:
    """The ways in which somebody might write an id, and its digest."""
    octets, sealed = base64.urlsafe_b64decode(session_id + "="), digest(session_id)
    return {
        "as it is": session_id,
        "shortened": f"{session_id[:16]}...",
        "as base64": base64.b64encode(session_id.encode()).decode(),
        "as hexadecimal text": session_id.encode().hex(),
        "as octets": octets.decode("latin-1"),
        "as a repr": repr(octets),
        "as the repr of a text with a repr": repr(f"b'{octets!r}'"),
        "as a list": repr(list(octets)),
        "as hexadecimal numbers": octets.hex(),
        "as base64 for addresses": base64.urlsafe_b64encode(octets).decode(),
        "the digest": repr(sealed),
        "the digest as PostgreSQL shows it": f"\\x{sealed.hex()}",
    }


@pytest.mark.parametrize("way", written("A" * 43))
def test_an_id_and_its_digest_are_found_however_they_are_written(way: str) -> None:
    """As texts or as octets, whole or shortened; and another id is not."""
    one, another = (session_id.new_session_id() for _ in range(2))
    search = Search()
    search.issue(one)
    search.read(Place.BODY, f"<p>{written(another)[way]}</p>")
    assert search.finds() == []
    search.read(Place.BODY, f"<p>{written(one)[way]}</p>")
    assert search.finds() != []


def test_a_test_fails_for_what_is_found_and_for_a_mark_without_need() -> None:
    """So that a mark goes when its reason does."""
    assert verdict([], set()) == ""
    assert verdict([FIND], {Place.BODY}) == ""
    assert "in the body of a response: '…'" in verdict([FIND], {Place.HEADER})
    assert "in vain that secrets are in a header" in verdict([FIND], {Place.BODY, Place.HEADER})


SCENES = """
import logging

import sqlalchemy

from pyramid_sqlsession.session_id import digest, new_session_id
from tests.leaks.marks import shows_ids, without_echo
from tests.leaks.search import Place

log = logging.getLogger("pyramid_sqlsession.test")


def test_that_logs_it():
    log.debug(new_session_id())


@shows_ids(Place.OUR_LOG, reason="on purpose")
def test_that_may_log_it():
    log.debug(new_session_id())


def test_that_prints_it():
    print(new_session_id())


def test_that_shows_nothing():
    new_session_id()


@shows_ids(Place.OUR_LOG, reason="on purpose")
def test_that_need_not_be_marked():
    new_session_id()


def test_that_logs_the_digest():
    log.debug(digest(new_session_id()))


def test_that_logs_an_error():
    try:
        raise ZeroDivisionError(new_session_id())
    except ZeroDivisionError:
        logging.getLogger("application").exception("odd")


def send(value):
    engine = sqlalchemy.create_engine("sqlite://")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT :value"), {"value": value})
    engine.dispose()


def test_that_sends_it():
    send(str(new_session_id()))


def test_that_sends_the_digest():
    send(digest(new_session_id()))


@without_echo("nobody logs it")
def test_that_sends_it_unheard(caplog):
    send(str(new_session_id()))


def test_that_says_what_was_logged(caplog):
    log.debug("nothing that would be logged otherwise")
    log.warning("something")
    assert caplog.messages == ["something"]
"""
WRONG = ["logs_it", "prints_it", "need_not_be_marked", "logs_the_digest", "logs_an_error"]


@pytest.mark.parametrize(
    ("options", "wrong"), [([OPTION], [*WRONG, "sends_it"]), ([OPTION, UNHEARD], WRONG)]
)
def test_pytest_lets_each_test_fail_of_which_an_id_can_be_read(
    tmp_path: Path, options: list[str], wrong: list[str]
) -> None:
    """And no other; what is logged at a low level is heard by the search alone."""
    (tmp_path / "test_scenes.py").write_text(SCENES)
    (tmp_path / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-p", "tests.leaks.plugin", *options, "-rE", "-q"]
    with pytest.raises(subprocess.CalledProcessError) as failed:
        subprocess.run(command, cwd=tmp_path, env=ENVIRONMENT, check=True, capture_output=True)
    said = failed.value.stdout.decode()
    assert re.findall(r"^ERROR test_scenes.py::test_that_(\w+)", said, re.MULTILINE) == wrong
    assert re.search(r"Searched [\d,]+ characters for 10 session ids", said)
