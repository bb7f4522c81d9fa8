"""Applications, databases and probes for the behaviour suite.

A test asks for the fixture `make_app` (see `tests/conftest.py`) and gets an application with
`request.dbsession` the way the Pyramid cookiecutter does it, a table `notes` of its own,
pyramid_tm and pyramid_sqlsession::

    def test_a_note_and_the_session_are_saved_together(make_app):
        \"\"\"One commit holds both.\"\"\"
        def write(request):
            request.dbsession.add(Note(text="hello"))
            request.session["x"] = 1
            return "anything JSON can hold, or a Response"

        app = make_app(views={"/": write}, settings={"sqlsession.cookie_name": "s"})
        response = app.get("/")
        assert app.notes() == ["hello"]
        assert [row.data for row in app.rows()] == [{"x": 1}]
        assert len(app.set_cookies(response)) == 1

It runs once over each database: SQLite always, PostgreSQL and MariaDB when their URLs are in the
environment. Every test starts with an empty one. Two marks change that::

    @over_both_managers        # also with the thread-local transaction manager
    @only_on_sqlite            # what has nothing to do with the database

What `make_app` takes (all by name):

`views`            path -> view; a result that is no Response is rendered as JSON. `/read`,
                   `/write` and `/untouched` of `tests.harness.views` are always there
`exception_views`  exception class -> view
`settings`         besides `sqlsession.create_table = true`, which is given
`includes`         what is included between pyramid_tm and pyramid_sqlsession: names or callables
`configure`        called with the Configurator after everything else
`tm`               False leaves pyramid_tm out; `request.dbsession` then is an ordinary one
`sqlsession`       False leaves pyramid_sqlsession out, for tests that include it themselves
`own_engine`       True gives the sessions an engine of the add-on's own
                   (`sqlsession.sqlalchemy.url`)
`dbsession`        False leaves `request.dbsession` out
`table`            name of the session table, for the probes and the setting
`engine_options`   for `create_engine`, such as `isolation_level`

What an `App` can do:

`get`, `post`      of its first browser, `app.browser`; `app.another_browser()` is another visitor.
                   A browser is a `webtest.TestApp` with `cookie` (value of the session cookie,
                   None when there is none) and `plant(value)`. After every request it asserts that
                   no connection stayed checked out
`rows()`           committed session rows by id; `row.data` is decoded, `row.raw` as stored
`notes()`          committed texts of the application's table
`statements()`     `with app.statements() as seen:`, then `seen.of_session` is a dict such as
                   {"SELECT": 1, "UPDATE": 1}, `seen.texts` every statement, `seen.session_texts`
                   those on the session table, `seen.commits` the number of commits, `seen.log`
                   everything in order, with "COMMIT" and "ROLLBACK" among it
`execute(sql, …)`  changes something behind the application's back, and commits
`set_cookies(r)`   the Set-Cookie headers of the session cookie, parsed
`registry`, `wsgi` for `pyramid.scripting.prepare` and the like

`checked_out()` counts the connections that are out of any pool. At the end of every test whatever
prunes in the background is ended, and no connection may be open any more but those of the probes:
dispose of an engine that no fixture makes, or use `tests.engines`.

The fixture `clock` replaces the one clock of the package: `clock()` tells the time,
`clock.advance(seconds)` moves it. The fixture `manager` tells the kind of transaction manager,
`database` the database.
"""

from tests.harness.application import App, Browser, MakeApp, build_app
from tests.harness.clock import Clock
from tests.harness.cookies import SetCookie
from tests.harness.databases import Database, available_databases
from tests.harness.marks import only_on_sqlite, over_both_managers
from tests.harness.notes import Note
from tests.harness.pools import checked_out
from tests.harness.rows import SessionRow
from tests.harness.statements import Statements

__all__ = [
    "App",
    "Browser",
    "Clock",
    "Database",
    "MakeApp",
    "Note",
    "SessionRow",
    "SetCookie",
    "Statements",
    "available_databases",
    "build_app",
    "checked_out",
    "only_on_sqlite",
    "over_both_managers",
]
