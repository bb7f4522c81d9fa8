"""Sessions that are encrypted in their rows: what opens where, and what never does."""

from __future__ import annotations

import logging
from base64 import b64decode, urlsafe_b64encode
from typing import Any

import pytest
from sqlalchemy import JSON, LargeBinary, Text, select
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.types import TypeDecorator

from pyramid_sqlsession import (
    JSONSerializer,
    SessionMixin,
    SessionStore,
    SettingsError,
    session_factory_from_settings,
)
from pyramid_sqlsession.encryption import KeyRing
from tests.harness import App, Browser, Clock, MakeApp
from tests.harness.sessions import model_of

OLD, NEW = (urlsafe_b64encode(letter * 32).decode() for letter in (b"o", b"n"))
SETTING = "sqlsession.encryption_keys"


def encrypting(make_app: MakeApp, *keys: str, **options: Any) -> App:
    """An application with these keys, without any it has the older one."""
    settings = {SETTING: "\n".join(keys or [OLD]), **options.pop("settings", {})}
    return make_app(settings=settings, **options)


def same_visitor(app: App, other: App) -> Browser:
    """A browser of `app` that has the cookie of the first browser of `other`."""
    browser = app.another_browser()
    browser.plant(str(other.browser.cookie))
    return browser


def stored(app: App) -> bytes:
    """What the only row holds, as it was sealed."""
    [row] = app.rows()
    return b64decode(row.raw, validate=True)


def store_into(app: App, raw: Any, row_id: int = 1) -> None:
    app.execute("UPDATE sessions SET data = :raw WHERE id = :id", raw=raw, id=row_id)


# What is in the table


def test_a_session_comes_back_and_cannot_be_read_in_the_table(make_app: MakeApp) -> None:
    """Neither its keys nor its values, in any column."""
    app = encrypting(make_app)
    app.get("/write?card=TREASURE")
    app.get("/write?more=1")
    assert app.get("/read").json == {"card": "TREASURE", "more": "1"}
    assert b"TREASURE" not in stored(app)
    [row] = app.rows()
    assert "TREASURE" not in str(row.columns)
    assert row.version == 2


def test_the_statements_carry_no_plain_text(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever logs them with their values logs what is encrypted."""
    caplog.set_level(logging.INFO, "sqlalchemy.engine.Engine")
    app = encrypting(make_app, engine_options={"echo": True})
    app.get("/write?card=TREASURE")
    app.get("/read")
    assert "INSERT INTO sessions" in caplog.text
    assert "TREASURE" not in caplog.text


class Base(DeclarativeBase):
    pass


class Binary(SessionMixin, Base):
    __tablename__ = "binary_sessions"
    data: Mapped[Any] = mapped_column(
        LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
    )


class Backwards(TypeDecorator[str]):
    """A type of the application, which hands over and takes text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return value and value[::-1]

    process_result_value = process_bind_param


class OwnType(SessionMixin, Base):
    __tablename__ = "own_type_sessions"
    data: Mapped[Any] = mapped_column(Backwards)


class Named(SessionMixin, Base):
    __tablename__ = "named_sessions"
    name: Mapped[str | None] = mapped_column(Text)


class Document(SessionMixin, Base):
    __tablename__ = "document_sessions"
    data: Mapped[Any] = mapped_column(JSON)


def with_model(make_app: MakeApp, model: Any, *keys: str) -> App:
    settings = {"sqlsession.model": model}
    return encrypting(make_app, *keys, table=model.__tablename__, settings=settings)


def test_a_binary_column_holds_it_as_it_is(make_app: MakeApp) -> None:
    """A third shorter than as text."""
    app = with_model(make_app, Binary)
    app.get("/write?card=TREASURE")
    assert app.get("/read").json == {"card": "TREASURE"}
    [row] = app.rows()
    assert len(row.raw) == len('{"card":"TREASURE"}') + 33


def test_a_type_of_the_application_gets_text(make_app: MakeApp) -> None:
    """As it would without encryption, and gives it back."""
    app = with_model(make_app, OwnType)
    app.get("/write?card=TREASURE")
    assert app.get("/read").json == {"card": "TREASURE"}
    [row] = app.rows()
    assert len(b64decode(row.raw[::-1], validate=True)) == len('{"card":"TREASURE"}') + 33


def test_a_json_column_is_refused_at_start_up() -> None:
    """It could hold the ciphertext as a string only, and nobody could query that."""
    settings = {"sqlsession.model": Document, SETTING: OLD}
    with pytest.raises(SettingsError, match=r"encryption_keys: the column 'data' .* is JSON"):
        session_factory_from_settings(settings)


def test_a_payload_of_a_megabyte_fits(make_app: MakeApp) -> None:
    """Text takes a third more than what it encodes."""

    def fill(request: Any) -> None:
        request.session["x"] = "x" * 1_000_000

    app = encrypting(make_app, views={"/fill": fill})
    app.get("/fill")
    assert len(app.get("/read").json["x"]) == 1_000_000


def test_the_columns_of_the_application_stay_readable(make_app: MakeApp) -> None:
    """And its callback sees what is serialised, before it is encrypted."""
    seen: list[Any] = []

    def fill(defaults: dict[str, Any], session: Any) -> dict[str, Any]:
        seen.append(defaults["data"])
        return defaults | {"name": session["name"]}

    settings = {"sqlsession.model": Named, "sqlsession.extend_default_fields": fill}
    app = encrypting(make_app, table="named_sessions", settings=settings)
    app.get("/write?name=ann")
    assert seen == ['{"name":"ann"}']
    [row] = app.rows()
    assert row.columns["name"] == "ann"
    assert app.get("/read").json == {"name": "ann"}


# What does not open


def moved(app: App) -> None:
    """Copy what the second visitor's row holds into the first one's."""
    _, second = app.rows()
    store_into(app, second.raw)


def plain(app: App) -> None:
    """Put something readable there, as the serializer would have written it."""
    store_into(app, '{"card":"TREASURE"}')


def readable(app: App) -> None:
    """Put something readable there, in base64."""
    store_into(app, "eyJjYXJkIjoiVFJFQVNVUkUifQ==")


def begun_later(app: App) -> None:
    """Have the session begin later than it did."""
    app.execute("UPDATE sessions SET created = created + 1 WHERE id = 1")


def emptied(app: App) -> None:
    """Leave nothing."""
    store_into(app, "")


@pytest.mark.parametrize("tamper", [moved, plain, readable, begun_later, emptied])
def test_a_row_that_was_tampered_with_is_an_empty_session(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, tamper: Any
) -> None:
    """With one line in the log, which shows nothing of it; what is written next can be read."""
    app = encrypting(make_app)
    app.get("/write?card=TREASURE")
    app.another_browser().get("/write?card=TREASURE")
    tamper(app)
    before, _ = app.rows()
    with caplog.at_level(logging.INFO, "pyramid_sqlsession"):
        assert app.get("/read").json == {}
    assert caplog.messages == ["the data of session 1 cannot be read: no key opens it"]
    assert app.rows()[0] == before
    app.get("/write?y=2")
    assert app.get("/read").json == {"y": "2"}


def test_what_no_key_opens_is_not_shown_to_a_serializer(make_app: MakeApp) -> None:
    """Pickle, for one, would do whatever a writer of the table says."""
    seen: list[bytes] = []

    class Noting(JSONSerializer):
        def loads(self, data: bytes) -> Any:
            seen.append(data)
            return super().loads(data)

    app = encrypting(make_app, settings={"sqlsession.serializer": Noting()})
    app.get("/write?x=1")
    seen.clear()
    plain(app)
    app.get("/read")
    [row] = app.rows()
    with app.engine.begin() as connection:
        found = connection.execute(select(model_of(app.registry).data)).scalar_one()
    assert (seen, found) == ([], row.raw)


def test_every_bit_of_a_row_is_protected(make_app: MakeApp) -> None:
    """Whatever is changed in a binary column, the session is empty."""
    app = with_model(make_app, Binary)
    app.get("/write?x=1")
    [row] = app.rows()
    raw = bytes(row.raw)
    statement = "UPDATE binary_sessions SET data = :raw"
    for place in range(len(raw)):
        app.execute(statement, raw=raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        assert app.get("/read").json == {}, place
    app.execute(statement, raw=raw)
    assert app.get("/read").json == {"x": "1"}


def test_rows_from_before_the_keys_do_not_open(make_app: MakeApp) -> None:
    """Nor do encrypted ones open without the keys."""
    before = make_app()
    before.get("/write?x=1")
    app = encrypting(make_app)
    assert same_visitor(app, before).get("/read").json == {}
    app.get("/write?x=1")
    assert same_visitor(before, app).get("/read").json == {}


def test_what_was_sealed_under_an_older_id_does_not_open_under_the_new_one(
    make_app: MakeApp,
) -> None:
    """What a session held before a login cannot be put back after it."""

    def rotate(request: Any) -> None:
        request.session["x"] = "2"
        request.session.regenerate_id()

    app = encrypting(make_app, views={"/rotate": rotate})
    app.get("/write?x=1")
    [before] = app.rows()
    app.get("/rotate")
    assert app.get("/read").json == {"x": "2"}
    store_into(app, before.raw)
    assert app.get("/read").json == {}


# What stays as it was


def test_a_rotation_and_a_touch_leave_it_readable(make_app: MakeApp, clock: Clock) -> None:
    """The one writes the data anew for the new id, the other leaves it alone."""
    app = encrypting(make_app, views={"/rotate": lambda r: r.session.regenerate_id()})
    app.get("/write?x=1")
    app.get("/rotate")
    before = stored(app)
    clock.advance(3600)
    with app.statements() as seen:
        assert app.get("/read").json == {"x": "1"}
    assert seen.of_session == {"SELECT": 1, "UPDATE": 1}
    assert stored(app) == before
    assert app.get("/read").json == {"x": "1"}


def test_what_changes_nothing_writes_nothing(make_app: MakeApp) -> None:
    """Though encrypted it would not be the same again."""

    def again(request: Any) -> None:
        request.session["x"] = "1"
        request.session.pop("absent", None)

    app = encrypting(make_app, views={"/again": again})
    app.get("/write?x=1")
    with app.statements() as seen:
        app.get("/again")
    assert seen.of_session == {"SELECT": 1}


def test_a_session_is_serialised_and_encrypted_once(
    make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And decrypted once where it is loaded; never where it is not looked at."""
    calls: list[str] = []

    class Noting(JSONSerializer):
        def dumps(self, value: Any) -> bytes:
            calls.append("dumps")
            return super().dumps(value)

    def noting(name: str) -> Any:
        method = getattr(KeyRing, name)

        def note(*arguments: Any, **named: Any) -> Any:
            calls.append(name)
            return method(*arguments, **named)

        return note

    app = encrypting(make_app, settings={"sqlsession.serializer": Noting()})
    for name in ("seal", "open"):
        monkeypatch.setattr(KeyRing, name, noting(name))
    found = {}
    for path in ("/write?x=1", "/read", "/write?x=2", "/untouched"):
        calls.clear()
        app.get(path)
        found[path] = list(calls)
    assert found == {
        "/write?x=1": ["dumps", "seal"],
        "/read": ["open"],
        "/write?x=2": ["open", "dumps", "seal"],
        "/untouched": [],
    }


def test_the_store_opens_what_it_is_asked_for(make_app: MakeApp) -> None:
    """In a request and without one; what no key opens is empty."""

    def look(request: Any) -> Any:
        store = request.session_store
        return [store.data(row) for row in store.find()]

    app = encrypting(make_app, views={"/look": look})
    app.get("/write?x=1")
    other = app.another_browser()
    assert other.get("/look").json == [{"x": "1"}]
    emptied(app)
    assert other.get("/look").json == [{}]


# Several keys


def test_a_key_is_changed_by_putting_the_new_one_first(make_app: MakeApp) -> None:
    """Old rows open, and what is saved is sealed with the new one."""
    before = encrypting(make_app, OLD)
    before.get("/write?x=1")
    app = encrypting(make_app, NEW, OLD)
    browser = same_visitor(app, before)
    assert browser.get("/read").json == {"x": "1"}
    assert before.get("/read").json == {"x": "1"}
    browser.get("/write?y=2")
    after = encrypting(make_app, NEW)
    assert same_visitor(after, before).get("/read").json == {"x": "1", "y": "2"}
    assert before.get("/read").json == {}


def test_dropping_a_key_empties_the_sessions_that_it_sealed(make_app: MakeApp) -> None:
    """Their rows stay until they are pruned, and put the key back they are there again."""
    before = encrypting(make_app, OLD)
    before.get("/write?x=1")
    assert same_visitor(encrypting(make_app, NEW), before).get("/read").json == {}
    assert before.get("/read").json == {"x": "1"}


def while_working(make_app: MakeApp, first: App, *keys: str) -> App:
    """A visitor's second request, which saves while `first` saves as well."""

    def work(request: Any) -> None:
        request.session["slow"] = "1"
        same_visitor(first, app).get("/write?fast=1")

    app = encrypting(make_app, *keys, views={"/work": work})
    app.get("/write?x=1")
    app.get("/work")
    return app


def test_two_parallel_requests_with_different_keys_are_merged(make_app: MakeApp) -> None:
    """The first deploy, of two, has let both know both keys."""
    app = while_working(make_app, encrypting(make_app, NEW, OLD), OLD, NEW)
    assert app.get("/read").json == {"x": "1", "slow": "1", "fast": "1"}


def test_a_parallel_save_that_no_key_opens_counts_as_empty(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """What this request has changed is kept, and the request does not fail."""
    app = while_working(make_app, encrypting(make_app, NEW, OLD), OLD)
    assert app.get("/read").json == {"slow": "1"}
    assert "the data of session 1 cannot be read: no key opens it" in caplog.messages


def test_a_script_opens_them_with_the_keys_of_its_factory(make_app: MakeApp) -> None:
    """Without a request, as long as one of its keys is the one that sealed."""
    app = encrypting(make_app)
    app.get("/write?x=1")
    settings = {"sqlsession.model": model_of(app.registry), SETTING: f"{NEW}\n{OLD}"}
    factory = session_factory_from_settings(settings)
    with Session(app.engine) as dbsession:
        store = SessionStore(dbsession, factory)
        assert [store.data(row) for row in store.find()] == [{"x": "1"}]
