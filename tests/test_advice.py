"""Settings that leave sessions less safe than they can be are spoken about once, in words."""

from __future__ import annotations

import pytest
import webtest
from waitress.proxy_headers import proxy_headers_middleware

from tests.harness import MakeApp, only_on_sqlite

pytestmark = only_on_sqlite

PROXIED = {"HTTP_X_FORWARDED_FOR": "192.0.2.1", "HTTP_X_FORWARDED_PROTO": "https"}
BY_HTTPS = {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_ORIGIN": "https://shop.example"}
FROM_A_PAGE = {"HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_REFERER": "https://shop.example/"}


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        one.getMessage() for one in caplog.records if one.name.startswith("pyramid_sqlsession")
    ]


@pytest.mark.parametrize(
    ("settings", "about"),
    [
        ({}, []),
        ({"cookie_secure": "true"}, []),
        ({"cookie_secure": "false"}, ["cookie_secure is false"]),
        ({"expiration": "none"}, ["sessions never end"]),
        ({"expiration": "none", "absolute_expiration": "14d"}, []),
        (
            {"cookie_secure": "false", "expiration": "none"},
            ["cookie_secure is false", "sessions never end"],
        ),
    ],
    ids=str,
)
def test_start_up_warns_of_what_is_less_safe(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, settings: dict[str, str], about: list[str]
) -> None:
    """Once, and of nothing that is meant."""
    app = make_app(settings={f"sqlsession.{name}": value for name, value in settings.items()})
    app.get("/write?x=1", extra_environ={"wsgi.url_scheme": "https"})
    found = said(caplog)
    assert len(found) == len(about)
    assert all(words in sentence for words, sentence in zip(about, found, strict=True))


def test_a_proxy_that_does_not_say_https_is_warned_about_once(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    """When a cookie is sent without Secure, and not before."""
    app = make_app()
    app.get("/read", extra_environ=PROXIED)
    assert said(caplog) == []
    for _ in range(2):
        app.another_browser().get("/write?x=1", extra_environ=PROXIED)
    (sentence,) = said(caplog)
    assert "a proxy has passed on a request as plain http" in sentence


@pytest.mark.parametrize("environ", [BY_HTTPS, FROM_A_PAGE], ids=["form", "link"])
def test_a_proxy_whose_headers_the_server_removes_is_told_by_the_browser(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture, environ: dict[str, str]
) -> None:
    """As waitress does by default; the browser still says that it was at our site by https."""
    served = webtest.TestApp(proxy_headers_middleware(make_app().wsgi))
    served.get("/write?x=1", extra_environ={"REMOTE_ADDR": "127.0.0.1", **PROXIED, **environ})
    (sentence,) = said(caplog)
    assert "a proxy has passed on a request as plain http" in sentence


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        ({}, {}),
        ({}, {**BY_HTTPS, "HTTP_ORIGIN": "http://localhost:6543"}),
        ({}, {**BY_HTTPS, "HTTP_SEC_FETCH_SITE": "cross-site"}),
        ({}, {"wsgi.url_scheme": "https", **PROXIED}),
        ({"sqlsession.cookie_secure": "true"}, PROXIED),
    ],
    ids=[
        "no proxy",
        "our own page by http",
        "somebody else's page",
        "a proxy that says https",
        "always Secure",
    ],
)
def test_nobody_is_warned_of_a_proxy_without_need(
    make_app: MakeApp,
    caplog: pytest.LogCaptureFixture,
    settings: dict[str, str],
    environ: dict[str, str],
) -> None:
    """Of one that does as it should, or does not matter."""
    make_app(settings=settings).get("/write?x=1", extra_environ=environ)
    assert said(caplog) == []
