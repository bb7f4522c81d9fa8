"""The demo, through its own settings, on a database file of the test's own."""

from __future__ import annotations

import json
import re
import sqlite3
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlsession_demo
import webtest
from pyramid.exceptions import ConfigurationError
from pyramid.interfaces import ISessionFactory
from pyramid.paster import get_app
from sqlsession_demo.views import euros

from tests.engines import connecting_engines

DEMO = Path(sqlsession_demo.__file__).parents[1]
INI = DEMO / "development.ini"
EXAMPLE = DEMO / "secrets.example.ini"
HTTPS = {"wsgi.url_scheme": "https"}

POSTS = ["/forget-me", "/cart/add", "/cart/remove", "/order", "/login", "/logout"]
POSTS_OF_USERS = ["/sessions/end", "/sessions/end-others", "/password"]


def settings_of_the_file() -> dict[str, str]:
    """What `pserve` hands to the application."""
    parser = ConfigParser(defaults={"here": str(DEMO)})
    parser.read(INI, "utf-8")
    return dict(parser["app:main"])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the demo keeps its tables."""
    return tmp_path / "demo.sqlite"


def production_folder(file: Path, secrets: str) -> Path:
    """A folder with `production.ini`, for a file instead of a server, and with these secrets."""
    folder = file.parent
    ini = (DEMO / "production.ini").read_text("utf-8")
    url = re.sub(
        r"^sqlalchemy.url = .*$", f"sqlalchemy.url = sqlite:///{file}", ini, flags=re.MULTILINE
    )
    (folder / "production.ini").write_text(url, "utf-8")
    if secrets:
        (folder / "secrets.ini").write_text(secrets, "utf-8")
    return folder / "production.ini"


def filled_in(example: str) -> str:
    return example.replace("sqlsession.secret =", f"sqlsession.secret = {'s' * 43}")


@pytest.fixture
def production(file: Path) -> Iterator[Any]:
    """The WSGI application of `production.ini`."""
    shop = get_app(str(production_folder(file, filled_in(EXAMPLE.read_text("utf-8")))))
    yield shop
    shop.registry["dbsession_factory"].kw["bind"].dispose()


def test_the_shop_in_production_goes_on_when_its_connections_broke(production: Any) -> None:
    """Those of the pool, which the database has closed while nobody came."""
    browser = webtest.TestApp(production, extra_environ=HTTPS)
    browser.get("/")
    engine = production.registry["dbsession_factory"].kw["bind"]
    pooled = [engine.connect() for _ in range(engine.pool.checkedin())]
    assert pooled
    broken = [connection.connection.dbapi_connection for connection in pooled]
    for connection in pooled:
        connection.close()
    for connection in broken:
        connection.close()
    browser.get("/", status=200)


def test_the_cookie_of_the_shop_in_production_is_for_this_host_and_https_alone(
    production: Any,
) -> None:
    """And signed; it is sent so though the proxy forget to say https."""
    for environ in (HTTPS, {}):
        cookie = webtest.TestApp(production, extra_environ=environ).get("/").headers["Set-Cookie"]
        assert re.match(r"__Host-session=[\w-]{43}\.[\w-]{43}; ", cookie)
        assert "; Domain" not in cookie
        assert {"Path=/", "secure", "HttpOnly", "SameSite=Lax"} == set(cookie.split("; ")[1:])


def test_the_shop_in_production_ends_its_sessions(production: Any) -> None:
    """Both limits are set, and somebody prunes."""
    settings = production.registry.getUtility(ISessionFactory).settings
    assert (settings.expiration, settings.absolute_expiration) == (12 * 3600, 14 * 24 * 3600)
    assert settings.prune_interval


def test_nothing_is_to_be_said_about_the_settings_of_production(
    production: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Start-up warns of what is less safe than it could be."""
    webtest.TestApp(production, extra_environ=HTTPS).get("/")
    assert [one for one in caplog.records if one.name.startswith("pyramid_sqlsession")] == []


@pytest.mark.parametrize("file_is_there", [False, True], ids=["missing", "not filled in"])
def test_the_shop_in_production_does_not_start_without_its_secret(
    file: Path, file_is_there: bool
) -> None:
    """It would seem to work, and its cookies would be unsigned."""
    ini = production_folder(file, EXAMPLE.read_text("utf-8") if file_is_there else "")
    refused = pytest.raises((FileNotFoundError, ConfigurationError), match=r"secrets?")
    with connecting_engines(), refused:
        get_app(str(ini))


@contextmanager
def open_shop(file: Path, **settings: str) -> Iterator[Any]:
    """The WSGI application of `development.ini`, with other settings where they are given."""
    settings = {"sqlalchemy.url": f"sqlite:///{file}"} | settings
    shop = sqlsession_demo.main({}, **settings_of_the_file() | settings)
    yield shop
    shop.registry["dbsession_factory"].kw["bind"].dispose()


@pytest.fixture
def shop(file: Path) -> Iterator[Any]:
    """The WSGI application as `pserve` starts it."""
    with open_shop(file) as shop:
        yield shop


@pytest.fixture
def browser(shop: Any) -> webtest.TestApp:
    """A visitor's browser, without any cookie yet."""
    return webtest.TestApp(shop)


@pytest.fixture
def other_browser(shop: Any) -> webtest.TestApp:
    """Another visitor's."""
    return webtest.TestApp(shop)


def rows(file: Path, statement: str) -> list[Any]:
    """What another program finds in the database."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(statement).fetchall()


def session_data(file: Path) -> Any:
    """The content of the only session."""
    [(data,)] = rows(file, "SELECT data FROM web_sessions")
    return json.loads(data)


def form(page: Any, action: str) -> Any:
    """The form of a page that is sent to an address."""
    return next(form for form in page.forms.values() if form.action == action)


def put_into_cart(browser: webtest.TestApp, *teas: str) -> Any:
    """Add teas one after the other; return the page with the cart."""
    page = browser.get("/cart")
    for tea in teas:
        page = form(page, "/cart/add").submit("tea", value=tea).follow()
    return page


def order(browser: webtest.TestApp, payment: str) -> Any:
    """Send the order; return the page that follows."""
    return form(browser.get("/cart"), "/order").submit("payment", value=payment).follow()


def fill_in_login(page: Any, name: str = "ada", password: str = "analytical-engine") -> Any:
    """Send the login form of a page; return the response."""
    login = form(page, "/login")
    login["name"], login["password"] = name, password
    return login.submit(status="*")


def test_the_readme_shows_a_picture_that_is_there_and_small() -> None:
    """It is carried by the source distribution as well."""
    root = DEMO.parent
    [path] = re.findall(
        r"^\.\. image:: (\S+)$", (root / "README.rst").read_text("utf-8"), re.MULTILINE
    )
    assert (root / path).stat().st_size < 150_000
    carried = (root / "MANIFEST.in").read_text("utf-8").splitlines()
    assert "graft docs" in carried


def test_the_settings_start_the_distribution_by_its_name() -> None:
    """What `use` names is what pyproject.toml installs."""
    assert settings_of_the_file()["use"] == "egg:sqlsession-demo"
    metadata = (DEMO / "pyproject.toml").read_text("utf-8")
    assert 'name = "sqlsession-demo"' in metadata
    assert 'main = "sqlsession_demo:main"' in metadata


def test_visits_are_counted_in_a_row_of_the_database(browser: Any, file: Path) -> None:
    """The counter survives from request to request, and stands in the sessions table."""
    assert "This is your first visit" in browser.get("/")
    assert "This is your visit number 2" in browser.get("/")
    assert session_data(file)["visits"] == 2


def test_visitors_are_counted_apart(browser: Any, other_browser: Any, file: Path) -> None:
    """Each browser has a row of its own."""
    browser.get("/")
    assert "This is your first visit" in other_browser.get("/")
    assert rows(file, "SELECT count(*) FROM web_sessions") == [(2,)]


def test_the_cookie_is_sent_once(browser: Any) -> None:
    """The first visit sends the cookie; the second needs none."""
    assert len(browser.get("/").headers.getall("Set-Cookie")) == 1
    assert "Set-Cookie" not in browser.get("/").headers


def test_the_page_tells_what_the_database_did(browser: Any) -> None:
    """A first visit is an INSERT, a further one an UPDATE."""
    first, second = browser.get("/"), browser.get("/")
    assert "<b>INSERT</b>" in first
    assert "<b>UPDATE</b>" not in first
    assert "<b>UPDATE</b>" in second
    assert "Your cookie led to row 1." in second


def test_the_cart_remembers_what_was_put_into_it(browser: Any, file: Path) -> None:
    """Quantities nested in the session are saved without anybody's saying so."""
    page = put_into_cart(browser, "sencha", "assam", "sencha")
    assert "Sencha from Uji is in your cart." in page
    assert "In your cart: 3" in page
    assert "32.90 €" in page
    assert session_data(file)["cart"] == {"sencha": 2, "assam": 1}


def test_a_tea_is_taken_out_of_the_cart(browser: Any) -> None:
    """Removing takes all of one tea, and is content when there is none."""
    page = put_into_cart(browser, "sencha", "sencha", "assam")
    for _ in range(2):
        after = form(page, "/cart/remove").submit("tea", value="sencha").follow()
        assert "In your cart: 1" in after


def test_a_tea_that_is_not_sold_is_refused(browser: Any) -> None:
    """An invented tea is a bad request that leaves the cart alone."""
    page = put_into_cart(browser, "assam")
    refusal = form(page, "/cart/add").submit("tea", value="coffee", status=400)
    assert "The shop sells no such tea." in refusal
    assert "In your cart: 1" in browser.get("/cart")


def test_the_order_and_the_emptied_cart_are_committed_together(browser: Any, file: Path) -> None:
    """After an order its row is there and the cart is not."""
    put_into_cart(browser, "oolong", "oolong")
    page = order(browser, "accepted")
    assert "Order 1 is placed and your cart is empty." in page
    assert "In your cart: 0" in page
    assert rows(file, "SELECT id, customer_name, total FROM orders") == [(1, None, 2960)]
    assert rows(file, "SELECT tea, quantity FROM order_lines") == [("Oolong, Iron Goddess", 2)]
    assert "cart" not in session_data(file)


def test_an_order_that_fails_half_way_leaves_no_trace_but_a_message(
    browser: Any, file: Path
) -> None:
    """The order row was flushed and the cart emptied, and neither is so afterwards."""
    put_into_cart(browser, "oolong", "assam")
    page = order(browser, "refused")
    assert "The payment was refused after order 1 had been written" in page
    assert "In your cart: 2" in page
    assert "The table is empty." in page
    assert rows(file, "SELECT count(*) FROM orders") == [(0,)]
    assert rows(file, "SELECT count(*) FROM order_lines") == [(0,)]
    assert session_data(file)["cart"] == {"oolong": 1, "assam": 1}


def test_an_order_can_be_placed_after_one_that_failed(browser: Any, file: Path) -> None:
    """What a failed order left in the cart is ordered by the next."""
    put_into_cart(browser, "rooibos")
    order(browser, "refused")
    assert "Order 1 is placed" in order(browser, "accepted")
    assert rows(file, "SELECT total FROM orders") == [(560,)]


def test_an_empty_cart_cannot_be_ordered(browser: Any, file: Path) -> None:
    """A form that is sent a second time, after the order, writes no second order."""
    page = put_into_cart(browser, "assam")
    form(page, "/order").submit("payment", value="accepted")
    again = form(page, "/order").submit("payment", value="accepted").follow()
    assert "Your cart is empty: there is nothing to order." in again
    assert rows(file, "SELECT count(*) FROM orders") == [(1,)]


def test_a_forbidden_page_asks_for_a_login_and_is_shown_after_it(browser: Any) -> None:
    """The token of a form that a forbidden view shows is accepted from a visitor without row."""
    refusal = browser.get("/account", status=403)
    assert "Please log in first" in refusal
    page = fill_in_login(refusal).follow()
    assert page.request.path == "/account"
    assert "Welcome, Ada Lovelace." in page
    assert "Ada Lovelace</h1>" in page


def test_a_login_changes_the_cookie_and_keeps_row_and_cart(browser: Any, file: Path) -> None:
    """A cookie planted before the login opens nothing after it; the visitor loses nothing."""
    put_into_cart(browser, "assam")
    planted, row_before = browser.cookies["session"], rows(file, "SELECT id FROM web_sessions")
    fill_in_login(browser.get("/login"))
    assert browser.cookies["session"] != planted
    assert rows(file, "SELECT id FROM web_sessions") == row_before
    assert "In your cart: 1" in browser.get("/cart")
    browser.reset()
    browser.set_cookie("session", planted)
    assert "Please log in first" in browser.get("/account", status=403)


def test_an_order_by_a_user_is_in_the_account(browser: Any) -> None:
    """The account lists the orders of its user, and not those of guests."""
    put_into_cart(browser, "assam")
    order(browser, "accepted")
    assert "Your orders: 0" in fill_in_login(browser.get("/login")).follow()
    put_into_cart(browser, "sencha")
    assert "UTC by Ada Lovelace" in order(browser, "accepted")
    page = browser.get("/account")
    assert "Your orders: 1" in page
    assert "1 \N{MULTIPLICATION SIGN} Sencha from Uji" in page


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "flow-matic"), ("ada", ""), ("nobody", "analytical-engine")]
)
def test_a_wrong_login_is_asked_again(browser: Any, name: str, password: str) -> None:
    """A wrong password and a wrong name are answered alike, and the name stays in the form."""
    refusal = fill_in_login(browser.get("/account", status=403), name, password)
    assert refusal.status_int == 400
    assert "No user has this name and password." in refusal
    assert form(refusal, "/login")["name"].value == name
    assert form(refusal, "/login")["came_from"].value == "/account"
    browser.get("/account", status=403)


@pytest.mark.parametrize("elsewhere", ["https://example.com/", "//example.com", "/\\example.com"])
def test_a_login_leads_nowhere_else(browser: Any, elsewhere: str) -> None:
    """An address of another site in the form is replaced by the account's."""
    page = browser.get("/login")
    form(page, "/login")["came_from"].force_value(elsewhere)
    assert fill_in_login(page).location == "http://localhost/account"


def test_passwords_are_stored_as_salted_hashes(browser: Any, file: Path) -> None:
    """The users table holds no password, and two hashes never start alike."""
    [(ada,), (grace,)] = rows(file, "SELECT password_hash FROM users ORDER BY name")
    assert "analytical-engine" not in ada
    assert ada.split("$")[0] != grace.split("$")[0]


def test_starting_again_adds_no_user_twice(shop: Any, file: Path) -> None:
    """The demo users are added to an empty table only."""
    with open_shop(file):
        pass
    assert rows(file, "SELECT name FROM users ORDER BY name") == [("ada",), ("grace",)]


def test_a_logout_ends_the_session_and_says_so(browser: Any, file: Path) -> None:
    """The row and the cart go; the message is in a new session with a new cookie."""
    put_into_cart(browser, "assam")
    page = fill_in_login(browser.get("/login")).follow()
    old = browser.cookies["session"]
    page = form(page, "/logout").submit().follow()
    assert "You are logged out." in page
    assert "Cart (0)" in page
    assert rows(file, "SELECT count(*) FROM web_sessions") == [(1,)]
    browser.reset()
    browser.set_cookie("session", old)
    browser.get("/account", status=403)


def test_forgetting_leaves_neither_row_nor_cookie(browser: Any, file: Path) -> None:
    """A session that ends with nothing after it is gone on both sides."""
    page = browser.get("/")
    page = form(page, "/forget-me").submit().follow()
    assert "You have no row" in page
    assert "session" not in browser.cookies
    assert rows(file, "SELECT count(*) FROM web_sessions") == [(0,)]


@pytest.mark.parametrize("address", POSTS)
def test_a_form_without_its_token_changes_nothing(browser: Any, file: Path, address: str) -> None:
    """Every POST wants the CSRF token of the session."""
    put_into_cart(browser, "assam")
    before = rows(file, "SELECT * FROM web_sessions")
    assert "This form is out of date" in browser.post(address, status=400)
    assert rows(file, "SELECT * FROM web_sessions") == before


def log_in(
    browser: webtest.TestApp, name: str = "ada", password: str = "analytical-engine"
) -> Any:
    """Log in; return the page with the user's sessions."""
    fill_in_login(browser.get("/login"), name, password)
    return browser.get("/sessions")


def forms(page: Any, action: str) -> list[Any]:
    """The forms of a page that are sent to an address."""
    return [form for form in page.forms.values() if form.action == action]


def password_form(page: Any, current: str, new: str) -> Any:
    """Send the form that changes the password; return the page that follows."""
    sent = form(page, "/password")
    sent["current"], sent["new"] = current, new
    return sent.submit().follow()


def test_the_sessions_page_shows_where_one_is_logged_in(
    browser: Any, other_browser: Any, file: Path
) -> None:
    """One's own sessions, this one marked and not to be ended; nobody else's, no guests'."""
    put_into_cart(other_browser, "assam")
    log_in(other_browser)
    page = log_in(browser)
    assert page.text.count("<strong>this browser") == 1
    [end] = forms(page, "/sessions/end")
    users = rows(file, "SELECT id, user_id FROM web_sessions ORDER BY id")
    assert users == [(1, "ada"), (2, "ada")]
    assert 'value="1"' in end.text
    grace = webtest.TestApp(browser.app)
    assert forms(log_in(grace, "grace", "flow-matic"), "/sessions/end") == []


def test_one_session_is_ended_from_another(browser: Any, other_browser: Any) -> None:
    """The other browser is asked to log in; this one is told, and told again if it repeats it."""
    log_in(other_browser)
    page = log_in(browser)
    for message in ("Session 1 is over.", "That session was over already."):
        ended = form(page, "/sessions/end").submit("session", value="1").follow()
        assert message in ended
    assert "Please log in first" in other_browser.get("/sessions", status=403)


def test_nobody_ends_the_session_of_somebody_else(browser: Any, other_browser: Any) -> None:
    """An id is no secret, so it is no permission either."""
    log_in(other_browser, "grace", "flow-matic")
    page = log_in(browser)
    token = form(page, "/password")["csrf_token"].value
    sent = browser.post("/sessions/end", {"session": "1", "csrf_token": token}).follow()
    assert "That session was over already." in sent
    browser.post("/sessions/end", {"session": "one", "csrf_token": token}, status=400)
    other_browser.get("/sessions")


def test_all_other_sessions_are_ended_at_once(browser: Any, other_browser: Any) -> None:
    """And this one goes on."""
    log_in(other_browser)
    page = form(log_in(browser), "/sessions/end-others").submit().follow()
    assert "You are logged in here only: 1 other session was ended." in page
    assert forms(page, "/sessions/end-others") == []
    other_browser.get("/sessions", status=403)


def test_a_new_password_ends_all_other_sessions(browser: Any, other_browser: Any) -> None:
    """The old password and the other browser open nothing afterwards."""
    log_in(other_browser)
    page = password_form(log_in(browser), "analytical-engine", "difference-engine")
    assert "Your password is changed, and 1 other session was ended" in page
    other_browser.get("/account", status=403)
    assert fill_in_login(other_browser.get("/login")).status_int == 400
    log_in(other_browser, "ada", "difference-engine")


@pytest.mark.parametrize(
    ("current", "new"), [("flow-matic", "difference-engine"), ("analytical-engine", "short")]
)
def test_a_password_that_is_not_changed_ends_nothing(
    browser: Any, other_browser: Any, current: str, new: str
) -> None:
    """A wrong one, or one that is too short."""
    log_in(other_browser)
    assert "Nothing was changed." in password_form(log_in(browser), current, new)
    other_browser.get("/sessions")


@pytest.mark.parametrize("address", POSTS_OF_USERS)
def test_what_is_for_users_wants_their_token_too(
    browser: Any, other_browser: Any, address: str
) -> None:
    """A form of another site ends no sessions."""
    log_in(other_browser)
    log_in(browser)
    assert "This form is out of date" in browser.post(address, status=400)
    other_browser.get("/sessions")


def test_the_row_page_shows_the_row(browser: Any, file: Path) -> None:
    """Every column is there, the digest shortened, the data readable."""
    put_into_cart(browser, "assam")
    browser.get("/cart")
    [(digest, created)] = rows(file, "SELECT hex(digest), created FROM web_sessions")
    page = browser.get("/row")
    assert f"{digest[:16].lower()}…" in page
    assert digest.lower() not in page
    assert f"{created} = 20" in page
    assert "&#34;assam&#34;: 1" in page
    for [column] in rows(file, "SELECT name FROM pragma_table_info('web_sessions')"):
        assert f"<code>{column}</code>" in page


def test_the_row_page_shows_the_digest_before_the_login(browser: Any, file: Path) -> None:
    """After a login the superseded digest stands in the row."""
    browser.get("/login")
    [(before,)] = rows(file, "SELECT hex(digest) FROM web_sessions")
    fill_in_login(browser.get("/login"))
    assert f"{before[:16].lower()}…" in browser.get("/row")


def test_the_row_page_never_shows_the_cookie(browser: Any, file: Path) -> None:
    """The browser's secret is neither in the page nor, in any spelling, in the row."""
    browser.get("/")
    secret = browser.cookies["session"]
    octets = urlsafe_b64decode(secret + "=")
    assert secret not in browser.get("/row")
    assert octets.hex() not in browser.get("/row")
    [row] = rows(file, "SELECT * FROM web_sessions")
    for value in row:
        stored = value if isinstance(value, bytes) else str(value).encode()
        assert secret.encode() not in stored
        assert octets not in stored
        assert octets.hex().encode() not in stored


def test_who_only_looks_has_no_row(browser: Any, file: Path) -> None:
    """The row page of a newcomer makes neither row nor cookie."""
    page = browser.get("/row")
    assert "You have no row" in page
    assert "Set-Cookie" not in page.headers
    assert rows(file, "SELECT count(*) FROM web_sessions") == [(0,)]


def test_a_style_sheet_is_served_without_looking_at_the_session(browser: Any) -> None:
    """A static file does not depend on who asks for it."""
    browser.get("/")
    style = browser.get("/static/demo.css")
    assert "prefers-color-scheme: dark" in style
    assert "Vary" not in style.headers
    assert "Set-Cookie" not in style.headers


def test_pyramid_tm_may_ask_who_is_logged_in(file: Path) -> None:
    """The login is found before the view too, as it is without the shop's setting."""
    with open_shop(file, **{"tm.annotate_user": "true"}) as shop:
        browser = webtest.TestApp(shop)
        fill_in_login(browser.get("/account", status=403))
        assert "Ada Lovelace</h1>" in browser.get("/account")


def test_an_address_without_page_is_answered_by_a_page(browser: Any) -> None:
    """The not-found view leads back to the shop."""
    assert "There is nothing at this address." in browser.get("/nowhere", status=404)


def test_prices_are_written_with_two_digits() -> None:
    """Five cents are no fifty."""
    assert euros(1205) == "12.05 €"
