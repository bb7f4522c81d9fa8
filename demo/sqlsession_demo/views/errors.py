"""The pages of requests that could not be served."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import BadCSRFToken
from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound
from pyramid.request import Request


def bad_csrf_token(error: BadCSRFToken, request: Request) -> dict[str, Any]:
    """Say that the form was not made for this session."""
    request.response.status_int = 400
    return {
        "title": "This form is out of date",
        "explanation": "It was made for another session, perhaps before a logout in another tab. "
        "Nothing was changed. Go back, load the page again and send the form once more.",
    }


def bad_request(error: HTTPBadRequest, request: Request) -> dict[str, Any]:
    """Say what was wrong with the request."""
    request.response.status_int = 400
    return {"title": "That did not make sense", "explanation": error.detail}


def not_found(error: HTTPNotFound, request: Request) -> dict[str, Any]:
    """Say that there is no such page."""
    request.response.status_int = 404
    return {"title": "No such page", "explanation": "There is nothing at this address."}


def includeme(config: Configurator) -> None:
    """Add the views."""
    template = "sqlsession_demo:templates/error.jinja2"
    config.add_exception_view(bad_csrf_token, context=BadCSRFToken, renderer=template)
    config.add_exception_view(bad_request, context=HTTPBadRequest, renderer=template)
    config.add_notfound_view(not_found, renderer=template)
