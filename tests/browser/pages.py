"""Every page of the shop in each of its states, and the ways that lead a newcomer there."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page

from tests.browser.visitors import (
    expect_heading,
    expect_message,
    fill_in_login,
    log_in,
    order,
    put_into_cart,
)

WIDTHS = {"desk": 1280, "phone": 380}  # pixels


def _second_visit(page: Page) -> None:
    page.goto("/")
    page.reload()


def _filled_cart(page: Page) -> None:
    put_into_cart(page, "Sencha", "Assam", "Sencha")


def _refused_order(page: Page) -> None:
    _filled_cart(page)
    order(page, paid=False)


def _placed_order(page: Page) -> None:
    _filled_cart(page)
    order(page, paid=True)


def _wrong_login(page: Page) -> None:
    page.goto("/login")
    fill_in_login(page, password="difference-engine")
    expect_message(page, "No user has this name and password.")


def _account(page: Page) -> None:
    log_in(page)
    put_into_cart(page, "Oolong")
    order(page, paid=True)
    page.goto("/account")


def _sessions(page: Page) -> None:
    log_in(page)
    page.context.clear_cookies()  # as in another browser, of which only the row is seen here
    log_in(page)
    page.goto("/sessions")


def _row(page: Page) -> None:
    log_in(page)
    put_into_cart(page, "Oolong")
    page.goto("/row")


def _stale_form(page: Page) -> None:
    page.goto("/cart")
    page.context.clear_cookies()
    page.get_by_role("button", name="Add Assam").click()
    expect_heading(page, "This form is out of date")


PAGES: dict[str, Callable[[Page], object]] = {
    "visits": _second_visit,
    "no-row": lambda page: page.goto("/row"),
    "empty-cart": lambda page: page.goto("/cart"),
    "filled-cart": _filled_cart,
    "refused-order": _refused_order,
    "placed-order": _placed_order,
    "refused-page": lambda page: page.goto("/account"),
    "wrong-login": _wrong_login,
    "account": _account,
    "sessions": _sessions,
    "row": _row,
    "stale-form": _stale_form,
    "no-page": lambda page: page.goto("/nowhere"),
}
