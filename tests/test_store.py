"""Power over sessions: find, count and read them, and end them from outside."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import pytest
from pyramid.interfaces import ISessionFactory
from pyramid.response import Response
from pyramid.scripting import prepare
from sqlalchemy import BigInteger, Integer, String, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)

from pyramid_sqlsession import (
    SessionConflict,
    SessionMixin,
    SessionStore,
    SQLSessionError,
    session_factory_from_settings,
)
from pyramid_sqlsession.events import SessionEnded
from pyramid_sqlsession.expiry import Limits
from tests.engines import connecting_engines
from tests.harness import (
    App,
    Browser,
    Clock,
    MakeApp,
    Note,
    only_on_sqlite,
    over_both_managers,
)

ADA, GRACE = 42, 43
MINUTE, HOUR = 60, 3600


class Base(DeclarativeBase):
    """The base of classes that an application would map."""


class Visit(SessionMixin, Base):
    """A session that knows its user."""

    __tablename__ = "sessions"

    user_id: Mapped[int | None] = mapped_column(Integer, index=True)
    device: Mapped[str | None] = mapped_column(String(20))


class Renamed(SessionMixin, Base):
    """A session whose columns have other names in the database."""

    __tablename__ = "renamed"

    id: Mapped[int] = mapped_column(
        "visit_no", BigInteger().with_variant(Integer, "sqlite"), primary_key=True
    )
    accessed: Mapped[int] = mapped_column("seen", BigInteger)
    lifetime: Mapped[int | None] = mapped_column("own_life", Integer)
    user_id: Mapped[int | None] = mapped_column("uid", Integer)


class Boom(Exception):
    """What a view raises."""


MakeStoreApp = Callable[..., App]


@pytest.fixture
def make_site(make_app: MakeApp) -> Iterator[MakeStoreApp]:
    """Make applications whose sessions are mapped by `Visit`, or by another `model`."""

    def make(model: type[SessionMixin] = Visit, **options: Any) -> App:
        given = options.pop("settings", {})
        settings = {"sqlsession.model": model, "sqlsession.table": None, **given}
        return make_app(settings=settings, **options)

    with connecting_engines():
        yield make


@pytest.fixture
def site(make_site: MakeStoreApp) -> App:
    """An application with nothing of its own."""
    return make_site()


def factory_of(app: App) -> Any:
    return app.registry.getUtility(ISessionFactory)


@contextmanager
def store_of(app: App) -> Iterator[SessionStore]:
    """A script's store, committed in the end."""
    with Session(app.engine) as dbsession, dbsession.begin():
        yield SessionStore(dbsession, factory_of(app))


def visitor(app: App, **fields: Any) -> Browser:
    """Somebody with a session, whose row has these values."""
    browser = app.another_browser()
    browser.get("/write?x=1")
    if fields:
        newest = max(ids(app))
        model = factory_of(app).model
        with Session(app.engine) as dbsession, dbsession.begin():
            dbsession.execute(update(model).where(model.id == newest).values(**fields))
    return browser


def ids(app: App, **fields: Any) -> list[int]:
    """The public ids of all rows with these fields, newest first."""
    with store_of(app) as store:
        return [row.id for row in store.find(include_expired=True, **fields)]


def is_known(browser: Browser) -> bool:
    """Whether the browser's cookie opens a session."""
    return bool(browser.get("/read").json)


# Finding


def test_a_session_is_found_by_its_public_id(site: App) -> None:
    """As an object of the mapped class, whose data the store decodes."""
    visitor(site, user_id=ADA)
    [known] = ids(site)
    with store_of(site) as store:
        row = store.get(known)
        assert isinstance(row, Visit)
        assert (row.id, row.user_id) == (known, ADA)
        assert store.data(row) == {"x": "1"}
        assert store.get(known + 1) is None


def test_sessions_are_found_newest_first_by_the_applications_columns(site: App) -> None:
    """By none, by one or by several; None means NULL."""
    for fields in ({"user_id": ADA}, {"user_id": GRACE}, {}, {"user_id": ADA, "device": "phone"}):
        visitor(site, **fields)
    first, second, third, fourth = sorted(ids(site))
    assert ids(site) == [fourth, third, second, first]
    assert ids(site, user_id=ADA) == [fourth, first]
    assert ids(site, user_id=ADA, device="phone") == [fourth]
    assert ids(site, user_id=ADA, device=None) == [first]
    assert ids(site, user_id=None) == [third]
    assert ids(site, user_id=7) == []


def test_sessions_are_counted(site: App) -> None:
    """All of them, or those with a field."""
    visitor(site, user_id=ADA)
    visitor(site)
    with store_of(site) as store:
        assert store.count() == 2
        assert store.count(user_id=ADA) == 1
        assert store.count(user_id=None) == 1


def test_thousands_of_rows_are_found_with_few_in_memory(site: App) -> None:
    """They come by the hundred, and are let go while others come."""
    add_rows(site, 1050)
    held = []
    with Session(site.engine) as dbsession, site.statements() as seen:
        store = SessionStore(dbsession, factory_of(site))
        found = []
        for row in store.find():
            found.append(row.id)
            held.append(len(dbsession.identity_map))
            del row
    assert found == sorted(found, reverse=True)
    assert len(found) == 1050
    assert max(held) <= 200
    assert seen.of_session == {"SELECT": 11}


def test_sessions_may_be_ended_while_others_are_still_to_be_found(site: App) -> None:
    """Each batch is read whole, so that statements can come between."""
    add_rows(site, 250)
    with store_of(site) as store:
        ended = [store.revoke(row.id) for row in store.find()]
    assert ended == [True] * 250
    assert ids(site) == []


def add_rows(app: App, number: int) -> None:
    """Put as many sessions into the table, none of which any cookie opens."""
    visitor(app)
    with store_of(app) as store:
        [row] = store.find()
        facts = {name: getattr(row, name) for name in SessionMixin.__annotations__}
    facts.pop("id")
    with Session(app.engine) as dbsession, dbsession.begin():
        dbsession.add_all(
            factory_of(app).model(**facts | {"digest": number.to_bytes(32, "big")})
            for number in range(number - 1)
        )


def test_garbled_data_is_empty_and_logged(site: App, caplog: pytest.LogCaptureFixture) -> None:
    """As it is for the visitor; a list of sessions does not fail over one of them."""
    visitor(site, data="garbled")
    with store_of(site) as store:
        [row] = store.find()
        assert store.data(row) == {}
    assert f"the data of session {row_id(site)} cannot be read" in caplog.text
    assert "garbled" not in caplog.text


def row_id(app: App) -> int:
    [only] = ids(app)
    return only


# Time


def test_expired_sessions_are_not_there_unless_they_are_asked_for(
    make_site: MakeStoreApp, clock: Clock
) -> None:
    """Not found, not counted, not got, and not said to have been ended."""
    site = make_site(settings={"sqlsession.expiration": "1h"})
    visitor(site)
    known = row_id(site)
    clock.advance(HOUR)
    with store_of(site) as store:
        assert (store.get(known), list(store.find()), store.count()) == (None, [], 0)
        assert store.get(known, include_expired=True).id == known
        assert [row.id for row in store.find(include_expired=True)] == [known]
        assert store.count(include_expired=True) == 1


IDLE = [None, 10 * MINUTE]
ABSOLUTE = [None, 30 * MINUTE]
AGES = [0, 10 * MINUTE - 1, 10 * MINUTE, 30 * MINUTE - 1, 30 * MINUTE]
LIVES = [None, 5 * MINUTE, 10 * MINUTE, HOUR]


@pytest.mark.parametrize(("idle", "absolute"), list(product(IDLE, ABSOLUTE)))
def test_who_lives_is_decided_by_the_facts(
    make_site: MakeStoreApp, clock: Clock, idle: int | None, absolute: int | None
) -> None:
    """Last use, beginning, own life and today's settings, just as when a cookie is looked up."""
    site = make_site(
        settings={
            "sqlsession.expiration": idle or "none",
            "sqlsession.absolute_expiration": absolute or "none",
        }
    )
    cases: list[dict[str, Any]] = [
        {"created": clock() - age, "accessed": clock() - rest, "lifetime": life}
        for age, rest, life in product(AGES, AGES, LIVES)
        if rest <= age
    ]
    add_rows(site, len(cases))
    limits = Limits(idle, absolute)
    with Session(site.engine) as dbsession, dbsession.begin():
        store = SessionStore(dbsession, factory_of(site))
        rows = list(store.find(include_expired=True))
        for row, facts in zip(rows, cases, strict=True):
            for name, value in facts.items():
                setattr(row, name, value)
        dbsession.flush()
        living = {row.id for row in store.find()}
        expected = {
            row.id
            for row, facts in zip(rows, cases, strict=True)
            if limits.is_alive(now=clock(), **facts)
        }
    assert living == expected
    assert living


def test_columns_may_have_other_names(make_site: MakeStoreApp, clock: Clock) -> None:
    """The store knows attributes, as the application does."""
    site = make_site(Renamed)
    visitor(site, user_id=ADA, lifetime=HOUR)
    browser = visitor(site, user_id=ADA)
    assert len(ids(site, user_id=ADA)) == 2
    clock.advance(HOUR)
    with store_of(site) as store:
        assert store.count(user_id=ADA) == 1
        assert store.revoke_all(user_id=ADA) == 1
    assert ids(site) == []
    assert not is_known(browser)


# What is refused

REFUSED: list[dict[str, Any]] = [
    {"user_id": "42"},
    {"user_id": True},
    {"user_id": 42.0},
    {"user_id": [ADA]},
    {"device": 7},
    {"device": b"phone"},
    {"usr_id": ADA},
    {"digest": b"x" * 32},
    {"id": 1},
    {"data": "{}"},
]


@only_on_sqlite
@pytest.mark.parametrize("fields", REFUSED, ids=str)
def test_a_field_that_can_match_nothing_is_an_error(site: App, fields: dict[str, Any]) -> None:
    """Before any query, also in what is only read; nothing is ended."""
    visitor(site, user_id=ADA)
    [name] = fields
    with store_of(site) as store, site.statements() as seen:
        for ask in (store.find, store.count, store.revoke_all):
            with pytest.raises(TypeError, match=name):
                ask(**fields)
    assert seen.texts == []
    assert len(ids(site)) == 1


@only_on_sqlite
def test_a_refusal_says_what_is_accepted(site: App, make_app: MakeApp) -> None:
    """The columns that there are, or the type that is wanted."""
    with store_of(site) as store:
        with pytest.raises(TypeError, match="the application has added user_id, device"):
            store.count(usr_id=ADA)
        with pytest.raises(TypeError, match=r"Visit.user_id holds int, .* '42', which is str"):
            store.count(user_id="42")
    none = pytest.raises(TypeError, match="the application has added no column")
    with store_of(make_app()) as store, none:
        store.count(user_id=ADA)


@only_on_sqlite
@pytest.mark.parametrize("wrong", ["42", True, None, 1.0])
def test_what_is_no_public_id_is_an_error(site: App, wrong: Any) -> None:
    """A text from a URL is to be converted; a session without row has no id."""
    with store_of(site) as store:
        for ask in (store.get, store.revoke):
            with pytest.raises(TypeError, match="a public id is a whole number") as error:
                ask(wrong)
            assert str(error.value).endswith(f"not {type(wrong).__name__}")
        if wrong is not None:
            with pytest.raises(TypeError, match="a public id is a whole number"):
                store.revoke_all(keep=wrong)


@pytest.mark.parametrize("impossible", [0, -1, 2**63, 10**30])
def test_an_id_that_no_row_can_have_is_not_there(site: App, impossible: int) -> None:
    """Whatever a visitor writes into a URL; the database is not even asked."""
    visitor(site)
    with store_of(site) as store, site.statements() as seen:
        assert store.get(impossible) is None
        assert store.revoke(impossible) is False
        assert seen.texts == []
        assert store.revoke_all(keep=impossible) == 1


@only_on_sqlite
@pytest.mark.parametrize("limit", [0, -1, True, "5", None])
def test_a_limit_is_at_least_one(site: App, limit: Any) -> None:
    """Nothing is guessed about the others."""
    with store_of(site) as store, pytest.raises(ValueError, match="at least one"):
        store.delete_expired(limit)


@only_on_sqlite
def test_a_maker_of_dbsessions_is_refused(site: App) -> None:
    """What is ended in one that nobody commits is not ended."""
    with pytest.raises(TypeError, match="sessionmaker"):
        SessionStore(sessionmaker(site.engine), factory_of(site))


# Ending


def test_a_revoked_session_is_over(site: App) -> None:
    """Its cookie opens nothing, and a second attempt finds nothing to end."""
    mine, others = visitor(site), visitor(site)
    newest, oldest = ids(site)
    with store_of(site) as store:
        assert store.revoke(oldest) is True
        assert store.revoke(oldest) is False
    assert ids(site) == [newest]
    assert (is_known(mine), is_known(others)) == (False, True)


def test_all_sessions_of_a_user_are_revoked(site: App) -> None:
    """And nobody else's."""
    browsers = [visitor(site, user_id=ADA) for _ in range(2)]
    bystanders = [visitor(site, user_id=GRACE), visitor(site)]
    with store_of(site) as store:
        assert store.revoke_all(user_id=ADA) == 2
    assert [is_known(browser) for browser in browsers] == [False, False]
    assert [is_known(browser) for browser in bystanders] == [True, True]


def test_revoking_where_a_field_is_none_means_null(site: App) -> None:
    """Guests, for instance."""
    visitor(site, user_id=ADA)
    visitor(site)
    with store_of(site) as store:
        assert store.revoke_all(user_id=None) == 1
        assert [row.user_id for row in store.find()] == [ADA]


def test_without_a_field_everybody_is_revoked(site: App) -> None:
    """As the name says."""
    for user in (ADA, GRACE, None):
        visitor(site, user_id=user)
    with store_of(site) as store:
        assert store.revoke_all() == 3
        assert store.count(include_expired=True) == 0


@pytest.mark.parametrize("form", ["row", "id", "new row", "None"])
def test_a_kept_session_is_spared(site: App, form: str) -> None:
    """A row, a public id; a row that is not in the database, and None, spare nobody."""
    visitor(site, user_id=ADA)
    visitor(site, user_id=ADA)
    spared = ids(site)[0]
    with store_of(site) as store:
        keep = {"row": store.get(spared), "id": spared, "new row": Visit(), "None": None}[form]
        assert store.revoke_all(keep=keep, user_id=ADA) == (1 if form in {"row", "id"} else 2)
    assert ids(site) == ([spared] if form in {"row", "id"} else [])


def test_an_expired_session_goes_but_is_not_counted(make_site: MakeStoreApp, clock: Clock) -> None:
    """A longer expiration must not bring back what was revoked."""
    site = make_site(settings={"sqlsession.expiration": "1h"})
    visitor(site), visitor(site)
    clock.advance(HOUR)
    living = visitor(site)
    with store_of(site) as store:
        assert store.revoke(ids(site)[-1]) is False
        assert store.count(include_expired=True) == 2
        assert store.revoke_all() == 1
    assert ids(site) == []
    assert not is_known(living)


def test_expired_rows_are_deleted_up_to_a_limit(make_site: MakeStoreApp, clock: Clock) -> None:
    """Those that live stay, one whose own life is longer among them."""
    site = make_site(settings={"sqlsession.expiration": "1h"})
    add_rows(site, 230)
    visitor(site, lifetime=24 * HOUR)
    clock.advance(2 * HOUR)
    visitor(site)
    with store_of(site) as store:
        assert store.delete_expired(200) == 200
        assert store.delete_expired(1000) == 30
        assert store.delete_expired(1) == 0
        assert store.count() == store.count(include_expired=True) == 2


def test_a_row_is_kept_until_it_may_be_pruned(make_site: MakeStoreApp, clock: Clock) -> None:
    """One that a shorter expiration has just ended is left for the longer one to come back."""
    visitor(make_site())
    site = make_site(settings={"sqlsession.expiration": "1h"})
    clock.advance(HOUR)
    with store_of(site) as store:
        assert store.count() == 0
        assert store.delete_expired(10) == 0
    clock.advance(48 * HOUR)
    with store_of(site) as store:
        assert store.delete_expired(10) == 1


def test_clearing_deletes_every_row(make_site: MakeStoreApp, clock: Clock) -> None:
    """The number is that of the rows, of whatever age."""
    site = make_site(settings={"sqlsession.expiration": "1h"})
    visitor(site)
    clock.advance(HOUR)
    visitor(site)
    with store_of(site) as store:
        assert store.clear() == 2
        assert store.clear() == 0
    assert ids(site) == []


# In the caller's transaction


def change_password(request: Any) -> int:
    """Write something of the application's, and log out everywhere else."""
    request.dbsession.add(Note(text="new password"))
    ended: int = request.session_store.revoke_all(keep=request.session, user_id=ADA)
    return ended


def change_password_and_fail(request: Any) -> None:
    change_password(request)
    raise Boom


@over_both_managers
@pytest.mark.parametrize("own_engine", [False, True], ids=["shared", "own engine"])
def test_a_password_change_ends_the_other_sessions(
    make_site: MakeStoreApp, own_engine: bool
) -> None:
    """Both are committed, and who changed it stays."""
    site = make_site(views={"/password": change_password}, own_engine=own_engine)
    here, elsewhere = two_browsers_of_ada(site)
    assert here.post("/password").json == 1
    assert site.notes() == ["new password"]
    assert (is_known(here), is_known(elsewhere)) == (True, False)


@over_both_managers
@pytest.mark.parametrize("own_engine", [False, True], ids=["shared", "own engine"])
def test_a_password_change_that_fails_ends_nothing(
    make_site: MakeStoreApp, own_engine: bool
) -> None:
    """The transaction is rolled back, sessions and all."""
    site = make_site(
        views={"/password": change_password_and_fail},
        exception_views={Boom: lambda error, request: "failed"},
        own_engine=own_engine,
    )
    here, elsewhere = two_browsers_of_ada(site)
    assert here.post("/password").json == "failed"
    assert site.notes() == []
    assert (is_known(here), is_known(elsewhere)) == (True, True)


def two_browsers_of_ada(app: App) -> tuple[Browser, Browser]:
    browsers = app.another_browser(), app.another_browser()
    for browser in browsers:
        browser.get("/write?x=1")
    app.execute("UPDATE sessions SET user_id = :ada", ada=ADA)
    return browsers


def test_what_is_pending_is_not_flushed(site: App) -> None:
    """The application decides when its objects are ready; these would be refused."""
    visitor(site)
    with Session(site.engine) as dbsession:
        dbsession.add_all([Note(text="twice"), Note(text="twice")])
        store = SessionStore(dbsession, factory_of(site))
        [row] = store.find()
        assert store.get(row.id) is row
        assert store.count() == 1
        assert store.revoke_all(keep=row) == 0
        assert store.revoke(row.id) is True
        assert store.delete_expired(10) == 0
        assert store.clear() == 0
        assert len(dbsession.new) == 2
        dbsession.expunge_all()


def test_a_row_at_hand_knows_that_it_was_deleted(site: App) -> None:
    """The dbsession of the caller does not go on with a row that is gone."""
    visitor(site, user_id=ADA)
    with Session(site.engine) as dbsession, dbsession.begin():
        store = SessionStore(dbsession, factory_of(site))
        [row] = store.find()
        row.device = "phone"
        assert store.revoke_all(user_id=ADA) == 1
        assert row not in dbsession
    assert ids(site) == []


def test_a_scoped_session_serves_too(site: App) -> None:
    """The dbsession of this thread."""
    visitor(site)
    dbsessions = scoped_session(sessionmaker(site.engine))
    assert SessionStore(dbsessions, factory_of(site)).revoke_all() == 1
    assert len(ids(site)) == 1 or site.engine.dialect.name == "sqlite"
    dbsessions.commit()
    dbsessions.remove()
    assert ids(site) == []


# The session of the request that runs


def leave_by_revocation(request: Any) -> dict[str, Any]:
    request.session["x"] = "changed"
    assert request.session_store.revoke(request.session.id)
    return dict(request.session)


def revoke_everybody(request: Any) -> int:
    request.session.get("x")
    ended: int = request.session_store.revoke_all()
    return ended


def clear_and_flash(request: Any) -> None:
    request.session.get("x")
    request.session_store.clear()
    request.session.flash("dropped")


@over_both_managers
@pytest.mark.parametrize("rest", [0, HOUR], ids=["no touch due", "a touch due"])
@pytest.mark.parametrize("end", [leave_by_revocation, revoke_everybody, clear_and_flash])
def test_a_request_may_end_its_own_session(
    make_site: MakeStoreApp, clock: Clock, end: Callable[[Any], Any], rest: int
) -> None:
    """The response comes and deletes the cookie; neither a save nor a touch brings it back."""
    endings: list[SessionEnded] = []
    site = make_site(
        views={"/end": end},
        configure=lambda config: config.add_subscriber(endings.append, SessionEnded),
    )
    browser = visitor(site)
    known = row_id(site)
    clock.advance(rest)
    response = browser.get("/end")
    assert response.status_int == 200
    assert [cookie.deletes for cookie in site.set_cookies(response)] == [True]
    assert ids(site) == []
    assert browser.cookie is None
    assert [(event.id, event.reason) for event in endings] == [(known, "revoked")]


@over_both_managers
@pytest.mark.parametrize("change", [{}, {"x": "changed"}])
def test_an_end_that_a_savepoint_takes_back_is_none(
    make_site: MakeStoreApp, change: dict[str, str]
) -> None:
    """The row is there again, the browser keeps its cookie, and what was changed is saved."""

    def end_and_take_it_back(request: Any) -> None:
        request.session.update(change)
        savepoint = request.dbsession.begin_nested()
        assert request.session_store.revoke(request.session.id)
        savepoint.rollback()

    site = make_site(views={"/end": end_and_take_it_back})
    browser = visitor(site)
    assert site.set_cookies(browser.get("/end")) == []
    assert browser.get("/read").json == {"x": "1", **change}


def test_a_session_that_was_ended_unseen_is_a_new_one(make_site: MakeStoreApp) -> None:
    """A request that looks at its session only after ending it begins another."""

    def end(request: Any) -> None:
        request.session_store.clear()
        request.session.flash("seen")

    site = make_site(views={"/end": end})
    browser = visitor(site)
    before = browser.cookie
    browser.get("/end")
    assert browser.cookie not in {None, before}
    assert browser.get("/read").json == {"_f_": ["seen"]}


def test_a_request_that_spares_itself_goes_on(make_site: MakeStoreApp) -> None:
    """What it changes afterwards is saved."""

    def end_others(request: Any) -> int:
        ended: int = request.session_store.revoke_all(keep=request.session)
        request.session["x"] = "changed"
        return ended

    site = make_site(views={"/end": end_others})
    here, elsewhere = visitor(site), visitor(site)
    response = here.get("/end")
    assert response.json == 1
    assert site.set_cookies(response) == []
    assert here.get("/read").json == {"x": "changed"}
    assert not is_known(elsewhere)


def test_a_newcomer_who_spares_herself_gets_a_session(make_site: MakeStoreApp) -> None:
    """It has no row yet, so there is nothing to be spared from."""

    def begin(request: Any) -> int:
        request.session["x"] = 1
        ended: int = request.session_store.revoke_all(keep=request.session)
        return ended

    site = make_site(views={"/begin": begin})
    elsewhere, newcomer = visitor(site), site.another_browser()
    assert newcomer.get("/begin").json == 1
    assert (is_known(newcomer), is_known(elsewhere)) == (True, False)


def test_a_request_that_invalidates_what_it_has_revoked_may_begin_anew(
    make_site: MakeStoreApp,
) -> None:
    """Else a message for the login page would be lost."""

    def end(request: Any) -> None:
        request.session_store.revoke(request.session.id)
        request.session.invalidate()
        request.session["y"] = 2

    site = make_site(views={"/end": end})
    browser = visitor(site)
    before = browser.cookie
    browser.get("/end")
    assert browser.cookie not in {None, before}
    assert browser.get("/read").json == {"y": 2}
    assert len(ids(site)) == 1


def test_an_end_that_is_rolled_back_is_none(make_site: MakeStoreApp) -> None:
    """Row and cookie stay, and what the exception view changes is saved."""

    def fail(request: Any) -> None:
        request.session_store.revoke(request.session.id)
        raise Boom

    def answer(error: Boom, request: Any) -> str:
        request.session["y"] = 2
        return "failed"

    site = make_site(views={"/end": fail}, exception_views={Boom: answer})
    browser = visitor(site)
    response = browser.get("/end")
    assert site.set_cookies(response) == []
    assert browser.get("/read").json == {"x": "1", "y": 2}


def write(request: Any) -> None:
    request.session["y"] = 2


def read(request: Any) -> None:
    request.session.get("x")


@pytest.mark.parametrize("do", [write, read], ids=["save", "touch"])
@pytest.mark.parametrize("on_conflict", ["merge", "retry"])
def test_a_session_that_is_ended_elsewhere_does_not_come_back(
    make_site: MakeStoreApp, clock: Clock, do: Callable[[Any], None], on_conflict: str
) -> None:
    """The request that runs meanwhile is answered, its change dropped, its cookie deleted."""
    sites: list[App] = []

    def view(request: Any) -> Response:
        request.session.get("x")
        with store_of(sites[0]) as store:
            assert store.revoke_all() == 1
        do(request)
        return Response("delivered")

    site = make_site(views={"/slow": view}, settings={"sqlsession.on_conflict": on_conflict})
    sites.append(site)
    browser = visitor(site)
    clock.advance(HOUR)
    response = browser.get("/slow")
    assert response.text == "delivered"
    assert [cookie.deletes for cookie in site.set_cookies(response)] == [True]
    assert ids(site) == []


# Where it is found


@only_on_sqlite
def test_outside_of_a_transaction_the_store_says_so(site: App) -> None:
    """And leaves no dbsession half open behind."""
    visitor(site)
    refused = pytest.raises(SQLSessionError, match=r"with request\.tm:")
    with prepare(registry=site.registry) as env, refused:
        env["request"].session_store.count()


@pytest.mark.parametrize("own_engine", [False, True], ids=["shared", "own engine"])
def test_one_store_serves_all_transactions_of_a_request(
    make_site: MakeStoreApp, own_engine: bool
) -> None:
    """A script may take it first, and begin and commit afterwards."""
    site = make_site(own_engine=own_engine)
    visitor(site), visitor(site)
    with prepare(registry=site.registry) as env:
        request = env["request"]
        store = request.session_store
        assert store is request.session_store
        with request.tm:
            first, second = [row.id for row in store.find()]
            assert store.revoke(first)
        with request.tm:
            assert store.revoke(second)
        with request.tm:
            assert store.count(include_expired=True) == 0
    assert site.browser.get("/read").json == {}


def test_without_pyramid_tm_the_application_commits(make_site: MakeStoreApp) -> None:
    """The store works in the dbsession that is there."""

    def end(request: Any) -> int:
        ended: int = request.session_store.revoke_all()
        request.dbsession.commit()
        return ended

    site = make_site(tm=False, views={"/end": end})
    browser = visitor(site)
    assert site.get("/end").json == 1
    assert not is_known(browser)


@only_on_sqlite
def test_an_own_engine_without_pyramid_tm_is_beyond_the_request(make_site: MakeStoreApp) -> None:
    """Nobody would commit what is ended there."""

    def end(request: Any) -> None:
        with pytest.raises(SQLSessionError, match="include pyramid_tm"):
            request.session_store.revoke_all()

    site = make_site(tm=False, own_engine=True, views={"/end": end})
    assert site.get("/end").status_int == 200


@only_on_sqlite
def test_the_store_of_another_factory_has_to_be_asked_for(make_site: MakeStoreApp) -> None:
    """The application has set its own, so the request cannot know which is meant."""
    factory = session_factory_from_settings({"sqlsession.model": Visit})

    def own(request: Any) -> Any:
        return factory(request)

    def count(request: Any) -> int:
        with pytest.raises(SQLSessionError, match=r"store\(request\)"):
            request.session_store  # noqa: B018 - to look is to ask
        counted: int = factory.store(request).count()
        return counted

    site = make_site(
        views={"/count": count}, configure=lambda config: config.set_session_factory(own)
    )
    with prepare(registry=site.registry) as env:
        factory.create_table(env["request"])
    site.get("/write?x=1")
    assert site.get("/count").json == 1


# What the database refuses


@only_on_sqlite
def test_a_lock_is_a_conflict_that_may_be_retried(make_site: MakeStoreApp) -> None:
    """An error of ours, which pyramid_retry knows by its class."""
    site = make_site(engine_options={"connect_args": {"timeout": 0}})
    visitor(site)
    with site.engine.connect() as other:
        other.exec_driver_sql("BEGIN IMMEDIATE")
        with pytest.raises(SessionConflict, match="'sessions'"), store_of(site) as store:
            store.revoke_all()


@only_on_sqlite
def test_a_missing_table_is_explained(site: App) -> None:
    """As it is when a cookie is looked up."""
    site.execute("DROP TABLE sessions")
    with pytest.raises(SQLSessionError, match="run your migrations"), store_of(site) as store:
        store.count()


@only_on_sqlite
def test_any_other_refusal_is_the_databases_own(site: App) -> None:
    """Without the values of the statement."""
    site.execute("ALTER TABLE sessions DROP COLUMN device")
    with pytest.raises(OperationalError, match="device") as caught, store_of(site) as store:
        store.count(device="a secret phone")
    assert "a secret phone" not in str(caught.value)


# Secrets


def test_the_store_never_shows_a_secret(
    make_site: MakeStoreApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Not the cookie's value in any spelling: rows, reprs, messages, events and logs have none."""
    caplog.set_level(logging.DEBUG, "pyramid_sqlsession")
    seen: list[str] = []
    site = make_site(
        views={"/end": revoke_everybody},
        configure=lambda config: config.add_subscriber(
            lambda event: seen.append(repr(event)), SessionEnded
        ),
    )
    browser = visitor(site, user_id=ADA)
    cookie = browser.cookie
    assert cookie is not None
    with store_of(site) as store:
        [row] = store.find()
        seen += [repr(store), repr(row), repr(store.data(row))]
        columns = [getattr(row, name) for name in (*SessionMixin.__annotations__, "user_id")]
    browser.get("/end")
    assert seen[-1].startswith("SessionEnded")
    octets = base64.urlsafe_b64decode(cookie + "=")
    for spelling in spellings(cookie, octets):
        assert all(spelling not in as_bytes(value) for value in [*columns, *seen, caplog.text])


def spellings(cookie: str, octets: bytes) -> Sequence[bytes]:
    return cookie.encode(), octets, octets.hex().encode(), base64.b64encode(octets).rstrip(b"=")


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
