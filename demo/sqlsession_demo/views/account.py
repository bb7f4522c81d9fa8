"""Login, logout, and the page that only users see."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.csrf import new_csrf_token
from pyramid.httpexceptions import HTTPForbidden, HTTPSeeOther
from pyramid.request import Request
from pyramid.security import forget, remember
from sqlalchemy import select

from sqlsession_demo.models import DEMO_USERS, Order, User
from sqlsession_demo.passwords import hash_password


def account(request: Request) -> dict[str, Any]:
    """Show who is logged in, and what that user has ordered."""
    orders = select(Order).where(Order.customer == request.identity).order_by(Order.id.desc())
    return {"user": request.identity, "orders": request.dbsession.scalars(orders).all()}


def login_form(request: Request) -> dict[str, Any]:
    """Ask for a name and a password."""
    return _form(came_from=request.route_path("account"))


def login_instead(forbidden: HTTPForbidden, request: Request) -> dict[str, Any]:
    """Ask for a name and a password where a page was refused."""
    request.response.status_int = 403
    return _form(came_from=request.path_qs, refused=True)


def login(request: Request) -> dict[str, Any] | HTTPSeeOther:
    """Log in, which by itself gives the session a new id, or ask again."""
    name = request.POST.get("name", "")
    came_from = _local(request, request.POST.get("came_from", ""))
    user = _user_with(request, name, request.POST.get("password", ""))
    if user is None:
        request.response.status_int = 400
        return _form(came_from=came_from, name=name, wrong=True)
    headers = remember(request, user.name)
    new_csrf_token(request)
    request.session.flash(
        f"Welcome, {user.full_name}. Your session has a new id; row and cart are the same."
    )
    return HTTPSeeOther(came_from, headers=headers)


def logout(request: Request) -> HTTPSeeOther:
    """Log out, which ends the session; the message begins another."""
    headers = forget(request)
    request.session.flash("You are logged out. The row of that session is deleted.")
    return HTTPSeeOther(request.route_path("home"), headers=headers)


def _form(
    came_from: str, name: str = "", *, wrong: bool = False, refused: bool = False
) -> dict[str, Any]:
    return {
        "came_from": came_from,
        "name": name,
        "wrong": wrong,
        "refused": refused,
        "demo_users": [(name, password) for name, _, password in DEMO_USERS],
    }


def _user_with(request: Request, name: str, password: str) -> User | None:
    """Return the user; a name that nobody has takes as long as a wrong password."""
    user: User | None = request.dbsession.get(User, name)
    if user is None:
        hash_password(password)
        return None
    return user if user.has_password(password) else None


def _local(request: Request, address: str) -> str:
    """Return `address` if it is a path of this shop; a login must not lead elsewhere."""
    if address.startswith("/") and not address.startswith(("//", "/\\")):
        return address
    path: str = request.route_path("account")
    return path


def includeme(config: Configurator) -> None:
    """Add the views; the form is shown at /login and wherever a page is forbidden."""
    form = "sqlsession_demo:templates/login.jinja2"
    config.add_view(
        account,
        route_name="account",
        permission="view",
        renderer="sqlsession_demo:templates/account.jinja2",
    )
    config.add_view(login_form, route_name="login", request_method="GET", renderer=form)
    config.add_view(login, route_name="login", request_method="POST", renderer=form)
    config.add_view(logout, route_name="logout")
    config.add_forbidden_view(login_instead, renderer=form)
