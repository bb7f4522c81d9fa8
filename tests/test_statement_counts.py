"""How many statements and cookies a request costs: the promise that nothing happens needlessly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.harness import App, MakeApp, checked_out
from tests.harness.costs import costs
from tests.harness.endings import Handled, after, and_raise_a_handled_error, answer

UNKNOWN = "A" * 43


class Scene(NamedTuple):
    """A request, and what it may cost: statements by kind, and Set-Cookie headers."""

    view: Callable[[Any], Any]
    cookie: str  # of a "known" or "unknown" session, "malformed", or "none"
    statements: dict[str, int]
    set_cookies: int


def nothing(request: Any) -> None:
    pass


def read(request: Any) -> str:
    return repr(request.session.get("x"))


def pop_nothing(request: Any) -> None:
    request.session.pop("missing", None)
    request.session.pop_flash()


def write_the_same(request: Any) -> None:
    request.session["x"] = "1"


def write(request: Any) -> None:
    request.session["x"] = 2


def write_much(request: Any) -> None:
    for number in range(10):
        request.session[f"key {number}"] = number
        request.session.flash("a message")


def append(request: Any) -> None:
    request.session["cart"].append("an apple")


def change(request: Any) -> None:
    request.session.changed()


def empty(request: Any) -> None:
    request.session.clear()


def leave(request: Any) -> None:
    request.session.invalidate()


def leave_and_write(request: Any) -> None:
    leave(request)
    write(request)


def regenerate(request: Any) -> None:
    request.session.regenerate_id()


def log_in(request: Any) -> None:
    request.session["auth.userid"] = "alice"


def remember_me(request: Any) -> None:
    request.session.set_expiration(3600)


READ = {"SELECT": 1}
SOUGHT = {"SELECT": 2}  # by its digest, and then as one that was superseded
NEW = {"INSERT": 1}
CHANGED = {"SELECT": 1, "UPDATE": 1}
ENDED = {"SELECT": 1, "DELETE": 1}
REPLACED = {"SELECT": 1, "DELETE": 1, "INSERT": 1}

# fmt: off
SCENES = [
    #     the view         the cookie   statements  Set-Cookie
    Scene(nothing,         "none",      {},         0),
    Scene(nothing,         "malformed", {},         0),
    Scene(nothing,         "unknown",   {},         0),
    Scene(nothing,         "known",     {},         0),
    Scene(read,            "none",      {},         0),
    Scene(read,            "malformed", {},         0),
    Scene(read,            "unknown",   SOUGHT,     0),
    Scene(read,            "known",     READ,       0),
    Scene(pop_nothing,     "none",      {},         0),
    Scene(pop_nothing,     "known",     READ,       0),
    Scene(write_the_same,  "known",     READ,       0),
    Scene(write,           "none",      NEW,        1),
    Scene(write,           "malformed", NEW,        1),
    Scene(write,           "unknown",   {**SOUGHT, **NEW}, 1),
    Scene(write,           "known",     CHANGED,    0),
    Scene(write_much,      "none",      NEW,        1),
    Scene(write_much,      "known",     CHANGED,    0),
    Scene(append,          "known",     CHANGED,    0),
    Scene(empty,           "none",      {},         0),
    Scene(empty,           "known",     CHANGED,    0),
    Scene(change,          "none",      NEW,        1),
    Scene(change,          "known",     CHANGED,    0),
    Scene(leave,           "none",      {},         0),
    Scene(leave,           "unknown",   SOUGHT,     0),
    Scene(leave,           "known",     ENDED,      1),
    Scene(leave_and_write, "none",      NEW,        1),
    Scene(leave_and_write, "known",     REPLACED,   1),
    Scene(regenerate,      "none",      {},         0),
    Scene(regenerate,      "known",     CHANGED,    1),
    Scene(log_in,          "none",      NEW,        1),
    Scene(log_in,          "known",     CHANGED,    1),
    Scene(remember_me,     "none",      NEW,        1),
    Scene(remember_me,     "known",     CHANGED,    1),
]
# fmt: on

EVERY_SCENE = pytest.mark.parametrize(
    "scene", SCENES, ids=[f"{scene.view.__name__}-{scene.cookie}" for scene in SCENES]
)


def seed(request: Any) -> None:
    request.session.update(x="1", cart=[])


def present_cookie(app: App, kind: str) -> None:
    """Give the first browser a cookie of this kind."""
    if kind == "known":
        app.get("/seed")
    elif kind != "none":
        app.browser.plant({"unknown": UNKNOWN, "malformed": "junk"}[kind])


def check_costs(make: Callable[..., App], scene: Scene, **options: Any) -> None:
    """Play the scene in an application with these options and count."""
    app = make(views={"/": scene.view, "/seed": seed}, **options)
    present_cookie(app, scene.cookie)
    with app.statements() as seen:
        response = app.get("/")
    set_cookies = len(app.set_cookies(response))
    played = (scene.view.__name__, scene.cookie)
    costs.note(played, seen.of_session, set_cookies, checked_out())
    assert seen.of_session == scene.statements
    assert seen.texts == seen.session_texts, "nothing else is sent"
    assert set_cookies == scene.set_cookies


@EVERY_SCENE
@pytest.mark.parametrize("tm", [True, False], ids=["pyramid_tm", "no pyramid_tm"])
def test_a_request_costs_what_the_table_says(make_app: MakeApp, scene: Scene, tm: bool) -> None:
    """Not a statement more, on the application's database."""
    check_costs(make_app, scene, tm=tm)


@pytest.mark.parametrize("view", [read, write, append, leave])
def test_being_ready_to_merge_costs_no_statement(
    make_app: MakeApp, view: Callable[[Any], Any]
) -> None:
    """What nobody disturbs is sent word by word as where nothing is merged."""
    sent = []
    for on_conflict in ("merge", "retry"):
        app = make_app(
            views={"/": view, "/seed": seed}, settings={"sqlsession.on_conflict": on_conflict}
        )
        app.get("/seed")
        with app.statements() as seen:
            app.get("/")
        sent.append(seen.log)
    assert sent[0] == sent[1] != []


FORGED = ["A" * 43, f"{'A' * 43}.{'A' * 43}"]


@pytest.mark.parametrize("cookie", FORGED, ids=["unsigned", "wrongly signed"])
def test_with_a_secret_a_forged_cookie_costs_no_statement(make_app: MakeApp, cookie: str) -> None:
    """The signature is checked before the database is asked."""
    app = make_app(settings={"sqlsession.secret": "a secret to sign with"})
    app.browser.plant(cookie)
    with app.statements() as seen:
        response = app.get("/read")
    assert seen.log == []
    assert app.set_cookies(response) == []


def test_a_view_that_fails_costs_nothing_but_the_look(make_app: MakeApp) -> None:
    """What is rolled back anyway is not written first."""
    views = {"/": after(write, and_raise_a_handled_error), "/seed": seed}
    app = make_app(views=views, exception_views={Handled: answer})
    app.get("/seed")
    with app.statements() as seen:
        response = app.get("/")
    assert seen.of_session == READ
    assert app.set_cookies(response) == []


def test_a_late_request_with_the_superseded_id_writes_nothing(make_app: MakeApp) -> None:
    """It costs the two looks of an unknown one."""
    app = make_app(views={"/": write, "/seed": seed, "/log-in": log_in})
    app.get("/seed")
    late = app.another_browser()
    late.plant(str(app.browser.cookie))
    app.get("/log-in")
    with app.statements() as seen:
        response = late.get("/")
    assert seen.of_session == SOUGHT
    assert app.set_cookies(response) == []


def test_a_parallel_save_costs_one_look_and_one_update_more(make_app: MakeApp) -> None:
    """The update that found another version, a look at the newer row, the merged update."""

    def write_while_another_does(request: Any) -> None:
        write(request)
        another = app.another_browser()
        another.plant(str(app.browser.cookie))
        another.get("/write?y=2")

    app = make_app(views={"/": write_while_another_does, "/seed": seed})
    app.get("/seed")
    with app.statements() as seen:
        app.get("/")
    parallel, ours = {"SELECT": 1, "UPDATE": 1}, {"SELECT": 2, "UPDATE": 2}
    assert seen.of_session == {kind: parallel[kind] + ours[kind] for kind in ours}
