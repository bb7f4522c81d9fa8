"""Browsers that know nothing of each other, and what visitors do with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from tests.browser import VARIABLE
from tests.servers import PATIENCE

# A browser that is being tested has nothing to look for elsewhere, and no screen to draw for.
STAY_AT_HOME = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)

expect.set_options(timeout=PATIENCE * 1000)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser that the environment names; nothing is ever downloaded."""
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=os.environ[VARIABLE], args=STAY_AT_HOME, timeout=PATIENCE * 1000
        )


@contextmanager
def visit(browser: Browser, address: str, **options: Any) -> Iterator[Page]:
    """Yield a page of a visitor with cookies of its own, whose console must stay empty."""
    context = browser.new_context(**{"base_url": address} | options)
    complaints = listen(context)
    yield context.new_page()
    context.close()
    assert complaints == [], "the browser complained"


def listen(context: BrowserContext) -> list[str]:
    """Return what the browser complains of, as it comes; a refused page is no complaint."""
    complaints: list[str] = []
    pages: set[str] = set()

    def note_page(request: Request) -> None:
        if request.is_navigation_request():
            pages.add(request.url)

    def note_complaint(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and message.location["url"] not in pages:
            complaints.append(message.text)

    context.on("request", note_page)
    context.on("console", note_complaint)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    return complaints


def put_into_cart(page: Page, *teas: str) -> None:
    """Add teas on the cart's page, one after the other."""
    page.goto("/cart")
    before = number_in_cart(page)
    for number, tea in enumerate(teas, before + 1):
        page.get_by_role("button", name=f"Add {tea}").click()
        expect_cart(page, number)


def number_in_cart(page: Page) -> int:
    """Return what the head of every page says."""
    text = page.get_by_role("link", name=re.compile(r"Cart \(\d+\)")).inner_text()
    return int(text.removeprefix("Cart (").removesuffix(")"))


def expect_cart(page: Page, number: int) -> None:
    """Wait until the head of the page says so."""
    expect(page.get_by_role("link", name=f"Cart ({number})")).to_be_visible()


def order(page: Page, *, paid: bool) -> None:
    """Order what is in the cart; wait for the page that says what came of it."""
    name = "Place the order" if paid else "Place an order that fails half way"
    page.get_by_role("button", name=name).click()
    message = "is placed and your cart is empty" if paid else "The payment was refused"
    expect_message(page, message)


def expect_message(page: Page, text: str) -> None:
    """Wait for a message that a screen reader announces."""
    announced = page.get_by_role("status").or_(page.get_by_role("alert"))
    expect(announced.filter(has_text=text)).to_be_visible()


def expect_heading(page: Page, text: str) -> None:
    """Wait for the page with this title."""
    expect(page.get_by_role("heading", level=1, name=text)).to_be_visible()


def fill_in_login(page: Page, name: str = "ada", password: str = "analytical-engine") -> None:
    """Send the login form of the page."""
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def log_in(page: Page) -> None:
    """Log in as Ada; wait for her account."""
    page.goto("/login")
    fill_in_login(page)
    expect_heading(page, "Ada Lovelace")
