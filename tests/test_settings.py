"""The settings: defaults, what is read, and how all that is wrong is said at once."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from configparser import ConfigParser
from datetime import timedelta
from typing import Any

import pytest
from pyramid.exceptions import ConfigurationError
from webob.cookies import RequestCookies, make_cookie

from pyramid_sqlsession.contradictions import RULES
from pyramid_sqlsession.exceptions import SettingsError, SQLSessionError
from pyramid_sqlsession.serializers import JSONSerializer
from pyramid_sqlsession.settings import SETTINGS, SessionSettings, parse_settings

SECRET = "a secret of the tests"
KEY = "k" * 42 + "A"
PASSWORD = "hunter2"


class Serializer(JSONSerializer):
    """A serializer of the application."""


class Model:
    """A class of the application."""


def get_dbsession(request: Any) -> Any:
    """Return nothing; only its name counts here."""


def fill_fields(defaults: Any, session: Any) -> None:
    """Fill nothing; only its name counts here."""


def parse(*, package: Any = None, **settings: Any) -> SessionSettings:
    """Parse settings given without their prefix, `__` standing for the dot."""
    named = {f"sqlsession.{name.replace('__', '.')}": settings[name] for name in settings}
    return parse_settings(named, package)


def complaints(**settings: Any) -> list[str]:
    """Return what is wrong with the settings, one text each."""
    with pytest.raises(SettingsError) as info:
        parse(**settings)
    headline, *problems = str(info.value).split("\n  ")
    assert headline == "These settings cannot work:"
    return problems


def test_the_defaults() -> None:
    """Nothing has to be set."""
    settings = parse_settings({})
    assert isinstance(settings.serializer, JSONSerializer)
    assert {**vars(settings), "serializer": None, "sqlalchemy": dict(settings.sqlalchemy)} == {
        "dbsession": "dbsession",
        "sqlalchemy": {},
        "model": None,
        "table": "sessions",
        "schema": None,
        "additional_fields": {},
        "extend_default_fields": None,
        "create_table": False,
        "expiration": 86_400,
        "absolute_expiration": None,
        "touch_interval": 600,
        "prune_interval": 900,
        "serializer": None,
        "on_abort": "exception-view",
        "on_conflict": "merge",
        "rotate_on_change_of": ("auth.userid",),
        "secret": (),
        "encryption_keys": None,
        "cookie_name": "session",
        "cookie_path": "/",
        "cookie_domain": None,
        "cookie_secure": None,
        "cookie_httponly": True,
        "cookie_samesite": "Lax",
        "cookie_max_age": None,
        "set_on_exception": True,
    }


def test_every_row_of_the_table_is_an_attribute() -> None:
    """A new setting is one row and one field; the engine's options are no row."""
    fields = {field.name for field in dataclasses.fields(SessionSettings)}
    assert fields == {*SETTINGS, "sqlalchemy"}


def test_every_rule_is_about_settings_in_the_table() -> None:
    """A rule about a name that does not exist would never apply."""
    for rule in RULES:
        assert set(rule.names) <= set(SETTINGS)
        assert len(inspect.signature(rule.is_contradiction).parameters) == len(rule.names)


def test_defaults_stand_nowhere_but_in_the_table() -> None:
    """The frozen object has none of its own."""
    fields = dataclasses.fields(SessionSettings)
    assert all(field.default is dataclasses.MISSING for field in fields)
    assert all(field.default_factory is dataclasses.MISSING for field in fields)


def test_an_ini_file_can_set_everything() -> None:
    """Text is converted, with several secrets on lines of their own."""
    parser = ConfigParser()
    parser.read_string(
        f"""
        [app:main]
        pyramid.includes = pyramid_tm pyramid_sqlsession
        sqlsession.dbsession = {__name__}.get_dbsession
        sqlsession.sqlalchemy.url = sqlite:///sessions.sqlite
        sqlsession.sqlalchemy.echo = true
        sqlsession.model = {__name__}:Model
        sqlsession.table = http_session_table
        sqlsession.schema = web
        sqlsession.extend_default_fields = {__name__}.fill_fields
        sqlsession.create_table = true
        sqlsession.expiration = 15m
        sqlsession.absolute_expiration = 14d
        sqlsession.touch_interval = 1m
        sqlsession.prune_interval = 30m
        sqlsession.serializer = .test_settings.Serializer
        sqlsession.on_abort = keep
        sqlsession.on_conflict = retry
        sqlsession.rotate_on_change_of = auth.userid tenant
        sqlsession.secret =
            {SECRET}

            {SECRET} of last year
        sqlsession.encryption_keys =
            {KEY}
            {KEY.upper()}=
        sqlsession.cookie_name = __Secure-id
        sqlsession.cookie_path = /app/
        sqlsession.cookie_domain = .example.com
        sqlsession.cookie_secure = true
        sqlsession.cookie_httponly = false
        sqlsession.cookie_samesite = None
        sqlsession.cookie_max_age = 90
        sqlsession.set_on_exception = false
        """.replace("\n        ", "\n")
    )
    settings = parse_settings(parser["app:main"], package="tests")
    assert isinstance(settings.serializer, Serializer)
    assert len(settings.encryption_keys or "") == 2
    objects = {"serializer": None, "encryption_keys": None}
    assert {**vars(settings), **objects, "sqlalchemy": dict(settings.sqlalchemy)} == {
        "dbsession": get_dbsession,
        "sqlalchemy": {"url": "sqlite:///sessions.sqlite", "echo": "true"},
        "model": Model,
        "table": "http_session_table",
        "schema": "web",
        "additional_fields": {},
        "extend_default_fields": fill_fields,
        "create_table": True,
        "expiration": 900,
        "absolute_expiration": 1_209_600,
        "touch_interval": 60,
        "prune_interval": 1800,
        "serializer": None,
        "on_abort": "keep",
        "on_conflict": "retry",
        "rotate_on_change_of": ("auth.userid", "tenant"),
        "secret": (SECRET, f"{SECRET} of last year"),
        "encryption_keys": None,
        "cookie_name": "__Secure-id",
        "cookie_path": "/app/",
        "cookie_domain": ".example.com",
        "cookie_secure": True,
        "cookie_httponly": False,
        "cookie_samesite": "None",
        "cookie_max_age": 90,
        "set_on_exception": False,
    }


def test_every_setting_may_be_a_python_object() -> None:
    """An application that is configured in Python need not write text."""
    settings = parse(
        dbsession=get_dbsession,
        model=Model,
        expiration=timedelta(hours=1),
        absolute_expiration=None,
        serializer=pickle,
        rotate_on_change_of=["auth.userid"],
        secret=[SECRET],
        cookie_secure=True,
        cookie_samesite=None,
        cookie_max_age=90,
    )
    assert settings.dbsession is get_dbsession
    assert settings.model is Model
    assert settings.expiration == 3600
    assert settings.absolute_expiration is None
    assert settings.serializer is pickle
    assert settings.rotate_on_change_of == ("auth.userid",)
    assert settings.secret == (SECRET,)
    assert settings.cookie_secure is True
    assert settings.cookie_samesite is None
    assert settings.cookie_max_age == 90


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("schema", "none", None),
        ("expiration", "none", None),
        ("absolute_expiration", "none", None),
        ("prune_interval", "none", None),
        ("prune_interval", "0", None),
        ("prune_interval", 0, None),
        ("prune_interval", timedelta(minutes=1), 60),
        ("rotate_on_change_of", "none", ()),
        ("cookie_domain", "none", None),
        ("cookie_secure", "auto", None),
        ("cookie_secure", "false", False),
        ("cookie_samesite", "off", None),
        ("cookie_max_age", "none", None),
        ("table", "none", "none"),
        ("table", 'My "Sessions"', 'My "Sessions"'),
        ("cookie_path", "/a/(b)/%20", "/a/(b)/%20"),
        ("cookie_name", "!#$%&'*+-.^_`|~09azAZ", "!#$%&'*+-.^_`|~09azAZ"),
        ("cookie_domain", "xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_words_with_a_meaning_and_values_kept_verbatim(
    name: str, value: str, expected: object
) -> None:
    """`none` is None where the table allows it, and else the text that it is."""
    assert getattr(parse(**{name: value}), name) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dbsession", ""),
        ("dbsession", None),
        ("dbsession", "no.such_module"),
        ("model", "Session"),
        ("model", "json.dumps"),
        ("model", None),
        ("table", ""),
        ("table", " "),
        ("table", " sessions"),
        ("table", "sessions\n"),
        ("table", Model),
        ("schema", ""),
        ("create_table", "tru"),
        ("create_table", ""),
        ("expiration", "0"),
        ("expiration", "-1"),
        ("expiration", "soon"),
        ("absolute_expiration", "0"),
        ("touch_interval", "-1"),
        ("touch_interval", "often"),
        ("prune_interval", "-1"),
        ("prune_interval", "often"),
        ("serializer", "json"),
        ("serializer", ""),
        ("on_abort", "exception_view"),
        ("on_conflict", "merged"),
        ("rotate_on_change_of", ""),
        ("cookie_name", ""),
        ("cookie_name", "my session"),
        ("cookie_name", "a;b"),
        ("cookie_name", "a=b"),
        ("cookie_name", "séance"),
        ("cookie_name", "$session"),
        ("cookie_name", "Path"),
        ("cookie_name", "max-age"),
        ("cookie_name", "a\r\nSet-Cookie: b"),
        ("cookie_path", ""),
        ("cookie_path", "app"),
        ("cookie_path", "/;domain=example.com"),
        ("cookie_path", "/a\r\nb"),
        ("cookie_path", "/a\n"),
        ("cookie_path", "/é"),
        ("cookie_path", "/a,b"),
        ("cookie_path", "none"),
        ("cookie_domain", ""),
        ("cookie_domain", "example.com; secure"),
        ("cookie_domain", "example.com:80"),
        ("cookie_domain", "example..com"),
        ("cookie_domain", "example.com\n"),
        ("cookie_domain", "bücher.example"),
        ("cookie_secure", "https"),
        ("cookie_httponly", "auto"),
        ("cookie_samesite", "loose"),
        ("cookie_max_age", "0"),
        ("cookie_max_age", "99999999999999999999"),
        ("set_on_exception", "none"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_received_and_what_to_write(
    name: str, value: object
) -> None:
    """The sentence has the name with prefix, the value and what is accepted."""
    [problem] = complaints(**{name: value})
    assert problem.startswith(f"sqlsession.{name} = {value!r} is refused")
    assert problem.endswith(f": write {SETTINGS[name].converter.accepts}")


@pytest.mark.parametrize(
    ("name", "longest"),
    [("cookie_name", "s" * 256), ("cookie_path", "/" * 1024), ("cookie_domain", "." + "d" * 253)],
)
def test_what_browsers_would_cut_off_or_forget_is_refused(name: str, longest: str) -> None:
    """They keep 4096 octets of name and value together, and 1024 of each attribute."""
    assert getattr(parse(**{name: longest}), name) == longest
    [problem] = complaints(**{name: longest + "s"})
    assert problem.startswith(f"sqlsession.{name} = ")


@pytest.mark.parametrize(
    ("expiration", "touch_interval"),
    [("1", 0), ("99", 0), ("15m", 9), ("1h", 36), ("24h", 600), ("none", 600)],
)
def test_touches_are_a_hundredth_of_the_expiration_apart(
    expiration: str, touch_interval: int
) -> None:
    """By default; at most ten minutes."""
    assert parse(expiration=expiration).touch_interval == touch_interval


@pytest.mark.parametrize(
    ("given", "interval"),
    [("auto", 600), ("none", None), (None, None), ("0", 0), (0, 0), ("5m", 300)],
)
def test_the_touch_interval_may_be_given(given: object, interval: int | None) -> None:
    """None at all means that reading does not prolong a session."""
    assert parse(touch_interval=given).touch_interval == interval


def test_touches_too_far_apart_for_the_expiration_are_refused() -> None:
    """A session in use would end between two of them."""
    assert parse(expiration="10m", touch_interval="5m").touch_interval == 300
    [problem] = complaints(expiration="10m", touch_interval="301")
    assert "sqlsession.touch_interval = '301' with sqlsession.expiration = '10m'" in problem


def test_the_reason_is_told_where_there_is_one() -> None:
    """A misspelt module is named."""
    [problem] = complaints(model="no_such_package.models.Session")
    assert "is refused (No module named 'no_such_package'): write" in problem


def test_a_leading_dot_is_relative_to_the_given_package_and_not_to_ours() -> None:
    """Our own modules are not found by it."""
    assert parse(model=".test_settings.Model", package="tests").model is Model
    [problem] = complaints(model=".model.SessionMixin", package="tests")
    assert "tests.model" in problem


@pytest.mark.parametrize(
    ("name", "path", "domain"),
    [
        ("session", "/", "example.com"),
        ("!#$%&'*+-.^_`|~09azAZ", "/!#$%&'()*+-./:<=>?@[]^_`{|}~", ".a-b.example"),
    ],
)
def test_what_is_accepted_reaches_the_browser_as_it_is(name: str, path: str, domain: str) -> None:
    """WebOb neither refuses nor escapes any of it, and reads the cookie back."""
    settings = parse(cookie_name=name, cookie_path=path, cookie_domain=domain)
    cookie = make_cookie(
        settings.cookie_name,
        "value",
        path=settings.cookie_path,
        domain=settings.cookie_domain,
    )
    assert cookie == f"{name}=value; Domain={domain}; Path={path}"
    assert RequestCookies({"HTTP_COOKIE": f"{name}=value"})[name] == "value"


def test_a_long_value_is_cut() -> None:
    """A message is no place for a file that got into a setting."""
    [problem] = complaints(create_table="x" * 10_000)
    assert len(problem) < 300


class Unshowable:
    """An object that fails when it is to be shown."""

    def __repr__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("value", [10**5000, Unshowable()], ids=["a long number", "an object"])
@pytest.mark.parametrize("name", ["expiration", "table"])
def test_what_cannot_be_shown_is_refused_all_the_same(name: str, value: object) -> None:
    """Python itself refuses to write a number of so many digits."""
    [problem] = complaints(**{name: value})
    kind = type(value).__name__
    assert problem.startswith(f"sqlsession.{name} = a {kind} that cannot be shown is refused")


@pytest.mark.parametrize(
    ("unknown", "nearest"),
    [
        ("coockie_name", "cookie_name"),
        ("Cookie_Name", "cookie_name"),
        ("cookie-secure", "cookie_secure"),
        ("expires", "expiration"),
        ("secrets", "secret"),
        ("sqlalchemy_url", "sqlalchemy.url"),
        ("sqlalchemy", "sqlalchemy.url"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_name(unknown: str, nearest: str) -> None:
    """A misspelt setting would else be a setting that has no effect; its value is not shown."""
    with pytest.raises(SettingsError) as info:
        parse_settings({f"sqlsession.{unknown}": SECRET})
    expected = f"sqlsession.{unknown} is unknown: the nearest known name is sqlsession.{nearest}"
    assert expected in str(info.value)
    assert SECRET not in str(info.value)


@pytest.mark.parametrize("unknown", ["", "x", "zzzzzzzzzzzz"])
def test_an_unknown_key_like_no_other_is_refused_too(unknown: str) -> None:
    """There is always a nearest name."""
    with pytest.raises(SettingsError, match=f"sqlsession.{unknown} is unknown: the nearest"):
        parse_settings({f"sqlsession.{unknown}": ""})


def test_other_peoples_settings_are_not_looked_at() -> None:
    """Only keys under the prefix are ours."""
    settings = {"sqlalchemy.url": "x", "sqlsessions.table": "", "session.table": "", "table": ""}
    assert parse_settings(settings).table == "sessions"


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Wrong values, unknown keys, contradictions and the engine, in one error."""
    problems = complaints(
        create_table="tru",
        expiration="0",
        coockie_name="s",
        cookie_samesite="None",
        cookie_name="__Host-s",
        cookie_path="/app",
        sqlalchemy__echo="true",
    )
    assert [problem.split()[0] for problem in problems] == [
        "sqlsession.create_table",
        "sqlsession.expiration",
        "sqlsession.coockie_name",
        "sqlsession.cookie_samesite",
        "sqlsession.cookie_name",
        "sqlsession.cookie_name",
        "sqlsession.sqlalchemy.echo",
    ]


def test_the_error_is_pyramids_configuration_error() -> None:
    """What handles the one handles the other; it is in our family as well."""
    assert issubclass(SettingsError, ConfigurationError)
    assert issubclass(SettingsError, SQLSessionError)


@pytest.mark.parametrize("secure", ["auto", "false"])
@pytest.mark.parametrize("samesite", ["None", "none"])
def test_samesite_none_without_secure_is_refused(samesite: str, secure: str) -> None:
    """Browsers drop such a cookie, so every visitor would lose the session at once."""
    [problem] = complaints(cookie_samesite=samesite, cookie_secure=secure)
    assert problem.startswith(
        f"sqlsession.cookie_samesite = {samesite!r} with sqlsession.cookie_secure = {secure!r}: "
    )
    assert "write cookie_secure = true" in problem


def test_samesite_none_with_secure_is_fine() -> None:
    """As for an application shown in somebody else's frame."""
    assert parse(cookie_samesite="None", cookie_secure="true").cookie_samesite == "None"


@pytest.mark.parametrize("name", ["__Host-s", "__Secure-s", "__host-s", "__SECURE-s"])
@pytest.mark.parametrize("secure", ["auto", "false"])
def test_a_prefixed_name_without_secure_is_refused(name: str, secure: str) -> None:
    """Browsers know the prefixes in any case of letters."""
    [problem] = complaints(cookie_name=name, cookie_secure=secure)
    assert problem.startswith(f"sqlsession.cookie_name = {name!r} with sqlsession.cookie_secure")
    assert "write cookie_secure = true" in problem


@pytest.mark.parametrize("name", ["__Host-s", "__HOST-s"])
@pytest.mark.parametrize(
    ("other", "value", "remedy"),
    [("cookie_domain", "example.com", "none"), ("cookie_path", "/app", "/")],
)
def test_a_host_name_with_a_domain_or_another_path_is_refused(
    name: str, other: str, value: str, remedy: str
) -> None:
    """Such a cookie belongs to one host as a whole."""
    [problem] = complaints(cookie_name=name, cookie_secure="true", **{other: value})
    assert problem.startswith(f"sqlsession.cookie_name = {name!r} with sqlsession.{other} = ")
    assert f"write {other} = {remedy}, or" in problem


def test_prefixed_names_within_the_rules_are_fine() -> None:
    """The secure prefix allows domain and path, the host prefix neither."""
    parse(cookie_name="__Host-s", cookie_secure="true")
    parse(
        cookie_name="__Secure-s",
        cookie_secure="true",
        cookie_domain="example.com",
        cookie_path="/app",
    )


def test_a_refused_value_contradicts_nothing() -> None:
    """One mistake is one problem."""
    [problem] = complaints(cookie_samesite="None", cookie_secure="ture")
    assert problem.startswith("sqlsession.cookie_secure = 'ture'")


def test_engine_options_without_a_url_are_refused() -> None:
    """They would have no effect; what they hold is not shown."""
    [problem] = complaints(
        sqlalchemy__connect_args={"password": PASSWORD}, sqlalchemy__echo="true"
    )
    assert problem == (
        "sqlsession.sqlalchemy.connect_args, sqlsession.sqlalchemy.echo without an engine: write "
        "sqlsession.sqlalchemy.url as well, or remove them"
    )


@pytest.mark.parametrize("url", [f"sqlite:///{PASSWORD}", "sqlite://"])
def test_engine_options_are_handed_on_as_they_are(url: str) -> None:
    """SQLAlchemy converts them itself; the prefix is gone."""
    settings = parse(sqlalchemy__url=url, sqlalchemy__pool_size="5")
    assert settings.sqlalchemy == {"url": url, "pool_size": "5"}


@pytest.mark.parametrize("url", [False, 5, object()], ids=repr)
def test_what_is_no_text_is_refused_as_a_url(url: Any) -> None:
    """SQLAlchemy 2.0.4 takes whatever is no text for one that was read already."""
    [problem] = complaints(sqlalchemy__url=url)
    assert problem.startswith("sqlsession.sqlalchemy.url = (not shown) is refused (it cannot be")


def test_a_wrong_url_is_refused_without_showing_it() -> None:
    """Most urls hold a password."""
    [problem] = complaints(sqlalchemy__url=f"postgrs://u:{PASSWORD}@localhost/db")
    assert problem.startswith(
        "sqlsession.sqlalchemy.url = (not shown) is refused (SQLAlchemy knows no postgrs): write"
    )
    assert PASSWORD not in problem


@pytest.mark.parametrize("name", ["dbsession", "table", "create_table", "serializer"])
@pytest.mark.parametrize(
    "password", [PASSWORD, f"{PASSWORD}@/{PASSWORD}", "x" * 200 + PASSWORD, f"x {PASSWORD}"]
)
def test_a_url_in_the_wrong_place_does_not_show_its_password(name: str, password: str) -> None:
    """Whoever mixes up two settings does not find the password in the log."""
    url = f"\npostgresql://user:{password}@localhost/db"
    [problem] = complaints(**{name: url})
    assert "//***@localhost/db" in problem
    assert PASSWORD not in problem
    assert "user" not in problem.split(": write")[0]


@pytest.mark.parametrize("secret", [PASSWORD, ["x" * 20, PASSWORD], f"{'x' * 20}\n{PASSWORD}"])
def test_a_short_secret_is_refused_without_showing_it(secret: object) -> None:
    """The remedy is a command that makes a good one."""
    [problem] = complaints(secret=secret)
    assert problem.startswith("sqlsession.secret = (not shown) is refused (a secret in it is too")
    assert PASSWORD not in problem
    assert "token_urlsafe" in problem


@pytest.mark.parametrize("secret", ["", None, [], ()])
def test_an_empty_secret_is_refused(secret: object) -> None:
    """An environment variable that is not set must not switch signing off."""
    [problem] = complaints(secret=secret)
    assert "it holds no secret" in problem


def test_repr_shows_neither_secrets_nor_passwords() -> None:
    """The settings may be logged."""
    url = f"postgresql://u:{PASSWORD}@h/db"
    settings = parse(secret=SECRET, encryption_keys=KEY, sqlalchemy__url=url)
    assert SECRET not in repr(settings)
    assert KEY not in repr(settings)
    assert PASSWORD not in repr(settings)
    assert "cookie_name='session'" in repr(settings)


def test_the_settings_are_frozen() -> None:
    """What was checked at start-up holds for the life of the process."""
    settings = parse(sqlalchemy__url="sqlite://")
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.table = "other"  # type: ignore[misc]  # that is the test
    with pytest.raises(TypeError):
        settings.sqlalchemy["url"] = "other"  # type: ignore[index]  # that is the test
