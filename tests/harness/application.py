"""An application around the session factory, and what a test may ask of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

import webtest
import zope.sqlalchemy
from pyramid.config import Configurator
from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from tests.harness import cookies, pools, rows, statements
from tests.harness.databases import Database
from tests.harness.marks import EXPLICIT
from tests.harness.views import VIEWS

View = Callable[..., Any]
Include = str | Callable[[Any], None]


class MakeApp(Protocol):
    """The fixture `make_app`; the package's docstring says what each argument means."""

    def __call__(
        self,
        *,
        views: Mapping[str, View] = ...,
        exception_views: Mapping[type[Exception], View] = ...,
        settings: Mapping[str, Any] = ...,
        includes: Iterable[Include] = ...,
        configure: Callable[[Any], None] | None = ...,
        tm: bool = ...,
        sqlsession: bool = ...,
        own_engine: bool = ...,
        dbsession: bool = ...,
        table: str = ...,
        engine_options: Mapping[str, Any] = ...,
    ) -> App: ...


class Browser(webtest.TestApp):  # type: ignore[misc]  # WebTest is not typed
    """A visitor with a cookie jar, who sees to it that no connection is left behind."""

    def __init__(self, wsgi: Any, cookie_name: str) -> None:
        super().__init__(wsgi)
        self.cookie_name = cookie_name

    @property
    def cookie(self) -> str | None:
        """The value of the session cookie, None when the jar has none."""
        value: str | None = self.cookies.get(self.cookie_name)
        return value

    def plant(self, value: str) -> None:
        """Put a session cookie of that value into the jar."""
        self.set_cookie(self.cookie_name, value)

    def do_request(self, *args: Any, **kw: Any) -> Any:
        """Send a request; every connection it took must be back in its pool."""
        before = pools.checked_out_here()
        try:
            return super().do_request(*args, **kw)
        finally:
            left = len(pools.checked_out_here() - before)
            assert left == 0, f"the request left {left} connection(s) checked out"


@dataclass
class App:
    """An application with its first browser and probes into its database."""

    wsgi: Any
    registry: Any
    engine: Engine
    probe: Engine
    session_probe: Engine
    table: str
    cookie_name: str
    browser: Browser = field(init=False)

    def __post_init__(self) -> None:
        self.browser = self.another_browser()
        self.get = self.browser.get
        self.post = self.browser.post

    def another_browser(self) -> Browser:
        """Return another visitor, with an empty cookie jar."""
        return Browser(self.wsgi, self.cookie_name)

    def rows(self) -> list[rows.SessionRow]:
        """Return the committed session rows by id."""
        return rows.committed_rows(self.session_probe, self.table)

    def notes(self) -> list[str]:
        """Return the committed texts of the application's table."""
        return rows.committed_notes(self.probe)

    def execute(self, statement: str, **values: Any) -> None:
        """Run SQL in the session's database behind the application's back, and commit."""
        rows.execute(self.session_probe, statement, values)

    def statements(self) -> AbstractContextManager[statements.Statements]:
        """Record the statements sent meanwhile."""
        return statements.recorded(self.table)

    def set_cookies(self, response: Any) -> list[cookies.SetCookie]:
        """Return what `response` says about the session cookie."""
        return cookies.set_cookies(response, self.cookie_name)


def build_app(
    database: Database,
    *,
    manager: str = EXPLICIT,
    views: Mapping[str, View] | None = None,
    exception_views: Mapping[type[Exception], View] | None = None,
    settings: Mapping[str, Any] | None = None,
    includes: Iterable[Include] = (),
    configure: Callable[[Any], None] | None = None,
    tm: bool = True,
    sqlsession: bool = True,
    own_engine: bool = False,
    dbsession: bool = True,
    table: str = "sessions",
    engine_options: Mapping[str, Any] | None = None,
) -> App:
    """Build an application on `database`; the package's docstring explains the arguments."""
    session_url = database.session_url if own_engine else database.url
    engine = database.engine(**(engine_options or {}))
    all_settings = {
        "sqlsession.create_table": "true",
        "sqlsession.table": table,
        "sqlsession.prune_interval": "none",
        **({"tm.manager_hook": "pyramid_tm.explicit_manager"} if manager == EXPLICIT else {}),
        **({"sqlsession.sqlalchemy.url": session_url} if own_engine else {}),
        **(settings or {}),
    }
    config = Configurator(settings={k: v for k, v in all_settings.items() if v is not None})
    _include(config, tm, dbsession and _dbsession_of(engine), includes, sqlsession)
    _add_views(config, {**VIEWS, **(views or {})}, exception_views or {})
    if configure is not None:
        configure(config)
    return App(
        wsgi=config.make_wsgi_app(),
        registry=config.registry,
        engine=engine,
        probe=database.probe(),
        session_probe=database.probe(session_url),
        table=table,
        cookie_name=all_settings.get("sqlsession.cookie_name", "session"),
    )


def _include(
    config: Any, tm: bool, dbsession: Include | bool, includes: Iterable[Include], sqlsession: bool
) -> None:
    wanted = [tm and "pyramid_tm", dbsession, *includes, sqlsession and "pyramid_sqlsession"]
    for include in wanted:
        if include:
            config.include(include)


def _add_views(
    config: Any, views: Mapping[str, View], exception_views: Mapping[type[Exception], View]
) -> None:
    for path, view in views.items():
        config.add_route(path, path)
        config.add_view(view, route_name=path, renderer="json")
    for error, view in exception_views.items():
        config.add_exception_view(view, context=error, renderer="json")


def _dbsession_of(engine: Engine) -> Callable[[Any], None]:
    """Return an include that gives requests a `dbsession`, joined to `request.tm` if any."""
    make_session = sessionmaker(bind=engine)

    def dbsession(request: Any) -> Session:
        given: Session | None = request.environ.get("app.dbsession")
        if given is not None:
            return given
        session = make_session(info={"request": request})
        if hasattr(request, "tm"):
            zope.sqlalchemy.register(session, transaction_manager=request.tm)
        else:
            request.add_finished_callback(lambda request: session.close())
        return session

    def include_dbsession(config: Any) -> None:
        config.add_request_method(dbsession, name="dbsession", reify=True)

    return include_dbsession
