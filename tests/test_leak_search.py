"""The search for leaks finds what it looks for, in every place, and lets a test fail for it."""

from __future__ import annotations

import base64
import logging
import warnings
from collections.abc import Callable
from typing import Any

import pytest

from pyramid_sqlsession import SQLSessionError, events, session_id
from pyramid_sqlsession.lifecycle import lifecycles_of
from pyramid_sqlsession.session_id import SessionId, digest
from tests.harness import MakeApp, only_on_sqlite
from tests.leaks.listening import listening
from tests.leaks.logs import everything_logged
from tests.leaks.marks import shows_ids
from tests.leaks.search import Find, Place, Search

SECRET = "a secret of the application"
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
