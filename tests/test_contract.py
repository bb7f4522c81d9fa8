"""What Pyramid and applications may expect of any session."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from pyramid.interfaces import ISession, ISessionFactory
from zope.interface.verify import verifyClass, verifyObject

from pyramid_sqlsession import SQLSession, SQLSessionFactory
from tests.harness import App, Clock, MakeApp, Note, only_on_sqlite

DAY = 24 * 60 * 60


def app_with(make_app: MakeApp, data: dict[str, Any], view: Callable[[Any], Any]) -> App:
    """An application whose first browser has a session that holds `data`, and `view` at `/`."""

    def seed(request: Any) -> None:
        request.session.update(data)

    app = make_app(views={"/": view, "/seed": seed})
    app.get("/seed")
    return app


def pickled_and_back(session: Any) -> Any:
    return pickle.loads(pickle.dumps(session))


def test_the_class_and_the_factory_say_what_they_implement() -> None:
    """`verifyClass` compares the methods' signatures with Pyramid's interfaces."""
    assert verifyClass(ISession, SQLSession)
    assert verifyClass(ISessionFactory, SQLSessionFactory)


@only_on_sqlite
def test_the_objects_provide_what_the_interfaces_promise(make_app: MakeApp) -> None:
    """`verifyObject` looks for the attributes as well, on a new session and on a loaded one."""
    app = make_app(views={"/": lambda request: verifyObject(ISession, request.session)})
    assert app.get("/").json is True
    app.get("/write?x=1")
    assert app.get("/").json is True
    assert verifyObject(ISessionFactory, app.registry.getUtility(ISessionFactory))


@only_on_sqlite
def test_the_factory_tells_the_name_of_its_cookie(make_app: MakeApp) -> None:
    """pyramid_session_multi reads it to keep two factories apart."""
    app = make_app(settings={"sqlsession.cookie_name": "visitor"})
    assert app.registry.getUtility(ISessionFactory)._cookie_name == "visitor"


@only_on_sqlite
def test_the_factory_gives_a_request_one_session(make_app: MakeApp) -> None:
    """Whoever calls it by hand gets the one that `request.session` is."""

    def view(request: Any) -> bool:
        factory = request.registry.getUtility(ISessionFactory)
        return factory(request) is request.session and factory(request) is request.session

    assert make_app(views={"/": view}).get("/").json is True


@only_on_sqlite
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled_and_back])
def test_a_copy_of_the_session_is_a_plain_dict(
    make_app: MakeApp, copied: Callable[[Any], Any]
) -> None:
    """It has no row, so nothing that is done to it is saved."""

    def view(request: Any) -> list[Any]:
        found = copied(request.session)
        found["c"] = 3
        return [type(found) is dict, found]

    app = app_with(make_app, {"a": 1, "b": [2]}, view)
    assert app.get("/").json == [True, {"a": 1, "b": [2], "c": 3}]
    assert app.get("/read").json == {"a": 1, "b": [2]}


@pytest.mark.parametrize(
    ("look", "shown"),
    [
        (len, 2),
        (bool, True),
        (repr, "{'a': 1, 'b': [2]}"),
        (lambda session: session == {"a": 1, "b": [2]}, True),
        (lambda session: session.copy(), {"a": 1, "b": [2]}),
        (lambda session: session | {"c": 3}, {"a": 1, "b": [2], "c": 3}),
        (lambda session: {"c": 3} | session, {"a": 1, "b": [2], "c": 3}),
        (lambda session: list(reversed(session)), ["b", "a"]),
        (json.dumps, '{"a": 1, "b": [2]}'),
        (lambda session: dict(**session), {"a": 1, "b": [2]}),
        (lambda session: isinstance(session, dict), True),
    ],
)
def test_the_session_is_a_dict_in_every_way(
    make_app: MakeApp, look: Callable[[Any], Any], shown: Any
) -> None:
    """Whatever a dict shows, a session that was loaded shows too."""
    app = app_with(make_app, {"a": 1, "b": [2]}, lambda request: look(request.session))
    assert app.get("/").json == shown


@only_on_sqlite
@pytest.mark.parametrize("seconds", [0, -1, 1.5, "60", True])
def test_a_life_is_a_whole_number_of_seconds(make_app: MakeApp, seconds: Any) -> None:
    """What is not says so where it is asked for, with the value that was received."""

    def view(request: Any) -> str:
        with pytest.raises(ValueError, match=repr(seconds)):
            request.session.set_expiration(seconds)
        return "refused"

    app = make_app(views={"/": view})
    assert app.get("/").json == "refused"
    assert app.rows() == []


@only_on_sqlite
def test_an_empty_session_is_false(make_app: MakeApp) -> None:
    """As an empty dict is."""
    app = make_app(views={"/": lambda request: [bool(request.session), len(request.session)]})
    assert app.get("/").json == [False, 0]


def facts(request: Any) -> dict[str, Any]:
    """Tell what a session says of itself."""
    session = request.session
    return {"data": dict(session), "new": session.new, "created": session.created}


def test_without_a_cookie_the_session_is_empty_new_and_created_now(
    make_app: MakeApp, clock: Clock
) -> None:
    """Nothing is known of this visitor, and nothing is asked of the database."""
    app = make_app(views={"/": facts})
    with app.statements() as seen:
        assert app.get("/").json == {"data": {}, "new": True, "created": clock()}
    assert seen.texts == []
    assert app.rows() == []


def test_a_valid_cookie_brings_back_the_data_and_the_time_of_creation(
    make_app: MakeApp, clock: Clock
) -> None:
    """`created` is that of the first request, whenever the session is used again."""
    app = make_app(views={"/": facts})
    began = clock()
    app.get("/write?x=1")
    clock.advance(100)
    app.get("/write?y=2")
    clock.advance(100)
    assert app.get("/").json == {"data": {"x": "1", "y": "2"}, "new": False, "created": began}


def test_a_session_stays_new_during_the_whole_request_that_creates_it(make_app: MakeApp) -> None:
    """Also after it has been written, when the response is on its way; in the next it is not."""
    seen: list[bool] = []

    def view(request: Any) -> None:
        seen.append(request.session.new)
        request.session["x"] = 1
        seen.append(request.session.new)
        request.add_finished_callback(lambda request: seen.append(request.session.new))

    app = make_app(views={"/": view, "/later": facts})
    app.get("/")
    assert seen == [True, True, True]
    assert app.get("/later").json["new"] is False


def test_an_expired_session_is_a_new_empty_one(make_app: MakeApp, clock: Clock) -> None:
    """At the second of its end the old data is no longer visible."""
    app = make_app(views={"/": facts})
    app.get("/write?secret=1")
    clock.advance(DAY - 1)
    assert app.get("/").json["data"] == {"secret": "1"}
    clock.advance(1 + DAY)
    assert app.get("/").json == {"data": {}, "new": True, "created": clock()}


def test_an_expired_session_is_not_revived_by_writing(make_app: MakeApp, clock: Clock) -> None:
    """What is written goes to a new row under a new id; the old row stays as it was."""
    app = make_app()
    app.get("/write?old=1")
    old_cookie, (old_row,) = app.browser.cookie, app.rows()
    clock.advance(2 * DAY)
    response = app.get("/write?fresh=1")
    assert response.json == {"fresh": "1"}
    assert len(app.set_cookies(response)) == 1
    assert app.browser.cookie != old_cookie
    untouched, fresh = app.rows()
    assert untouched == old_row
    assert fresh.data == {"fresh": "1"}


@pytest.mark.parametrize("garbage", ["", "{half of the TREASURE", "[1, 2]", "null", '"TREASURE"'])
def test_undecodable_data_is_an_empty_session_and_a_line_in_the_log(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, garbage: str
) -> None:
    """The visitor starts anew; the log says so without showing what was stored."""
    app = make_app(views={"/": facts})
    app.get("/write?x=1")
    app.execute("UPDATE sessions SET data = :garbage", garbage=garbage)
    with caplog.at_level(logging.INFO, "pyramid_sqlsession"):
        found = app.get("/").json
    assert (found["data"], found["new"]) == ({}, True)
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("pyramid_sqlsession")]
    assert len(messages) == 1
    assert "TREASURE" not in caplog.text


def test_after_undecodable_data_the_visitor_can_write_again(make_app: MakeApp) -> None:
    """What is written next can be read."""
    app = make_app()
    app.get("/write?x=1")
    app.execute("UPDATE sessions SET data = :garbage", garbage="{")
    app.get("/write?y=2")
    assert app.get("/read").json == {"y": "2"}


def test_data_that_becomes_undecodable_while_a_view_runs_counts_as_empty(
    make_app: MakeApp,
) -> None:
    """What the view has changed is kept, and the request does not fail."""

    def work(request: Any) -> None:
        request.session["y"] = "2"
        app.execute("UPDATE sessions SET data = :garbage, version = 2", garbage="{")

    app = make_app(views={"/work": work})
    app.get("/write?x=1")
    app.get("/work")
    assert app.get("/read").json == {"y": "2"}


def test_changed_forces_one_write_though_the_content_looks_equal(make_app: MakeApp) -> None:
    """It returns None, and calling it twice is calling it once."""
    app = app_with(
        make_app, {"x": 1}, lambda r: [r.session.changed(), r.session.changed(), dict(r.session)]
    )
    (before,) = app.rows()
    with app.statements() as seen:
        assert app.get("/").json == [None, None, {"x": 1}]
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
    (after,) = app.rows()
    assert after.data == {"x": 1}
    assert after.version == before.version + 1


def test_changed_gives_an_empty_new_session_its_row(make_app: MakeApp) -> None:
    """An application may want a session before it has anything to put into it."""
    app = make_app(views={"/": lambda request: request.session.changed()})
    response = app.get("/")
    assert [row.data for row in app.rows()] == [{}]
    assert len(app.set_cookies(response)) == 1


BEFORE = {"a": 1, "b": [2], "c": {"d": [3]}}


def delete_a(session: Any) -> None:
    del session["a"]


def unite(session: Any) -> None:
    session |= {"e": 5}


CHANGES: list[tuple[Callable[[Any], Any], dict[str, Any]]] = [
    (lambda s: s.__setitem__("e", 5), {**BEFORE, "e": 5}),
    (lambda s: s.__setitem__("a", True), {**BEFORE, "a": True}),
    (lambda s: s.__setitem__("a", None), {**BEFORE, "a": None}),
    (delete_a, {"b": [2], "c": {"d": [3]}}),
    (lambda s: s.pop("a"), {"b": [2], "c": {"d": [3]}}),
    (lambda s: s.popitem(), {"a": 1, "b": [2]}),
    (lambda s: s.setdefault("e", 5), {**BEFORE, "e": 5}),
    (lambda s: s.update({"a": 9}), {**BEFORE, "a": 9}),
    (lambda s: s.clear(), {}),
    (unite, {**BEFORE, "e": 5}),
    (lambda s: s["b"].append(7), {**BEFORE, "b": [2, 7]}),
    (lambda s: s["c"]["d"].clear(), {**BEFORE, "c": {"d": []}}),
    (lambda s: s["c"].update(f=1), {**BEFORE, "c": {"d": [3], "f": 1}}),
]


@pytest.mark.parametrize(("change", "after"), CHANGES)
def test_every_change_is_saved_without_being_announced(
    make_app: MakeApp, change: Callable[[Any], Any], after: dict[str, Any]
) -> None:
    """One SELECT and one UPDATE, no cookie, and the next request sees the change."""

    def view(request: Any) -> None:
        change(request.session)

    app = app_with(make_app, BEFORE, view)
    with app.statements() as seen:
        response = app.get("/")
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
    assert app.set_cookies(response) == []
    found = app.get("/read").json
    assert found == after
    assert [type(value) for value in found.values()] == [type(value) for value in after.values()]
    assert len(app.rows()) == 1


def change_and_change_back(session: Any) -> None:
    session["b"].append(3)
    session["b"].pop()


NO_CHANGES: list[Callable[[Any], Any]] = [
    dict,
    lambda s: s.pop("x", None),
    lambda s: s.pop_flash(),
    lambda s: s.peek_flash("queue"),
    lambda s: s.update({"a": 1}),
    lambda s: s.update({}),
    lambda s: s.setdefault("a", 5),
    lambda s: s.__setitem__("b", [2]),
    change_and_change_back,
]


@pytest.mark.parametrize("leave_alone", NO_CHANGES)
def test_what_changes_nothing_writes_nothing(
    make_app: MakeApp, leave_alone: Callable[[Any], Any]
) -> None:
    """One SELECT, no cookie, and the row stays as it is to the last column."""

    def view(request: Any) -> None:
        leave_alone(request.session)

    app = app_with(make_app, BEFORE, view)
    before = app.rows()
    with app.statements() as seen:
        response = app.get("/")
    assert seen.of_session == {"SELECT": 1}
    assert app.set_cookies(response) == []
    assert app.rows() == before


@pytest.mark.parametrize(
    "leave_alone",
    [
        dict,
        lambda s: s.pop("x", None),
        lambda s: s.pop_flash(),
        lambda s: s.peek_flash(),
        lambda s: s.clear(),
        lambda s: (s.update(x=1), s.pop("x")),
    ],
)
def test_what_leaves_a_new_session_empty_makes_no_row(
    make_app: MakeApp, leave_alone: Callable[[Any], Any]
) -> None:
    """No statement on its table, no row, no cookie."""

    def view(request: Any) -> None:
        leave_alone(request.session)

    app = make_app(views={"/": view})
    with app.statements() as seen:
        response = app.get("/")
    assert seen.of_session == {}
    assert app.rows() == []
    assert app.set_cookies(response) == []


def test_an_emptied_session_stays(make_app: MakeApp) -> None:
    """Only `invalidate()`, revocation and time end a session."""
    app = app_with(make_app, {"x": 1}, lambda request: request.session.clear())
    cookie = app.browser.cookie
    app.get("/")
    assert [row.data for row in app.rows()] == [{}]
    assert app.browser.cookie == cookie


class Unstorable:
    """Something that JSON cannot hold and that shows itself in its repr."""

    def __repr__(self) -> str:
        return "TREASURE"


@pytest.mark.parametrize(
    "value",
    [
        Unstorable(),
        {"deep": [Unstorable()]},
        {"a set"},
        b"bytes",
        float("nan"),
        float("inf"),
        [float("-inf")],
    ],
)
def test_a_value_that_does_not_serialise_rolls_everything_back(
    make_app: MakeApp, value: Any
) -> None:
    """The error names the key, not the value, and comes before anything is committed."""

    def view(request: Any) -> None:
        request.dbsession.add(Note(text="never seen"))
        request.session["harmless"] = 1
        request.session["basket"] = value

    app = make_app(views={"/": view})
    with app.statements() as seen, pytest.raises((TypeError, ValueError), match="basket") as info:
        app.get("/")
    assert seen.commits == 0
    assert "TREASURE" not in str(info.value)
    assert "harmless" not in str(info.value)
    assert app.notes() == []
    assert app.rows() == []


def test_a_value_that_does_not_serialise_leaves_an_existing_session_as_it_was(
    make_app: MakeApp,
) -> None:
    """The row keeps what it held, and the visitor keeps the cookie."""

    def view(request: Any) -> None:
        request.session["x"] = 2
        request.session["basket"] = Unstorable()

    app = app_with(make_app, {"x": 1}, view)
    before, cookie = app.rows(), app.browser.cookie
    with pytest.raises((TypeError, ValueError), match="basket"):
        app.get("/")
    assert app.rows() == before
    assert app.browser.cookie == cookie
    assert app.get("/read").json == {"x": 1}


def test_a_megabyte_is_no_problem(make_app: MakeApp) -> None:
    """It comes back as it was, characters of many bytes included."""
    text = "äöü€😀" * 50_000 + "x" * 750_000

    def view(request: Any) -> None:
        request.session["big"] = text

    app = make_app(views={"/": view})
    app.get("/")
    assert app.get("/read").json == {"big": text}


def test_mutable_defaults_are_never_shared_between_sessions(make_app: MakeApp) -> None:
    """What one visitor appends to an empty list is not in the other's."""

    def view(request: Any) -> None:
        name = request.params["name"]
        request.session.flash(name)
        request.session.setdefault("names", []).append(name)

    app = make_app(views={"/": view})
    ann, bob = app.browser, app.another_browser()
    ann.get("/?name=Ann")
    bob.get("/?name=Bob")
    assert ann.get("/read").json["names"] == ["Ann"]
    assert bob.get("/read").json == {"_f_": ["Bob"], "names": ["Bob"]}
