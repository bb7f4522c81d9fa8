"""Parallel requests of one visitor: what each of them changed, and who has the last word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from pyramid_sqlsession import SessionConflict
from tests.harness import App, Browser, Clock, MakeApp, Note, only_on_sqlite
from tests.harness.endings import Handled, and_raise_a_handled_error
from tests.harness.locks import IMPATIENT
from tests.harness.marks import only_on_servers

Act = Callable[[Any], Any]


def seed(request: Any) -> None:
    request.session.update(x=0, y=0, cart=["a pear"])
    request.session.flash("old")


def same_visitor(app: App) -> Browser:
    """Another window of the first browser."""
    browser = app.another_browser()
    browser.plant(str(app.browser.cookie))
    return browser


def parallel_app(make_app: MakeApp, mine: Act, theirs: Act, **options: Any) -> App:
    """An application whose view `/` does `mine` while a request of the same visitor does `theirs`.

    `theirs` begins when `mine` is done and is over when the view returns, so that `mine` is saved
    last. Only the first attempt is disturbed.
    """

    def view(request: Any) -> str:
        mine(request)
        if request.environ.get("retry.attempt", 0) == 0:
            assert same_visitor(app).get("/theirs").status_code == 200
        return "delivered"

    views = {"/": view, "/theirs": theirs, "/seed": seed, **options.pop("views", {})}
    app = make_app(views=views, **options)
    app.get("/seed")
    return app


def data(app: App) -> dict[str, Any]:
    """What the only session holds."""
    (row,) = app.rows()
    found: dict[str, Any] = row.data
    return found


# Merging by keys


def set_x(request: Any) -> None:
    request.session["x"] = 1


def set_x_otherwise(request: Any) -> None:
    request.session["x"] = 2


def set_y(request: Any) -> None:
    request.session["y"] = 1


def delete_x(request: Any) -> None:
    del request.session["x"]


def clear(request: Any) -> None:
    request.session.clear()


def add_z(request: Any) -> None:
    request.session["z"] = 1


def flash_mine(request: Any) -> None:
    request.session.flash("mine")


def flash_theirs(request: Any) -> None:
    request.session.flash("theirs")


def pop_flash(request: Any) -> None:
    assert request.session.pop_flash() == ["old"]


def buy_an_apple(request: Any) -> None:
    request.session["cart"].append("an apple")


def changed(request: Any) -> None:
    request.session.changed()


SEEDED = {"x": 0, "y": 0, "cart": ["a pear"], "_f_": ["old"]}
BOUGHT = ["a pear", "an apple"]
MERGES: list[tuple[str, Act, Act, dict[str, Any]]] = [
    ("different keys survive both", set_x, set_y, {**SEEDED, "x": 1, "y": 1}),
    ("a new key is one", set_x, add_z, {**SEEDED, "x": 1, "z": 1}),
    ("of one key the later save wins", set_x, set_x_otherwise, {**SEEDED, "x": 1}),
    ("a later deletion is honoured", delete_x, set_x, {k: SEEDED[k] for k in SEEDED if k != "x"}),
    ("a later setting is honoured", set_x, delete_x, {**SEEDED, "x": 1}),
    ("clearing spares a key it never saw", clear, add_z, {"z": 1}),
    ("messages of both", flash_mine, flash_theirs, {**SEEDED, "_f_": ["old", "theirs", "mine"]}),
    ("a message shown is gone", pop_flash, flash_theirs, {**SEEDED, "_f_": ["theirs"]}),
    ("a message comes after", flash_mine, pop_flash, {**SEEDED, "_f_": ["mine"]}),
    ("a forced save takes nothing back", changed, set_y, {**SEEDED, "y": 1}),
    ("nor does it when it is theirs", set_x, changed, {**SEEDED, "x": 1}),
    ("a nested change is one", buy_an_apple, set_y, {**SEEDED, "y": 1, "cart": BOUGHT}),
]


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"), [merge[1:] for merge in MERGES], ids=[m[0] for m in MERGES]
)
def test_what_two_requests_changed_is_merged_by_keys(
    make_app: MakeApp, mine: Act, theirs: Act, expected: dict[str, Any]
) -> None:
    """Nothing is lost, nobody waits, and neither request notices."""
    app = parallel_app(make_app, mine, theirs)
    response = app.get("/")
    assert response.json == "delivered"
    assert app.set_cookies(response) == []
    assert data(app) == expected


def test_every_save_counts_in_the_version(make_app: MakeApp) -> None:
    """The seed's, theirs, and the merged one."""
    app = parallel_app(make_app, set_x, set_y)
    app.get("/")
    assert [row.version for row in app.rows()] == [3]


def test_a_session_outlives_the_last_version_that_the_column_holds(make_app: MakeApp) -> None:
    """Two thousand million saves take a busy one less than a year."""
    app = make_app()
    app.get("/write?x=1")
    app.execute("UPDATE sessions SET version = 2147483646")
    versions = []
    for x in "234":
        app.get(f"/write?x={x}")
        versions += [row.version for row in app.rows()]
    assert app.get("/read").json == {"x": "4"}
    assert versions == [2147483647, 1, 2]


def set_own_life(request: Any) -> None:
    request.session.set_expiration(3600)


@pytest.mark.parametrize(("mine", "theirs"), [(set_own_life, set_y), (set_y, set_own_life)])
def test_a_life_of_its_own_survives_the_merge(make_app: MakeApp, mine: Act, theirs: Act) -> None:
    """Whichever of the two requests has set it."""
    app = parallel_app(make_app, mine, theirs)
    app.get("/")
    (row,) = app.rows()
    assert row.columns["lifetime"] == 3600
    assert row.data["y"] == 1


def test_a_merge_does_not_move_the_last_use_backwards(make_app: MakeApp, clock: Clock) -> None:
    """The other server's clock may be ahead."""

    def set_y_ahead(request: Any) -> None:
        clock.advance(100)
        set_y(request)
        request.add_finished_callback(lambda request: clock.advance(-100))

    app = parallel_app(make_app, set_x, set_y_ahead)
    app.get("/")
    (row,) = app.rows()
    assert row.columns["accessed"] == clock() + 100


def test_a_merge_that_is_rolled_back_leaves_theirs(make_app: MakeApp) -> None:
    """What the other request committed was never ours to undo."""

    def set_x_and_fail_to_commit(request: Any) -> None:
        def refuse() -> None:
            raise ZeroDivisionError

        set_x(request)
        request.tm.get().addBeforeCommitHook(refuse)

    app = parallel_app(make_app, set_x_and_fail_to_commit, set_y)
    with pytest.raises(ZeroDivisionError):
        app.get("/")
    assert data(app) == {**SEEDED, "y": 1}


@pytest.mark.parametrize("on_conflict", ["merge", "retry"])
def test_what_an_exception_view_changed_is_merged_in_any_case(
    make_app: MakeApp, on_conflict: str
) -> None:
    """It is saved when the request is over: nobody could repeat it."""

    def answer(error: Any, request: Any) -> None:
        set_x(request)
        same_visitor(app).get("/theirs")

    app = make_app(
        views={"/": and_raise_a_handled_error, "/seed": seed, "/theirs": set_y},
        exception_views={Handled: answer},
        settings={"sqlsession.on_conflict": on_conflict},
    )
    app.get("/seed")
    app.get("/")
    assert data(app) == {**SEEDED, "x": 1, "y": 1}


@only_on_servers
def test_a_slow_view_keeps_no_other_request_of_its_visitor_waiting(make_app: MakeApp) -> None:
    """The row is written and locked at the end, though the application writes all the time."""

    def write_everything(request: Any) -> None:
        request.session["x"] = 1
        request.dbsession.add(Note(text="flushed early"))
        request.dbsession.flush()
        request.session["x"] = 2

    app = parallel_app(make_app, write_everything, set_y)
    app.get("/")
    assert data(app) == {**SEEDED, "x": 2, "y": 1}
    assert app.notes() == ["flushed early"]


# Another id meanwhile


def log_in(request: Any) -> None:
    request.session["auth.userid"] = "alice"


def log_in_as_bob(request: Any) -> None:
    request.session["auth.userid"] = "bob"


def regenerate(request: Any) -> None:
    request.session.regenerate_id()


def leave(request: Any) -> None:
    request.session.invalidate()


@pytest.mark.parametrize("theirs", [log_in, regenerate])
@pytest.mark.parametrize("mine", [set_x, changed, flash_mine, regenerate, log_in_as_bob])
@pytest.mark.parametrize("on_conflict", ["merge", "retry"])
def test_an_old_id_does_not_write_into_the_login_that_overtook_it(
    make_app: MakeApp, mine: Act, theirs: Act, on_conflict: str
) -> None:
    """The changes are dropped and the browser's new cookie is left alone."""
    rows_of_theirs = []

    def theirs_and_look(request: Any) -> None:
        theirs(request)
        request.add_finished_callback(lambda request: rows_of_theirs.extend(app.rows()))

    app = parallel_app(
        make_app, mine, theirs_and_look, settings={"sqlsession.on_conflict": on_conflict}
    )
    response = app.get("/")
    assert response.json == "delivered"
    assert app.set_cookies(response) == []
    assert [row.columns["previous"] for row in app.rows()] != [None]
    assert data(app) == {**SEEDED, **({"auth.userid": "alice"} if theirs is log_in else {})}


def test_an_overtaken_request_does_not_prolong_the_old_cookie(make_app: MakeApp) -> None:
    """What it had saved before would do so, and put the old id in the place of the new one."""

    def save_and_go_on(request: Any) -> None:
        set_x(request)
        request.tm.commit()
        request.tm.begin()
        set_y(request)

    settings = {"sqlsession.cookie_max_age": "1h"}
    app = parallel_app(make_app, save_and_go_on, log_in, settings=settings)
    assert app.set_cookies(app.get("/")) == []
    assert data(app) == {**SEEDED, "x": 1, "auth.userid": "alice"}


def test_a_login_that_overtakes_nobody_keeps_what_the_other_request_wrote(
    make_app: MakeApp,
) -> None:
    """The id changes with the merged save, and one cookie tells so."""
    app = parallel_app(make_app, log_in, set_y)
    old = app.browser.cookie
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.value not in (old, "")
    assert data(app) == {**SEEDED, "y": 1, "auth.userid": "alice"}
    assert app.get("/read").json == data(app)


@pytest.mark.parametrize("theirs", [set_y, log_in, regenerate, leave])
def test_a_logout_ends_the_session_whatever_happened_meanwhile(
    make_app: MakeApp, theirs: Act
) -> None:
    """The first promise: nobody gets in."""
    app = parallel_app(make_app, leave, theirs)
    app.get("/")
    assert app.rows() == []


@pytest.mark.parametrize("mine", [set_x, changed, regenerate, log_in, set_own_life])
def test_what_is_changed_after_the_visitor_logged_out_elsewhere_is_dropped(
    make_app: MakeApp, mine: Act
) -> None:
    """Nothing is inserted, and the cookie is deleted."""
    app = parallel_app(make_app, mine, leave)
    (cookie,) = app.set_cookies(app.get("/"))
    assert cookie.deletes
    assert app.rows() == []


@pytest.mark.parametrize("theirs", [log_in, leave])
def test_after_its_changes_were_dropped_a_request_may_still_begin_anew(
    make_app: MakeApp, theirs: Act
) -> None:
    """Invalidating ends the session under any id, and what is written then is a new one's."""

    def begin_anew(request: Any, response: Any) -> None:
        request.session.invalidate()
        request.session["fresh"] = 1

    def set_x_and_begin_anew_later(request: Any) -> None:
        set_x(request)
        request.add_response_callback(begin_anew)

    app = parallel_app(make_app, set_x_and_begin_anew_later, theirs)
    (cookie,) = app.set_cookies(app.get("/"))
    assert not cookie.deletes
    assert data(app) == {"fresh": 1}
    assert app.get("/read").json == {"fresh": 1}


# Repeating instead


RETRY = {"sqlsession.on_conflict": "retry"}


def count(request: Any) -> None:
    request.session["x"] += 1


def count_and_note(request: Any) -> None:
    count(request)
    request.dbsession.add(Note(text=f"attempt {request.environ.get('retry.attempt')}"))


def test_with_retry_a_conflict_is_an_error_that_may_be_repeated(make_app: MakeApp) -> None:
    """Without pyramid_retry it is raised, and the application's data are rolled back."""
    app = parallel_app(make_app, count_and_note, count, settings=RETRY)
    with pytest.raises(SessionConflict):
        app.get("/")
    assert data(app) == {**SEEDED, "x": 1}
    assert app.notes() == []


def answer_anything(error: Any, request: Any) -> str:
    request.response.status_code = 500
    return "answered"


@pytest.mark.parametrize("catch_all", [{}, {Exception: answer_anything}], ids=["no", "yes"])
@pytest.mark.parametrize("veto", [{}, {"tm.commit_veto": "pyramid_tm.default_commit_veto"}])
def test_pyramid_retry_repeats_the_request_so_that_counters_add_up(
    make_app: MakeApp, catch_all: Any, veto: dict[str, str]
) -> None:
    """Also under an exception view that would answer everything."""
    app = parallel_app(
        make_app,
        count_and_note,
        count,
        settings={**RETRY, **veto},
        includes=["pyramid_retry"],
        exception_views=catch_all,
    )
    response = app.get("/")
    assert response.json == "delivered"
    assert app.set_cookies(response) == []
    assert data(app) == {**SEEDED, "x": 2}
    assert app.notes() == ["attempt 1"]


@only_on_sqlite
def test_when_all_attempts_meet_a_conflict_the_exception_view_answers(make_app: MakeApp) -> None:
    """With the application's data rolled back, and the other requests' changes kept.

    Other databases have the second attempt lock its row.
    """

    def always_disturbed(request: Any) -> str:
        count_and_note(request)
        same_visitor(app).get("/theirs")
        return "delivered"

    def answer(error: Any, request: Any) -> str:
        return "answered"

    app = make_app(
        views={"/": always_disturbed, "/theirs": count, "/seed": seed},
        exception_views={SessionConflict: answer},
        includes=["pyramid_retry"],
        settings={**RETRY, "retry.attempts": "3"},
    )
    app.get("/seed")
    assert app.get("/").json == "answered"
    assert data(app) == {**SEEDED, "x": 3}
    assert app.notes() == []


# A database that is locked


def locking_app(make_app: MakeApp, database_name: str, **options: Any) -> App:
    """An application whose view `/` finds its row locked by somebody else in the first attempt."""

    def lock(request: Any) -> None:
        set_x(request)
        if request.environ.get("retry.attempt", 0):
            return
        connection = app.session_probe.connect()
        request.add_finished_callback(lambda request: connection.close())
        connection.execute(text("UPDATE sessions SET accessed = accessed"))

    app = make_app(
        views={"/": lock, "/seed": seed},
        engine_options={"connect_args": IMPATIENT[database_name]},
        **options,
    )
    app.get("/seed")
    return app


def test_a_lock_that_is_not_given_up_is_a_conflict(make_app: MakeApp, database_name: str) -> None:
    """Said in our words, whatever the database calls it."""
    app = locking_app(make_app, database_name)
    with pytest.raises(SessionConflict):
        app.get("/")
    assert data(app) == SEEDED


def test_a_lock_that_is_given_up_meanwhile_is_got_over_by_a_repetition(
    make_app: MakeApp, database_name: str
) -> None:
    """pyramid_retry knows the error for what it is."""
    app = locking_app(make_app, database_name, includes=["pyramid_retry"])
    app.get("/")
    assert data(app) == {**SEEDED, "x": 1}
