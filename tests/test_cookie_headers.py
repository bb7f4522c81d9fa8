"""The headers of responses that are not WebOb's, or that are changed late."""

from __future__ import annotations

from typing import Any

from pyramid.interfaces import IResponse
from zope.interface import implementer

from tests.harness import MakeApp, only_on_sqlite


@implementer(IResponse)
class PlainResponse:
    """What Pyramid asks of a response, and no more: `headers` is a copy, in a plain dict."""

    RequestClass = None

    def __init__(self) -> None:
        self.status = "200 OK"
        self.headerlist = [("Content-Type", "text/plain"), ("Set-Cookie", "another=1")]
        self.headers = dict(self.headerlist)
        self.app_iter = [b"plain"]

    def __call__(self, environ: Any, start_response: Any) -> Any:
        start_response(self.status, self.headerlist)
        return self.app_iter


@only_on_sqlite
def test_a_response_need_not_be_webobs(make_app: MakeApp) -> None:
    """The cookie goes into `headerlist`, which is what the server sends."""

    def view(request: Any) -> PlainResponse:
        request.session["x"] = 1
        return PlainResponse()

    app = make_app(views={"/": view})
    response = app.get("/")
    assert len(app.set_cookies(response)) == 1
    assert response.headers["Vary"] == "Cookie"
    assert response.headers["Cache-Control"] == "private"
    assert app.browser.cookies["another"] == "1"
    assert app.get("/read").json == {"x": 1}


def test_a_cookie_that_was_announced_too_early_is_taken_back(make_app: MakeApp) -> None:
    """A response callback after ours ends the session that was just begun."""

    def leave(request: Any, response: Any) -> None:
        response.set_cookie("another", "1")
        request.session.invalidate()

    def view(request: Any) -> None:
        request.session["x"] = 1
        request.add_response_callback(leave)

    app = make_app(views={"/": view})
    assert app.set_cookies(app.get("/")) == []
    assert app.browser.cookies == {"another": "1"}
    assert app.rows() == []
