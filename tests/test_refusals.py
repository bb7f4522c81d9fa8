"""What a database refuses for now: said as a conflict where we had asked, and nowhere else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from pyramid_sqlsession import SessionConflict
from tests.engines import connecting_engines
from tests.harness import App, Database, MakeApp, Note, available_databases
from tests.harness.marks import only_on_mariadb, only_on_postgresql, only_on_servers
from tests.servers import wait_until

SERVERS = [name for name in available_databases() if name != "sqlite"]

# A serialisation failure, a deadlock, a lock that is not available; a record that has changed, a
# lock that was waited for too long, a deadlock, a node that has left its cluster.
CODES = {"postgresql": ["40001", "40P01", "55P03"], "mariadb": ["1020", "1205", "1213", "1047"]}
with_every_code = pytest.mark.parametrize(
    ("database_name", "code"), [(name, code) for name in SERVERS for code in CODES[name]]
)


REFUSING = {
    "postgresql": """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END $$;
        CREATE TRIGGER refusing BEFORE {verb} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()""",
    "mariadb": """
        CREATE TRIGGER refusing BEFORE {verb} ON {table} FOR EACH ROW
        SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'not now'""",
}


def write(request: Any) -> None:
    request.session["y"] = 1


def leave(request: Any) -> None:
    request.session.invalidate()


def write_and_note(request: Any) -> None:
    write(request)
    request.dbsession.add(Note(text="note"))
    request.dbsession.flush()


@with_every_code
@pytest.mark.parametrize(
    ("verb", "view"), [("INSERT", write), ("UPDATE", write), ("DELETE", leave)]
)
def test_what_is_refused_to_our_statement_is_a_conflict(
    make_app: MakeApp, database: Database, code: str, verb: str, view: Any
) -> None:
    """Whichever of our statements it is, and whatever the database calls it."""
    app = make_app(views={"/": view})
    if verb != "INSERT":
        app.get("/write?x=1")
    app.execute(REFUSING[database.name].format(code=code, verb=verb, table="sessions"))
    with pytest.raises(SessionConflict):
        app.get("/")


@with_every_code
def test_what_is_refused_to_the_applications_statement_is_its_own_affair(
    make_app: MakeApp, database: Database, code: str
) -> None:
    """It gets the database's error, though the session was changed too."""
    app = make_app(views={"/": write_and_note})
    app.get("/write?x=1")
    app.execute(REFUSING[database.name].format(code=code, verb="INSERT", table="notes"))
    with pytest.raises(DBAPIError, match="not now"):
        app.get("/")
    assert app.get("/read").json == {"x": "1"}


@with_every_code
def test_what_is_refused_to_the_extra_fields_callback_is_the_applications_too(
    make_app: MakeApp, database: Database, code: str
) -> None:
    """Though it is called while we save."""

    def note(defaults: Any, session: Any, request: Any) -> None:
        request.dbsession.add(Note(text="note"))
        request.dbsession.flush()

    app = make_app(views={"/": write}, settings={"sqlsession.extend_default_fields": note})
    app.execute(REFUSING[database.name].format(code=code, verb="INSERT", table="notes"))
    with pytest.raises(DBAPIError, match="not now"):
        app.get("/")
    assert app.rows() == []


# A lock in the way of reading


@only_on_mariadb
def test_a_row_that_may_not_be_read_now_is_a_conflict(make_app: MakeApp) -> None:
    """At SERIALIZABLE, MariaDB locks what it reads."""
    app = make_app(
        engine_options={
            "isolation_level": "SERIALIZABLE",
            "connect_args": {"init_command": "SET innodb_lock_wait_timeout = 0"},
        }
    )
    app.get("/write?x=1")
    with app.session_probe.connect() as somebody:
        somebody.execute(text("UPDATE sessions SET accessed = accessed"))
        with pytest.raises(SessionConflict):
            app.get("/read")
    assert app.get("/read").json == {"x": "1"}


# A deadlock


WAITING = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


class Somebody:
    """Holds the session's row and then wants the note, which the request holds.

    PostgreSQL lets the one who has waited for a second give way, MariaDB the one who wrote less:
    in both cases the request.
    """

    def __init__(self, app: App, database: Database) -> None:
        self.probe = app.session_probe
        self.comes_second = database.name == "postgresql"
        self.connection: Connection = app.session_probe.connect()
        self.wanting = threading.Thread(target=self._want_the_note)

    def take_the_row(self) -> None:
        for number in range(10):
            self.connection.execute(text(f"INSERT INTO notes (text) VALUES ('{number}')"))
        self.connection.execute(text("UPDATE sessions SET accessed = accessed"))
        self.wanting.start()

    def _want_the_note(self) -> None:
        if self.comes_second:
            wait_until(self._sees_the_request_wait, "the request to want the row")
        self.connection.execute(text("UPDATE notes SET text = 'theirs' WHERE text = 'note'"))
        self.connection.rollback()

    def _sees_the_request_wait(self) -> bool:
        with self.probe.connect() as onlooker:
            return bool(onlooker.execute(text(WAITING)).scalar())

    def let_go(self) -> None:
        self.wanting.join(timeout=30)
        self.connection.close()


@pytest.fixture
def somebody(make_app: MakeApp) -> Iterator[list[Somebody]]:
    """Those who stand in the way, let go in the end."""
    people: list[Somebody] = []
    yield people
    for one in people:
        one.let_go()


@only_on_servers
def test_a_deadlock_is_got_over_by_a_repetition(
    make_app: MakeApp, database: Database, somebody: list[Somebody]
) -> None:
    """Our request gives way, and comes again when the other is through."""

    def view(request: Any) -> int:
        write(request)
        note = request.dbsession.query(Note).one()
        note.text = "mine"
        request.dbsession.flush()
        attempt: int = request.environ["retry.attempt"]
        if attempt == 0:
            somebody.append(Somebody(app, database))
            somebody[0].take_the_row()
        return attempt

    app = make_app(views={"/": view}, includes=["pyramid_retry"])
    app.execute("INSERT INTO notes (text) VALUES ('note')")
    app.get("/write?x=1")
    assert app.get("/").json == 1
    assert app.notes() == ["mine"]
    assert app.get("/read").json == {"x": "1", "y": 1}


# A commit


def caught(error: Any, request: Any) -> str:
    """An exception view that would answer everything."""
    request.response.status_code = 500
    return "caught"


exception_views = pytest.mark.parametrize("views", [{}, {Exception: caught}], ids=["no", "yes"])

AT_COMMIT = """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END $$;
    CREATE CONSTRAINT TRIGGER refusing AFTER UPDATE ON sessions
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()"""


def app_with_refused_commits(make_app: MakeApp, views: Any, code: str) -> tuple[App, list[int]]:
    """An application whose first commit at `/` PostgreSQL refuses; the list is of attempts."""
    attempts: list[int] = []

    def view(request: Any) -> str:
        attempts.append(request.environ["retry.attempt"])
        if len(attempts) == 2:
            app.execute("DROP TRIGGER refusing ON sessions")
        request.session["y"] = attempts[-1]
        request.dbsession.add(Note(text=f"attempt {attempts[-1]}"))
        return "delivered"

    app = make_app(views={"/": view}, includes=["pyramid_retry"], exception_views=views)
    app.get("/write?x=1")
    app.execute(AT_COMMIT.format(code=code))
    return app, attempts


@only_on_postgresql
@exception_views
@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_commit_that_is_refused_for_now_is_repeated(
    make_app: MakeApp, views: Any, code: str
) -> None:
    """Serialisable transactions are often found to collide at the last moment.

    Nothing is left of the attempt; an exception view that would answer everything is not heard.
    """
    app, attempts = app_with_refused_commits(make_app, views, code)
    assert app.get("/").json == "delivered"
    assert attempts == [0, 1]
    assert app.notes() == ["attempt 1"]
    assert app.get("/read").json == {"x": "1", "y": 1}


@only_on_mariadb
@exception_views
def test_a_commit_that_collides_with_another_nodes_is_repeated(
    make_app: MakeApp, views: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Galera cluster lets everybody work, and tells at the commit who was second.

    A single server never does: the driver stands in for it, and answers one commit like a node.
    """
    pymysql = pytest.importorskip("pymysql")

    def refuse(connection: Any) -> None:
        monkeypatch.undo()
        connection.rollback()
        raise pymysql.err.OperationalError(1213, "Deadlock found when trying to get lock")

    def view(request: Any) -> int:
        attempt: int = request.environ["retry.attempt"]
        if attempt == 0:
            monkeypatch.setattr(pymysql.connections.Connection, "commit", refuse)
        request.session["y"] = attempt
        request.dbsession.add(Note(text=f"attempt {attempt}"))
        return attempt

    app = make_app(views={"/": view}, includes=["pyramid_retry"], exception_views=views)
    app.get("/write?x=1")
    assert app.get("/").json == 1
    assert app.notes() == ["attempt 1"]
    assert app.get("/read").json == {"x": "1", "y": 1}


@only_on_postgresql
@exception_views
def test_a_commit_that_is_refused_for_good_is_not_repeated(make_app: MakeApp, views: Any) -> None:
    """A violated constraint is the application's affair."""
    app, attempts = app_with_refused_commits(make_app, views, "23514")
    if views:
        assert app.get("/", status=500).json == "caught"
    else:
        with pytest.raises(DBAPIError, match="not now"):
            app.get("/")
    assert attempts == [0]
    assert app.get("/read").json == {"x": "1"}


@only_on_postgresql
def test_a_refused_commit_of_a_database_apart_is_not_repeated(
    make_app: MakeApp, database: Database
) -> None:
    """The application's data are committed by then, and would be committed twice."""
    attempts: list[int] = []

    def view(request: Any) -> None:
        attempts.append(request.environ["retry.attempt"])
        request.session["y"] = 1
        request.dbsession.add(Note(text="note"))

    with connecting_engines():
        app = make_app(
            views={"/": view},
            includes=["pyramid_retry"],
            exception_views={Exception: caught},
            own_engine=True,
        )
        app.get("/write?x=1")
        app.execute(AT_COMMIT.format(code="40001"))
        assert app.get("/", status=500).json == "caught"
        assert attempts == [0]
        assert app.notes() == ["note"]
