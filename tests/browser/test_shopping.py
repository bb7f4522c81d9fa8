"""Visits, the cart, and orders that leave everything behind them, or nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.shop import Shop, write_ini
from tests.browser.visitors import (
    expect_cart,
    expect_heading,
    expect_message,
    order,
    put_into_cart,
)
from tests.servers import answer, free_port, served, wait_until

# The form of a button, sent by two requests that do not wait for each other.
SEND_TWICE = """async name => {
  const button = [...document.querySelectorAll("button")].find(b => b.innerText === name);
  const body = () => new URLSearchParams(new FormData(button.form, button));
  const send = () => fetch(button.form.action, {method: "POST", body: body(), redirect: "manual"});
  await Promise.all([send(), send()]);
}"""


def cart_in_the_database(shop: Shop) -> dict[str, int]:
    [(data,)] = shop.rows("SELECT data FROM web_sessions")
    cart: dict[str, int] = json.loads(data).get("cart", {})
    return cart


def test_visits_are_counted_for_each_browser(visitor: Page, other_visitor: Page) -> None:
    """A reload is a visit; what another browser does is none."""
    visitor.goto("/")
    expect_heading(visitor, "This is your first visit")
    visitor.reload()
    expect_heading(visitor, "This is your visit number 2")
    other_visitor.goto("/")
    expect_heading(other_visitor, "This is your first visit")
    visitor.reload()
    expect_heading(visitor, "This is your visit number 3")


def test_the_command_of_the_documentation_serves_the_shop(
    newcomer: Callable[..., Page], tmp_path: Path
) -> None:
    """`pserve` in a process of its own, which knows no test."""
    port = free_port()
    ini = write_ini(tmp_path, {}, port)
    with served(["pserve", str(ini)], tmp_path):
        wait_until(lambda: answer(port) is not None, "the server")
        visitor = newcomer(base_url=f"http://127.0.0.1:{port}")
        put_into_cart(visitor, "Rooibos")
        order(visitor, paid=True)


def test_no_script_of_a_page_reads_the_cookie(visitor: Page) -> None:
    """The browser heeds the attributes of the one cookie that there is."""
    visitor.goto("/")
    [cookie] = visitor.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("session", True, "Lax")
    assert visitor.evaluate("document.cookie") == ""


def test_who_is_forgotten_has_no_cookie_left(visitor: Page, shop: Shop) -> None:
    """The browser deletes it, as the database does the row."""
    visitor.goto("/")
    visitor.get_by_role("button", name="Forget me").click()
    expect_heading(visitor, "You have no row")
    assert visitor.context.cookies() == []
    assert shop.rows("SELECT count(*) FROM web_sessions") == [(0,)]


def test_the_cart_is_filled_and_emptied(visitor: Page, shop: Shop) -> None:
    """Page and database agree after each step."""
    put_into_cart(visitor, "Sencha", "Assam", "Sencha")
    expect(visitor.get_by_role("row", name="Sencha")).to_contain_text("25.00 €")
    assert cart_in_the_database(shop) == {"sencha": 2, "assam": 1}
    visitor.get_by_role("button", name="Remove Sencha").click()
    expect_cart(visitor, 1)
    assert cart_in_the_database(shop) == {"assam": 1}


def test_an_order_that_fails_leaves_cart_and_database_as_they_were(
    visitor: Page, shop: Shop
) -> None:
    """It had been written, and the cart emptied, when the payment was refused."""
    put_into_cart(visitor, "Oolong", "Rooibos")
    order(visitor, paid=False)
    expect_cart(visitor, 2)
    expect(visitor.get_by_text("The table is empty.")).to_be_visible()
    assert cart_in_the_database(shop) == {"oolong": 1, "rooibos": 1}
    assert shop.rows("SELECT count(*) FROM orders") == [(0,)]


def test_an_order_is_placed_and_the_cart_is_empty(visitor: Page, shop: Shop) -> None:
    """Also after one that failed; who reloads the page orders nothing again."""
    put_into_cart(visitor, "Oolong", "Oolong")
    order(visitor, paid=False)
    order(visitor, paid=True)
    expect_cart(visitor, 0)
    expect(visitor.get_by_role("row", name="Oolong")).to_contain_text("29.60 €")
    assert cart_in_the_database(shop) == {}
    visitor.reload()
    expect(visitor.get_by_role("status")).to_have_count(0)
    assert shop.rows("SELECT total FROM orders") == [(2960,)]


def test_an_order_that_is_sent_twice_at_once_is_placed_once(visitor: Page, shop: Shop) -> None:
    """As by an impatient double click: the second finds the cart empty."""
    put_into_cart(visitor, "Sencha")
    visitor.evaluate(SEND_TWICE, "Place the order")
    visitor.reload()
    expect_message(visitor, "Order 1 is placed")
    expect_cart(visitor, 0)
    assert shop.rows("SELECT total FROM orders") == [(1250,)]


def test_two_tabs_share_a_cart(visitor: Page) -> None:
    """They have one cookie; each sees at its next page what the other did."""
    put_into_cart(visitor, "Assam")
    other_tab = visitor.context.new_page()
    put_into_cart(other_tab, "Assam")
    visitor.reload()
    expect_cart(visitor, 2)
