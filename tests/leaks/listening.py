"""Where the search listens: whatever is issued, and whatever somebody could read."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import wraps
from typing import Any

import pytest
import webtest
from pyramid.request import CallbackMethodsMixin

from pyramid_sqlsession import SQLSessionError, events, session_id
from pyramid_sqlsession.lifecycle import lifecycles_of
from tests.leaks.errors import traceback_of, variables_of
from tests.leaks.objects import shown_of_request
from tests.leaks.pages import searchable
from tests.leaks.search import Place, Search

PACKAGE = "pyramid_sqlsession"


@contextmanager
def listening(search: Search) -> Iterator[None]:
    """Tell the search meanwhile what is issued, and what can be read besides logs and output."""
    with pytest.MonkeyPatch.context() as patch:
        for listen in LISTENERS:
            listen(search, patch)
        yield


def _replace(patch: pytest.MonkeyPatch, function: Any, replacement: Any) -> None:
    """Replace a function of ours in every module that has it."""
    called = function.__name__
    ours = [module for name, module in sys.modules.items() if name.startswith(PACKAGE)]
    for module in ours:
        if vars(module).get(called) is function:
            patch.setattr(module, called, replacement)


def _to_ids(search: Search, patch: pytest.MonkeyPatch) -> None:
    """Also to those that tests make themselves, and plant."""
    make, sign = session_id.new_session_id, session_id.to_cookie

    @wraps(make)
    def new_session_id() -> session_id.SessionId:
        made = make()
        search.issue(made)
        return made

    @wraps(sign)
    def to_cookie(*args: Any) -> session_id.Hidden:
        cookie = sign(*args)
        signature = cookie.partition(".")[2]
        if signature:
            search.sign(signature)
        return cookie

    _replace(patch, make, new_session_id)
    _replace(patch, sign, to_cookie)


def _to_events(search: Search, patch: pytest.MonkeyPatch) -> None:
    """All, though nobody may have subscribed."""
    notify = events.notify

    @wraps(notify)
    def tell_and_notify(request: Any, event: type[Any], *facts: Any) -> None:
        search.read(Place.EVENT, repr(_unmade(event, request, *facts)))
        notify(request, event, *facts)

    _replace(patch, notify, tell_and_notify)


def _unmade(event: type[Any], *facts: Any) -> Any:
    """An event that nobody can have seen being made."""
    found = object.__new__(event)
    for field, fact in zip(fields(event), facts, strict=True):
        object.__setattr__(found, field.name, fact)
    return found


def _to_errors(search: Search, patch: pytest.MonkeyPatch) -> None:
    """All of ours, whoever catches them."""
    initialise = SQLSessionError.__init__

    def tell(self: SQLSessionError, *args: Any) -> None:
        initialise(self, *args)
        search.read(Place.ERROR, repr(args))

    patch.setattr(SQLSessionError, "__init__", tell)


def tell_of_error(search: Search, error: BaseException) -> None:
    """Tell what is shown of an error that somebody sees."""
    search.read(Place.ERROR, traceback_of(error))
    for text in variables_of(error):
        search.read(Place.VARIABLE, text)


def _to_requests(search: Search, patch: pytest.MonkeyPatch) -> None:
    """To what a request has become, before it is let go, if it has used its session."""
    finish = CallbackMethodsMixin._process_finished_callbacks

    def tell_and_finish(request: Any) -> None:
        if lifecycles_of(request):
            _tell_of_request(search, request)
        finish(request)

    patch.setattr(CallbackMethodsMixin, "_process_finished_callbacks", tell_and_finish)


def _tell_of_request(search: Search, request: Any) -> None:
    for text in shown_of_request(request):
        search.read(Place.OBJECT, text)
    if isinstance(getattr(request, "exception", None), BaseException):
        tell_of_error(search, request.exception)


def _to_responses(search: Search, patch: pytest.MonkeyPatch) -> None:
    """To every response that a test looks at through WebTest, or the error that comes instead."""
    ask = webtest.TestApp.do_request

    def ask_and_tell(self: Any, *args: Any, **kw: Any) -> Any:
        try:
            response = ask(self, *args, **kw)
        except Exception as error:
            tell_of_error(search, error)
            raise
        _tell_of_response(search, response)
        return response

    patch.setattr(webtest.TestApp, "do_request", ask_and_tell)


def _tell_of_response(search: Search, response: Any) -> None:
    search.read(Place.BODY, searchable(response.body.decode("latin-1")))
    for name, value in response.headerlist:
        shown = value.partition(";")[2] if name.lower() == "set-cookie" else value
        search.read(Place.HEADER, f"{name}: {shown}")


def _to_warnings(search: Search, patch: pytest.MonkeyPatch) -> None:
    warn = warnings.warn

    def tell_and_warn(message: Any, category: Any = None, stacklevel: int = 1, **kw: Any) -> None:
        search.read(Place.WARNING, str(message))
        warn(message, category, stacklevel + 1, **kw)

    patch.setattr(warnings, "warn", tell_and_warn)


def _to_captures(search: Search, patch: pytest.MonkeyPatch) -> None:
    """To the output that a test asks for, and that is then no part of pytest's report."""
    read = pytest.CaptureFixture.readouterr

    def read_and_tell(self: pytest.CaptureFixture[Any]) -> Any:
        found = read(self)
        for text in found:
            search.read(Place.OUTPUT, str(text))
        return found

    patch.setattr(pytest.CaptureFixture, "readouterr", read_and_tell)


LISTENERS = (
    *(_to_ids, _to_events, _to_errors, _to_requests, _to_responses, _to_warnings, _to_captures),
)
