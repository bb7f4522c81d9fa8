"""What is not ours: transactions begun by somebody else, and the application's own objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import transaction
import zope.sqlalchemy
from sqlalchemy import text
from sqlalchemy.orm import Session

from pyramid_sqlsession.tweens import SAVING
from tests.harness import App, MakeApp, Note, checked_out, only_on_sqlite, over_both_managers
from tests.harness.endings import Handled, and_raise_a_redirect

FLAGS = pytest.mark.parametrize("flag", ["tm.active", "repoze.tm.active"])


def fail(request: Any) -> None:
    request.session["view"] = 1
    raise Handled


def fail_unhandled(request: Any) -> None:
    request.session["view"] = 1
    raise ZeroDivisionError


def leave(request: Any) -> None:
    request.session.invalidate()


def doom(request: Any) -> None:
    request.session["view"] = 1
    request.tm.doom()


def write_on_error(error: Any, request: Any) -> None:
    request.session["exception view"] = 1


VIEWS: dict[str, Callable[[Any], Any]] = {
    "/fail": fail,
    "/fail-unhandled": fail_unhandled,
    "/leave": leave,
    "/redirect": and_raise_a_redirect,
    "/doom": doom,
}


def app_with_views(make_app: MakeApp, **options: Any) -> App:
    return make_app(views=VIEWS, exception_views={Handled: write_on_error}, **options)


# Somebody else's transaction


class Owner:
    """Begins a transaction, lends it to requests, and says in the end what becomes of it."""

    def __init__(self, app: App, flag: str) -> None:
        self.app = app
        self.manager = transaction.TransactionManager(explicit=True)
        self.dbsession = Session(app.engine)
        zope.sqlalchemy.register(self.dbsession, transaction_manager=self.manager)
        self.environ = {
            flag: True,
            "tm.manager": self.manager,
            "app.dbsession": self.dbsession,
        }

    def get(self, path: str) -> Any:
        """Ask for `path` within the transaction."""
        return self.app.get(path, extra_environ=self.environ)

    def written(self) -> list[str]:
        """The data of the rows as this transaction sees them."""
        return list(self.dbsession.execute(text("SELECT data FROM sessions")).scalars())


@contextmanager
def owned(app: App, flag: str = "tm.active") -> Iterator[Owner]:
    """A transaction of somebody else; aborted in the end unless he has committed it."""
    owner = Owner(app, flag)
    owner.manager.begin()
    owner.dbsession.connection()  # checked out before the request, so that is his affair
    try:
        yield owner
    finally:
        with suppress(transaction.interfaces.NoTransaction):
            owner.manager.abort()


@FLAGS
def test_in_somebody_elses_transaction_the_session_is_flushed_and_not_committed(
    make_app: MakeApp, flag: str
) -> None:
    """He sees the row, nobody else does, and the cookie is sent as if it were committed."""
    app = app_with_views(make_app)
    with owned(app, flag) as owner, app.statements() as seen:
        response = owner.get("/write?x=1")
        assert len(app.set_cookies(response)) == 1
        assert owner.written() == ['{"x":"1"}']
        assert app.rows() == []
        assert seen.commits == 0


@FLAGS
def test_what_he_commits_is_saved(make_app: MakeApp, flag: str) -> None:
    """Together with his own data."""
    app = app_with_views(make_app)
    with owned(app, flag) as owner:
        owner.get("/write?x=1")
        owner.dbsession.add(Note(text="his"))
        owner.manager.commit()
    assert [row.data for row in app.rows()] == [{"x": "1"}]
    assert app.notes() == ["his"]
    assert app.get("/read").json == {"x": "1"}


@FLAGS
def test_what_he_aborts_never_was(make_app: MakeApp, flag: str) -> None:
    """The cookie that was sent opens nothing."""
    app = app_with_views(make_app)
    with owned(app, flag) as owner:
        owner.get("/write?x=1")
    assert app.rows() == []
    assert app.get("/read").json == {}


@pytest.mark.parametrize("doomed", [False, True])
def test_requests_within_one_transaction_see_what_the_earlier_ones_wrote(
    make_app: MakeApp, doomed: bool
) -> None:
    """Also in one that is doomed from the start, as in the fixtures of a test suite."""
    app = app_with_views(make_app)
    with owned(app) as owner:
        if doomed:
            owner.manager.doom()
        owner.get("/write?x=1")
        owner.get("/write?y=2")
        assert owner.get("/read").json == {"x": "1", "y": "2"}
        (cookie,) = app.set_cookies(owner.get("/leave"))
        assert cookie.deletes
        assert owner.written() == []
    assert app.rows() == []


@pytest.mark.parametrize(
    ("on_abort", "kept"),
    [
        ("exception-view", ['{"exception view":1}']),
        ("discard", []),
        ("keep", ['{"view":1,"exception view":1}']),
    ],
)
def test_after_a_handled_exception_his_transaction_holds_what_is_to_survive(
    make_app: MakeApp, on_abort: str, kept: list[str]
) -> None:
    """We neither commit nor abort it, and save no part of it apart."""
    app = app_with_views(make_app, settings={"sqlsession.on_abort": on_abort})
    with owned(app) as owner:
        owner.get("/fail")
        assert owner.written() == kept
        assert app.rows() == []


def test_after_an_uncaught_exception_his_transaction_holds_nothing_of_ours(
    make_app: MakeApp,
) -> None:
    """Nor is it ended."""
    app = app_with_views(make_app)
    with owned(app) as owner:
        with pytest.raises(ZeroDivisionError):
            owner.get("/fail-unhandled")
        assert owner.written() == []
        assert owner.manager.get().status == "Active"


def test_in_the_thread_local_transaction_of_a_middleware_nothing_is_committed(
    make_app: MakeApp,
) -> None:
    """`repoze.tm.active` says that the middleware will."""
    app = app_with_views(make_app)
    dbsession = Session(app.engine)
    zope.sqlalchemy.register(dbsession)
    environ = {"repoze.tm.active": True, "tm.manager": transaction.manager}
    transaction.begin()
    dbsession.connection()
    app.get("/write?x=1", extra_environ={**environ, "app.dbsession": dbsession})
    assert app.rows() == []
    transaction.commit()
    assert [row.data for row in app.rows()] == [{"x": "1"}]


# Nothing is left behind


@over_both_managers
@pytest.mark.parametrize("path", ["/read", "/untouched", "/unknown"])
def test_a_request_that_only_reads_stays_read_only(make_app: MakeApp, path: str) -> None:
    """zope.sqlalchemy finds no work to do: nothing is committed."""

    def unknown(request: Any) -> str:
        del request.environ["HTTP_COOKIE"]
        request.cookies["session"] = "A" * 43
        return str(request.session.new)

    app = make_app(views={"/unknown": unknown})
    app.get("/write?x=1")
    with app.statements() as seen:
        app.get(path)
    assert seen.commits == 0


@over_both_managers
def test_no_connection_stays_out_after_any_request(make_app: MakeApp) -> None:
    """However it ended, with an existing session and with a new one."""
    app = app_with_views(make_app)
    for path in ("/read", "/write?x=1", "/read", "/untouched", *VIEWS, "/missing"):
        for browser in (app.browser, app.another_browser()):
            with suppress(ZeroDivisionError):
                browser.get(path, expect_errors=True)
            assert checked_out() == 0, path


# The application's own objects


def invalid() -> Note:
    """A note that cannot be flushed."""
    return Note(text=None)


def read_and_expunge(request: Any) -> dict[str, Any]:
    request.dbsession.add(invalid())
    data = dict(request.session)
    request.dbsession.expunge_all()
    return data


def write_and_leave_pending(request: Any) -> None:
    request.dbsession.add(invalid())
    request.session["y"] = 2


def expunging_tween_factory(handler: Callable[[Any], Any], registry: Any) -> Callable[[Any], Any]:
    """Take the application's pending objects back when the session is saved already."""

    def expunging_tween(request: Any) -> Any:
        response = handler(request)
        response.headers["X-Pending"] = str(len(request.dbsession.new))
        request.dbsession.expunge_all()
        return response

    return expunging_tween


def expunge_after_the_save(config: Any) -> None:
    config.add_tween(
        f"{__name__}.expunging_tween_factory", over=SAVING, under="pyramid_tm.tm_tween_factory"
    )


@over_both_managers
def test_loading_the_session_does_not_flush_the_applications_objects(make_app: MakeApp) -> None:
    """An invalid one raises its error where the application flushes, not in `request.session`."""
    app = make_app(views={"/": read_and_expunge})
    app.get("/write?x=1")
    assert app.get("/").json == {"x": "1"}


@over_both_managers
@pytest.mark.parametrize("known", [False, True])
def test_saving_the_session_does_not_flush_the_applications_objects(
    make_app: MakeApp, known: bool
) -> None:
    """Neither the insert nor the update of ours."""
    app = make_app(views={"/": write_and_leave_pending}, configure=expunge_after_the_save)
    if known:
        app.get("/write?x=1")
    assert app.get("/").headers["X-Pending"] == "1"
    assert [row.data["y"] for row in app.rows()] == [2]
    assert app.notes() == []


def test_when_the_applications_objects_fail_to_flush_the_session_is_not_saved(
    make_app: MakeApp,
) -> None:
    """The commit is one: both or neither."""
    app = make_app(views={"/": write_and_leave_pending})
    app.get("/write?x=1")
    before = app.rows()
    with pytest.raises(Exception, match=r"(?i)null"):
        app.get("/")
    assert app.rows() == before


def test_what_an_exception_view_adds_is_not_committed_with_the_session(make_app: MakeApp) -> None:
    """The session is saved apart; the application's data are rolled back as without us."""

    def add(error: Any, request: Any) -> None:
        request.dbsession.add(Note(text="from the exception view"))
        request.session["exception view"] = 1

    app = make_app(views={"/fail": fail}, exception_views={Handled: add})
    app.get("/fail")
    assert [row.data for row in app.rows()] == [{"exception view": 1}]
    assert app.notes() == []


@only_on_sqlite
def test_what_a_response_callback_adds_is_not_committed_with_the_session(
    make_app: MakeApp,
) -> None:
    """After the transaction nobody commits for the application, we least of all."""

    def add(request: Any, response: Any) -> None:
        request.dbsession.add(Note(text="from the callback"))
        request.session["y"] = 2
        request.dbsession.expunge_all()

    def view(request: Any) -> None:
        request.session["x"] = 1
        request.add_response_callback(add)

    app = make_app(views={"/": view}, tm=False)
    app.get("/")
    assert [row.data for row in app.rows()] == [{"x": 1, "y": 2}]
    assert app.notes() == []
