"""Logged in with two browsers, and then with one; and nobody who stays idle stays logged in."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.shop import Shop
from tests.browser.visitors import (
    expect_cart,
    expect_heading,
    expect_message,
    fill_in_login,
    log_in,
    put_into_cart,
)
from tests.harness import Clock

MINUTE = 60


def expect_login_form(page: Page, path: str) -> None:
    """Ask for a page of users; be asked to log in."""
    page.goto(path)
    expect_heading(page, "Please log in first")


def test_a_login_keeps_the_cart_and_changes_the_cookie(visitor: Page, shop: Shop) -> None:
    """The page that was refused is shown after it."""
    put_into_cart(visitor, "Assam")
    [before] = visitor.context.cookies()
    expect_login_form(visitor, "/sessions")
    fill_in_login(visitor)
    expect_heading(visitor, "Where you are logged in")
    expect_cart(visitor, 1)
    [after] = visitor.context.cookies()
    assert after["value"] != before["value"]
    assert shop.rows("SELECT id, user_id FROM web_sessions") == [(1, "ada")]


def test_a_wrong_password_is_asked_for_again(visitor: Page) -> None:
    """The name stays, and what is typed next goes where the password belongs."""
    visitor.goto("/login")
    fill_in_login(visitor, password="difference-engine")
    expect_message(visitor, "No user has this name and password.")
    expect(visitor.get_by_label("Name")).to_have_value("ada")
    expect(visitor.get_by_label("Password")).to_be_focused()
    visitor.keyboard.type("analytical-engine")
    visitor.keyboard.press("Enter")
    expect_heading(visitor, "Ada Lovelace")


def test_a_logout_is_one_in_every_tab(visitor: Page) -> None:
    """A form that was loaded before it is refused, with a page that says why."""
    log_in(visitor)
    visitor.goto("/cart")
    other_tab = visitor.context.new_page()
    other_tab.goto("/")
    other_tab.get_by_role("button", name="Log out").click()
    expect_message(other_tab, "You are logged out.")
    visitor.get_by_role("button", name="Add Assam").click()
    expect_heading(visitor, "This form is out of date")
    expect_login_form(visitor, "/account")


def test_the_session_of_another_browser_is_ended(visitor: Page, other_visitor: Page) -> None:
    """It is asked to log in again, with its cart gone; this one goes on."""
    log_in(other_visitor)
    put_into_cart(other_visitor, "Oolong")
    log_in(visitor)
    visitor.goto("/sessions")
    this = visitor.get_by_role("main").get_by_role("listitem").filter(has_text="this browser")
    expect(this).to_contain_text("Row 2")
    visitor.get_by_role("button", name="End session 1").click()
    expect_message(visitor, "Session 1 is over.")
    expect(visitor.get_by_role("button", name="End session 1")).to_have_count(0)
    expect_login_form(other_visitor, "/account")
    expect_cart(other_visitor, 0)


def test_all_others_are_ended_at_once(visitor: Page, other_visitor: Page) -> None:
    """This browser is the only one left, and has nothing more to end."""
    log_in(other_visitor)
    log_in(visitor)
    visitor.goto("/sessions")
    visitor.get_by_role("button", name="End all others").click()
    expect_message(visitor, "You are logged in here only: 1 other session was ended.")
    expect(visitor.get_by_role("button", name="End all others")).to_have_count(0)
    expect_login_form(other_visitor, "/sessions")


def test_a_new_password_logs_out_everywhere_else(visitor: Page, other_visitor: Page) -> None:
    """Who knew the old one is out, and does not come in again with it."""
    log_in(other_visitor)
    log_in(visitor)
    visitor.goto("/sessions")
    visitor.get_by_label("Your password").fill("analytical-engine")
    visitor.get_by_label("A new one").fill("difference-engine")
    visitor.get_by_role("button", name="Change it").click()
    expect_message(visitor, "Your password is changed, and 1 other session was ended")
    expect_login_form(other_visitor, "/account")
    fill_in_login(other_visitor, password="analytical-engine")
    expect_message(other_visitor, "No user has this name and password.")
    fill_in_login(other_visitor, password="difference-engine")
    expect_heading(other_visitor, "Ada Lovelace")


def test_a_password_that_is_too_short_is_not_even_sent(visitor: Page, shop: Shop) -> None:
    """The browser holds it back, and shows where."""
    log_in(visitor)
    before = shop.rows("SELECT * FROM users")
    visitor.goto("/sessions")
    visitor.get_by_label("Your password").fill("analytical-engine")
    visitor.get_by_label("A new one").press_sequentially("short")
    visitor.get_by_role("button", name="Change it").click()
    expect(visitor.get_by_label("A new one")).to_be_focused()
    assert visitor.get_by_label("A new one").evaluate("field => field.validity.tooShort")
    assert shop.rows("SELECT * FROM users") == before


@pytest.mark.parametrize("settings", [{"sqlsession.expiration": "20m"}])
def test_an_idle_session_expires(visitor: Page, clock: Clock) -> None:
    """Whoever comes in time stays logged in; who does not is a stranger with an empty cart."""
    log_in(visitor)
    put_into_cart(visitor, "Sencha")
    for _ in range(2):
        clock.advance(19 * MINUTE)
        visitor.goto("/account")
        expect_heading(visitor, "Ada Lovelace")
    clock.advance(20 * MINUTE)
    visitor.reload()
    expect_heading(visitor, "Please log in first")
    expect_cart(visitor, 0)
