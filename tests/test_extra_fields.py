"""The application's own columns: filled by its callback at each save, never at a touch."""

from __future__ import annotations

from collections.abc import Callable
from traceback import format_exception
from typing import Any

import pytest
from pyramid.authentication import SessionAuthenticationHelper
from pyramid.scripting import prepare
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Enum,
    ForeignKey,
    Integer,
    String,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from pyramid_sqlsession import (
    SessionConflict,
    SessionMixin,
    SettingsError,
    SQLSessionError,
    session_factory_from_settings,
)
from pyramid_sqlsession.extra_columns import ADDITIONAL_FIELDS
from tests.harness import App, Clock, MakeApp, Note, only_on_sqlite

FIELDS = {
    "user_id": Column(Integer, index=True),
    "tenant": Column(String(20), nullable=False, server_default="none"),
    "visits": Column(Integer, nullable=False, default=7),
    "remark": String(20),
    "by_trigger": Column(Integer, info={"sqlsession": False}),
    "twice": Column(Integer, Computed("version * 2", persisted=True)),
}


def get_fields() -> dict[str, Any]:
    """What `additional_fields` may name: a callable."""
    return FIELDS


def fill(defaults: dict[str, Any], session: Any) -> dict[str, Any]:
    """What `extend_default_fields` may name."""
    return {name: session[name] for name in FIELDS if name in session}


class Boom(Exception):
    pass


def settings(callback: Any = fill, fields: Any = FIELDS) -> dict[str, Any]:
    return {
        "sqlsession.additional_fields": fields,
        "sqlsession.extend_default_fields": callback,
    }


def put(request: Any) -> None:
    """Put the query string into the session, numbers as numbers; remove what is empty."""
    for name, text in request.GET.items():
        request.session[name] = int(text) if text.isdigit() else text
        if not text:
            del request.session[name]


def add_note_and_put(request: Any) -> None:
    request.dbsession.add(Note(text="hello"))
    put(request)


def put_and_fail(request: Any) -> None:
    put(request)
    raise Boom


VIEWS = {"/put": put, "/note": add_note_and_put, "/fail": put_and_fail}


def app_with(make_app: MakeApp, callback: Any = fill, **options: Any) -> App:
    views = {**VIEWS, **options.pop("views", {})}
    extra = {**settings(callback), **options.pop("settings", {})}
    return make_app(settings=extra, views=views, **options)


def column(app: App, name: str) -> Any:
    [row] = app.rows()
    return row.columns[name]


# When it is called


def test_a_column_is_written_on_insert_and_on_update(make_app: MakeApp) -> None:
    """And can be searched by."""
    app = app_with(make_app)
    app.get("/put?user_id=5")
    assert column(app, "user_id") == 5
    app.get("/put?user_id=6")
    assert column(app, "user_id") == 6
    count = select(func.count()).select_from(table("sessions", Column("user_id")))
    with app.probe.connect() as connection:
        found = connection.execute(count.where(Column("user_id") == 6)).scalar_one()
    assert found == 1


def test_a_column_may_have_another_name_than_its_attribute(make_app: MakeApp) -> None:
    """The callback knows the attribute, the database the column."""
    fields = {"user_id": Column("uid", Integer)}
    app = app_with(make_app, settings={"sqlsession.additional_fields": fields})
    app.get("/put?user_id=5")
    assert column(app, "uid") == 5
    app.get("/put?user_id=6")
    assert column(app, "uid") == 6
    app.get("/put?user_id=")
    assert column(app, "uid") is None


def test_a_rotation_writes_the_columns_too(make_app: MakeApp) -> None:
    """It is a save, and the one of a login."""
    app = app_with(make_app)
    app.get("/put?x=1")
    app.get("/put?auth.userid=ann&user_id=5")
    assert column(app, "user_id") == 5
    assert column(app, "previous") is not None


def test_it_is_called_once_for_each_save_and_never_for_a_touch(
    make_app: MakeApp, clock: Clock
) -> None:
    """A read has nothing to say about the columns."""
    calls = []

    def count(defaults: Any, session: Any) -> None:
        calls.append(session.id)

    app = app_with(make_app, count)
    app.get("/put?x=1")
    app.get("/put?x=2")
    app.get("/read")
    clock.advance(3600)
    app.get("/read")
    assert column(app, "accessed") == clock()
    assert calls == [None, 1]


def test_a_touch_leaves_the_columns_alone(make_app: MakeApp, clock: Clock) -> None:
    """They are not even in the statement."""
    app = app_with(make_app)
    app.get("/put?user_id=5")
    clock.advance(3600)
    with app.statements() as seen:
        app.get("/read")
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
    assert "user_id" not in str(seen.session_texts)
    assert column(app, "user_id") == 5


def test_it_runs_in_the_transaction_of_the_request(make_app: MakeApp) -> None:
    """What it asks of the database is what the view has written."""

    def ask(defaults: dict[str, Any], session: Any, request: Any) -> None:
        defaults["user_id"] = request.dbsession.scalar(select(func.count(Note.id)))

    app = app_with(make_app, ask)
    app.get("/note?x=1")
    assert column(app, "user_id") == 1


def test_it_may_read_the_authenticated_user_though_that_reads_the_session(
    make_app: MakeApp,
) -> None:
    """The policy finds the session that is just being saved."""

    class Policy:
        helper = SessionAuthenticationHelper()

        def authenticated_userid(self, request: Any) -> Any:
            return self.helper.authenticated_userid(request)

    def ask(defaults: dict[str, Any], session: Any, request: Any) -> None:
        assert request.session is session
        defaults["user_id"] = request.authenticated_userid

    def log_in(request: Any) -> None:
        Policy.helper.remember(request, 5)

    def log_out(request: Any) -> None:
        Policy.helper.forget(request)

    app = app_with(
        make_app,
        ask,
        views={"/login": log_in, "/logout": log_out},
        configure=lambda config: config.set_security_policy(Policy()),
    )
    app.get("/put?x=1")
    assert column(app, "user_id") is None
    app.get("/login")
    assert column(app, "user_id") == 5
    app.get("/logout")
    assert column(app, "user_id") is None


def test_it_must_not_commit(make_app: MakeApp) -> None:
    """The commit would save, and so call it again."""

    def commit(defaults: dict[str, Any], session: Any, request: Any) -> None:
        request.tm.commit()

    app = app_with(make_app, commit)
    with pytest.raises(SQLSessionError, match="must not end a transaction"):
        app.get("/put?x=1")
    assert app.rows() == []


def test_merged_data_are_in_the_session_before_it_is_called_again(make_app: MakeApp) -> None:
    """The columns tell of what is saved, not of what one request would have saved."""
    app = app_with(make_app)
    app.get("/put?x=1")
    other = app.browser

    def meanwhile(request: Any) -> None:
        request.session["y"] = 1
        other.get("/put?user_id=5")

    slow = app_with(make_app, views={"/meanwhile": meanwhile})
    slow.browser.plant(str(other.cookie))
    slow.get("/meanwhile")
    [row] = app.rows()
    assert row.data == {"x": 1, "y": 1, "user_id": 5}
    assert row.columns["user_id"] == 5


# What it is given, and what it may return


def test_it_is_given_a_fresh_dict_of_what_is_about_to_be_written(make_app: MakeApp) -> None:
    """The serialised data and the second from which the row may be pruned."""
    given = []

    def note(defaults: dict[str, Any], session: Any) -> None:
        given.append(dict(defaults))
        defaults["user_id"] = 5

    app = app_with(make_app, note)
    app.get("/put?x=1")
    app.get("/put?x=2")
    assert [sorted(defaults) for defaults in given] == [["data", "expires"]] * 2
    assert given[1] == {"data": '{"x":2}', "expires": column(app, "expires")}
    assert column(app, "user_id") == 5


def two(defaults: Any, session: Any) -> dict[str, Any]:
    return {"user_id": 2}


def three(defaults: Any, session: Any, request: Any) -> dict[str, Any]:
    return {"user_id": int(request.path == "/put")}


def three_by_default(defaults: Any, session: Any, request: Any = None) -> dict[str, Any]:
    return three(defaults, session, request)


class Callback:
    """A callable object, whose first argument is bound."""

    def __call__(self, defaults: Any, session: Any) -> dict[str, Any]:
        return {"user_id": 3}


@pytest.mark.parametrize(
    ("callback", "value"),
    [(two, 2), (three, 1), (three_by_default, 1), (Callback(), 3), (f"{__name__}.two", 2)],
)
@only_on_sqlite
def test_the_request_is_given_to_whoever_takes_a_third_argument(
    make_app: MakeApp, callback: Any, value: int
) -> None:
    """The signature decides, at start-up."""
    app = app_with(make_app, callback)
    app.get("/put?x=1")
    assert column(app, "user_id") == value


def mutate(defaults: dict[str, Any], session: Any) -> None:
    defaults["user_id"] = 5


def return_it(defaults: dict[str, Any], session: Any) -> dict[str, Any]:
    return {**defaults, "user_id": 5}


def return_without_ours(defaults: dict[str, Any], session: Any) -> dict[str, Any]:
    defaults["remark"] = "not returned"
    return {"user_id": 5}


@pytest.mark.parametrize("callback", [mutate, return_it, return_without_ours])
@only_on_sqlite
def test_it_returns_a_mapping_or_none_for_what_it_made_of_the_defaults(
    make_app: MakeApp, callback: Any
) -> None:
    """`data` and `expires` may be handed back or left out."""
    app = app_with(make_app, callback)
    app.get("/put?x=1")
    [row] = app.rows()
    assert (row.data, row.columns["user_id"], row.columns["remark"]) == ({"x": 1}, 5, None)


def test_a_nullable_column_that_is_left_out_becomes_null(make_app: MakeApp) -> None:
    """A logout must not leave the old user behind."""
    app = app_with(make_app)
    app.get("/put?user_id=5&remark=hello")
    app.get("/put?user_id=")
    assert (column(app, "user_id"), column(app, "remark")) == (None, "hello")


def test_a_column_with_a_default_keeps_its_value(make_app: MakeApp) -> None:
    """At first it has the default, of Python or of the database."""
    app = app_with(make_app)
    app.get("/put?x=1")
    assert (column(app, "tenant"), column(app, "visits")) == ("none", 7)
    app.get("/put?tenant=ours&visits=1")
    app.get("/put?tenant=&visits=")
    assert (column(app, "tenant"), column(app, "visits")) == ("ours", 1)


def test_a_column_that_others_fill_is_left_out(make_app: MakeApp) -> None:
    """`info={'sqlsession': False}` says so; one that the database computes is as well."""
    app = app_with(make_app)
    app.get("/put?x=1")
    app.execute("UPDATE sessions SET by_trigger = 3")
    app.get("/put?x=2")
    assert (column(app, "by_trigger"), column(app, "twice")) == (3, 4)


def test_without_a_callback_all_columns_are_left_alone(make_app: MakeApp) -> None:
    """The application may fill them by other means."""
    app = app_with(make_app, None)
    app.get("/put?x=1")
    app.execute("UPDATE sessions SET user_id = 3, remark = 'mine'")
    app.get("/put?x=2")
    assert (column(app, "user_id"), column(app, "remark")) == (3, "mine")


def test_none_is_null_for_a_json_column_too(make_app: MakeApp) -> None:
    """Whoever asks for rows without a value must find them."""
    fields = {"extra": Column(JSON)}
    app = app_with(
        make_app,
        lambda defaults, session: {"extra": session.get("extra")},
        settings={"sqlsession.additional_fields": fields},
    )
    app.get("/put?x=1")
    assert column(app, "extra") is None
    app.get("/put?extra=5")
    assert str(column(app, "extra")) == "5"


@only_on_sqlite
def test_equal_sets_of_columns_make_one_statement(make_app: MakeApp) -> None:
    """SQLAlchemy compiles it once."""
    app = app_with(make_app)
    app.get("/put?user_id=1")
    app.get("/put?user_id=2")
    cache: Any = app.engine._compiled_cache
    size = len(cache)
    for number in range(3, 9):
        app.get(f"/put?user_id={number}")
    assert len(cache) == size


# What it must not do


def put_to_the_test(
    make_app: MakeApp, callback: Any, error: type[Exception] = SQLSessionError
) -> str:
    """Nothing is saved and no cookie sent, of a new session or an old; return the message."""
    app = app_with(make_app, callback)
    with pytest.raises(error) as caught:
        app.get("/note?x=1")
    assert (app.rows(), app.notes(), app.browser.cookie) == ([], [], None)
    app = app_with(make_app, lambda d, s: callback(d, s) if "y" in s else {"user_id": 5})
    app.get("/put?x=1")
    with pytest.raises(error):
        app.get("/note?y=1")
    [row] = app.rows()
    assert (row.data, row.columns["user_id"], app.notes()) == ({"x": 1}, 5, [])
    return str(caught.value)


def fail(defaults: Any, session: Any) -> None:
    raise Boom("by the callback")


@pytest.mark.parametrize("setting", ["exception-view", "discard", "keep"])
def test_an_exception_in_it_rolls_the_request_back(make_app: MakeApp, setting: str) -> None:
    """It is raised as it is, and exception views may answer it."""
    assert put_to_the_test(make_app, fail, Boom) == "by the callback"
    app = app_with(
        make_app,
        fail,
        settings={"sqlsession.on_abort": setting},
        exception_views={Boom: lambda request: "sorry"},
    )
    assert app.get("/note?z=1").json == "sorry"
    assert app.notes() == []
    assert "z" not in [key for row in app.rows() for key in row.data]


def test_an_unknown_column_is_an_error_that_names_the_known_ones(make_app: MakeApp) -> None:
    """And the setting and the class."""
    message = put_to_the_test(make_app, lambda d, s: {"usr_id": 5})
    assert message.startswith("sqlsession.extend_default_fields")
    for words in ("'usr_id'", "Session", "'user_id', 'tenant', 'visits', 'remark'"):
        assert words in message


@only_on_sqlite
def test_a_column_that_is_left_out_counts_as_unknown(make_app: MakeApp) -> None:
    """Either somebody else fills it or the callback does."""
    assert "'by_trigger'" in put_to_the_test(make_app, lambda d, s: {"by_trigger": 5})


@only_on_sqlite
def test_without_a_column_of_the_application_all_are_unknown(make_app: MakeApp) -> None:
    """The message says that there is none."""
    app = app_with(make_app, two, settings={"sqlsession.additional_fields": {}})
    with pytest.raises(SQLSessionError, match="no column that it can fill"):
        app.get("/put?x=1")


OURS: list[Callable[[Any, Any], Any]] = [
    lambda d, s: {"version": 5},
    lambda d, s: {"id": 1},
    lambda d, s: {"digest": b"x" * 32},
    lambda d, s: d.update(data="{}"),
    lambda d, s: d.update(expires=0),
]


@pytest.mark.parametrize("callback", OURS)
@only_on_sqlite
def test_our_own_columns_are_not_for_the_callback(make_app: MakeApp, callback: Any) -> None:
    """They decide who gets in."""
    assert "belongs to the session itself" in put_to_the_test(make_app, callback)


@pytest.mark.parametrize("result", [[("user_id", 5)], 5, "user_id", False])
@only_on_sqlite
def test_something_else_than_a_mapping_is_an_error(make_app: MakeApp, result: Any) -> None:
    """It is named by its type; a value might be secret."""
    assert f"returned {type(result).__name__}" in put_to_the_test(make_app, lambda d, s: result)


REQUIRED = {"tenant": Column(String(20), nullable=False), "user_id": Integer}


PAYLOAD = "payload"
CHECKED = Column(Integer, CheckConstraint("checked < 5"))
TOLD: list[tuple[Any, Any, str]] = [
    (Boolean, "maybe", "Not a boolean value"),  # refused by SQLAlchemy, before the database
    (CHECKED, 7, "(?i)constraint"),  # PostgreSQL would quote the whole row
]


@pytest.mark.parametrize(("field", "value", "said"), TOLD)
def test_a_value_that_the_column_refuses_tells_no_other(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, field: Any, value: Any, said: str
) -> None:
    """The error is not ours; neither it nor its causes quote the digest and the data."""
    filled = settings(lambda defaults, session: {"checked": value}, {"checked": field})
    app = make_app(settings=filled, views={"/put": put})
    with pytest.raises(StatementError, match=said) as caught:
        app.get(f"/put?x={PAYLOAD}")
    assert PAYLOAD not in "".join(format_exception(caught.value))
    late = make_app(settings=filled, views={"/put": put}, tm=False)
    late.get(f"/put?x={PAYLOAD}")
    assert "could not be saved" in caplog.text
    assert PAYLOAD not in caplog.text
    assert (app.rows(), app.browser.cookie, late.browser.cookie) == ([], None, None)


def test_a_required_column_that_is_left_unfilled_is_named(make_app: MakeApp) -> None:
    """Before a statement is sent; on an update only if it is said to be NULL."""
    app = app_with(
        make_app,
        lambda d, s: {"tenant": s["tenant"]} if "tenant" in s else {},
        settings={"sqlsession.additional_fields": REQUIRED},
    )
    with app.statements() as seen, pytest.raises(SQLSessionError, match=r"'tenant'.*'sessions'"):
        app.get("/put?x=1")
    assert seen.of_session == {}
    app.get("/put?tenant=ours")
    app.get("/put?tenant=")
    assert column(app, "tenant") == "ours"


@only_on_sqlite
def test_a_required_column_cannot_be_made_null(make_app: MakeApp) -> None:
    """Not even one that has a default."""
    assert "'visits' unfilled" in put_to_the_test(make_app, lambda d, s: {"visits": None})


CHANGES: list[Callable[[Any], Any]] = [
    lambda session: session.update(x=5),
    lambda session: session.clear(),
    lambda session: session.changed(),
    lambda session: session.invalidate(),
    lambda session: session.regenerate_id(),
    lambda session: session.set_expiration(60),
    lambda session: session.flash("hello"),
]


@pytest.mark.parametrize("change", CHANGES)
@only_on_sqlite
def test_it_must_not_change_the_session(make_app: MakeApp, change: Any) -> None:
    """What is saved would not be what was asked to be saved."""

    def callback(defaults: Any, session: Any) -> None:
        change(session)

    app = app_with(make_app, callback)
    with pytest.raises(SQLSessionError, match="changed the session"):
        app.get("/note?x=1")
    assert (app.rows(), app.notes(), app.browser.cookie) == ([], [], None)


class Wavering:
    """A serializer that writes the same content in a new way each time, as an encrypting one."""

    def __init__(self) -> None:
        self.times = 0

    def dumps(self, value: Any) -> bytes:
        self.times += 1
        return repr([self.times, value]).encode()

    def loads(self, data: bytes) -> Any:
        return eval(data)[1]


@only_on_sqlite
def test_a_serializer_that_never_writes_the_same_is_no_change(make_app: MakeApp) -> None:
    """The contents are compared."""
    app = app_with(make_app, settings={"sqlsession.serializer": Wavering()})
    app.get("/put?user_id=5")
    assert column(app, "user_id") == 5


# Without a transaction


def test_without_pyramid_tm_it_is_called_all_the_same(make_app: MakeApp) -> None:
    """The session is saved at the end, in a transaction of its own."""
    app = app_with(make_app, tm=False)
    app.get("/put?user_id=5")
    assert column(app, "user_id") == 5


def test_if_it_fails_there_the_session_is_not_saved_and_this_is_logged(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """The response is made; nobody could answer the error."""
    app = app_with(make_app, fail, tm=False)
    app.get("/put?user_id=5")
    assert app.rows() == []
    assert "could not be saved after the response" in caplog.text
    assert "by the callback" in caplog.text


def flash_sorry(request: Any) -> str:
    request.session.flash("sorry")
    return "sorry"


def veto_or_not(request: Any, response: Any) -> bool:
    return bool(response.headers.get("X-Abort"))


def put_and_abort(request: Any) -> None:
    """Save, and have the transaction rolled back after it."""
    put(request)
    request.add_response_callback(lambda request, response: request.session.flash("late"))
    request.response.headers["X-Abort"] = "1"


VETOED = {"tm.commit_veto": f"{__name__}.veto_or_not"}


def counting(calls: list[Any]) -> Callable[[Any, Any], dict[str, Any]]:
    def callback(defaults: Any, session: Any) -> dict[str, Any]:
        calls.append(dict(session))
        return fill(defaults, session)

    return callback


def test_what_was_computed_earlier_is_used_without_a_transaction(make_app: MakeApp) -> None:
    """What it would ask of the database would open a transaction that nobody ends."""
    calls: list[Any] = []
    app = app_with(make_app, counting(calls), views={"/": put_and_abort}, settings=VETOED)
    app.get("/put?user_id=5")
    del calls[:]
    app.get("/?user_id=6")
    [row] = app.rows()
    assert row.data == {"user_id": 5, "_f_": ["late"]}
    assert len(calls) == 1
    assert row.columns["user_id"] == 6


def test_what_was_computed_for_another_login_is_not_used(make_app: MakeApp) -> None:
    """A logout that is rolled back must not hide the session from whoever ends the user's."""
    calls: list[Any] = []

    def by_login(defaults: Any, session: Any) -> dict[str, Any]:
        calls.append(dict(session))
        return {"user_id": session.get("auth.userid")}

    app = app_with(make_app, by_login, views={"/": put_and_abort}, settings=VETOED)
    app.get("/put?auth.userid=5")
    app.get("/?auth.userid=")
    [row] = app.rows()
    assert row.data == {"auth.userid": 5, "_f_": ["late"]}
    assert row.columns["user_id"] == 5
    assert len(calls) == 3


def test_an_exception_views_changes_are_saved_with_the_columns(make_app: MakeApp) -> None:
    """Nothing was computed, so it is called."""
    app = app_with(make_app, exception_views={Boom: flash_sorry})
    app.get("/put?user_id=5")
    app.get("/fail?user_id=6")
    [row] = app.rows()
    assert row.data == {"user_id": 5, "_f_": ["sorry"]}
    assert row.columns["user_id"] == 5


def test_a_script_fills_the_columns_too(make_app: MakeApp) -> None:
    """In its own transaction."""
    app = app_with(make_app)
    with prepare(registry=app.registry) as env, env["request"].tm:
        env["request"].session["user_id"] = 5
    assert column(app, "user_id") == 5


def test_a_conflict_to_be_retried_says_nothing_of_the_columns(make_app: MakeApp) -> None:
    """The other attempt computes them anew."""
    app = app_with(make_app, settings={"sqlsession.on_conflict": "retry"})
    app.get("/put?user_id=5")

    def meanwhile(request: Any) -> None:
        request.session["user_id"] = 6
        app.execute("UPDATE sessions SET version = version + 1")

    slow = app_with(make_app, views={"/": meanwhile}, settings={"sqlsession.on_conflict": "retry"})
    slow.browser.plant(str(app.browser.cookie))
    with pytest.raises(SessionConflict):
        slow.get("/")
    assert column(app, "user_id") == 5


# Settings


def complaint(**given: Any) -> str:
    with pytest.raises(SettingsError) as info:
        session_factory_from_settings({f"sqlsession.{name}": given[name] for name in given})
    return str(info.value)


class Base(DeclarativeBase):
    pass


class Visit(SessionMixin, Base):
    __tablename__ = "visits"
    tenant: Mapped[str]
    remark: Mapped[str | None]


class Faulty(SessionMixin, Base):
    __tablename__ = "faulty"
    digest: Mapped[bytes] = mapped_column()
    tenant: Mapped[str]


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)


REFUSED: list[tuple[Any, str]] = [
    ("nowhere.FIELDS", "No module named 'nowhere'"),
    (f"{__name__}.fill", "raised TypeError"),
    (5, "it is a int, not a mapping"),
    (list, "it is a list, not a mapping"),
    ({"user id": Integer}, "'user id' cannot be the name"),
    ({"_user": Integer}, "'_user' cannot be the name"),
    ({5: Integer}, "5 cannot be the name"),
    ({"user_id": int}, "'user_id' is a type"),
    ({"user_id": "Integer"}, "'user_id' is a str"),
    ({"key": Column(Integer, primary_key=True)}, "'key' is a primary key"),
    ({"tags": ARRAY}, "'tags' is the type ARRAY, which cannot be made without arguments"),
    ({"user_id": TypeDecorator}, "'user_id' is the type TypeDecorator, which cannot be made"),
    ({"version": Integer}, "'version' is taken"),
    ({"user_id": Column("digest", Integer)}, "'digest' is taken"),
    ({"metadata": Integer}, "'metadata' is taken"),
    ({"keep": Integer}, "'keep' is taken"),  # by an argument of the store
    ({"include_expired": Boolean}, "'include_expired' is taken"),
    ({"one": Column("x", Integer), "X": Integer}, "two columns have one name"),
]


@pytest.mark.parametrize(("value", "reason"), REFUSED)
def test_additional_fields_that_cannot_be_columns_are_refused(value: Any, reason: str) -> None:
    """The reason, and what to write instead."""
    message = complaint(additional_fields=value, extend_default_fields=fill)
    assert "sqlsession.additional_fields = " in message
    assert reason in message
    assert ADDITIONAL_FIELDS.accepts in message


def no_arguments() -> None:
    pass


def keyword(defaults: Any, session: Any, *, request: Any) -> None:
    pass


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nowhere.fill", "No module named 'nowhere'"),
        (5, "it is a int, not callable"),
        (no_arguments, "other arguments"),
        (keyword, "other arguments"),
    ],
)
def test_a_callback_that_cannot_be_called_is_refused(value: Any, reason: str) -> None:
    """At start-up, not at the first save."""
    message = complaint(extend_default_fields=value)
    assert reason in message
    assert "(defaults, session, request)" in message


def test_additional_fields_are_not_for_a_class_of_ones_own() -> None:
    """There a column is written like any other."""
    message = complaint(additional_fields=FIELDS, model=Visit, extend_default_fields=fill)
    assert "sqlsession.additional_fields" in message
    assert "sqlsession.model" in message


def test_a_required_column_that_nobody_could_fill_stops_start_up() -> None:
    """Neither in the generated class nor, with all other faults, in one's own."""
    assert "a callback that fills it" in complaint(additional_fields=REQUIRED)
    message = complaint(model=Faulty)
    assert "'digest' is not unique" in message
    assert "nobody fills 'tenant'" in message
    assert "'tenant'" not in complaint(model=Faulty, extend_default_fields=fill)


def test_a_foreign_key_that_leads_nowhere_stops_start_up() -> None:
    """The generated class does not know the application's tables by name."""
    message = complaint(additional_fields={"user_id": Column(ForeignKey("users.id"))})
    assert "ForeignKey(User.id)" in message


def test_a_foreign_key_to_an_attribute_is_good() -> None:
    """It leads to the column itself."""
    fields: dict[str, Any] = {"user_id": Column(ForeignKey(User.id))}
    factory = session_factory_from_settings({"sqlsession.additional_fields": fields})
    mapper: Any = inspect(factory.model)
    [key] = mapper.local_table.foreign_keys
    assert key.column.table.name == "users"


def test_the_foreign_key_is_in_the_database(make_app: MakeApp) -> None:
    """And only our table is created there."""
    fields: dict[str, Any] = {
        "note_id": Column(ForeignKey(Note.id, ondelete="SET NULL")),
        "other_id": Column(ForeignKey(Note.id)),
    }
    app = make_app(settings=settings(None, fields))
    found = inspect(app.probe).get_foreign_keys("sessions")
    assert {key["referred_table"] for key in found} == {"notes"}
    assert len(found) == 2
    assert sorted(inspect(app.probe).get_table_names()) == ["notes", "sessions"]


@pytest.mark.parametrize(
    "fields", [FIELDS, get_fields, f"{__name__}.FIELDS", f"{__name__}:get_fields"]
)
def test_two_factories_may_share_the_fields(fields: Any) -> None:
    """Each has copies; the mapping is left as it was."""
    given = settings(fields=fields)
    one, other = (inspect(session_factory_from_settings(given).model) for _ in range(2))
    for name in FIELDS:
        assert one.columns[name] is not other.columns[name]
        assert name in one.columns
    assert FIELDS["user_id"].table is None  # type: ignore[attr-defined]  # it has none
    assert one.columns["user_id"].index


@only_on_sqlite
def test_types_with_names_of_their_own_may_be_shared(make_app: MakeApp) -> None:
    """Such as an Enum, which makes a constraint."""
    fields = {"kind": Enum("a", "b", name="kind"), "flag": Boolean}
    for name in ("one", "other"):
        app = app_with(
            make_app,
            lambda d, s: {"kind": "a", "flag": True},
            settings={"sqlsession.additional_fields": fields},
            table=name,
        )
        app.get("/put?x=1")
        assert column(app, "kind") == "a"


@only_on_sqlite
def test_the_columns_stand_before_what_every_save_changes(make_app: MakeApp) -> None:
    """In the order of the mapping."""
    app = app_with(make_app)
    names = [found["name"] for found in inspect(app.probe).get_columns("sessions")]
    assert names[6 : 6 + len(FIELDS)] == list(FIELDS)
    assert names[-1] == "data"
