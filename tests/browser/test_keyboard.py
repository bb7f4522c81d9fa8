"""The shop without a mouse."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

from tests.browser.visitors import expect_cart, expect_heading, expect_message, put_into_cart

IS_FOCUSED = "element => element === document.activeElement"
OUTLINE = "element => getComputedStyle(element).outlineStyle"
ENOUGH = 20  # more than any page has to pass


def tab_to(wanted: Locator) -> int:
    """Press Tab until the control has the focus, and is seen to have it; return how often."""
    for times in range(1, ENOUGH):
        wanted.page.keyboard.press("Tab")
        if wanted.evaluate(IS_FOCUSED):
            assert wanted.evaluate(OUTLINE) == "solid"
            return times
    raise AssertionError(f"no way to {wanted}")


def test_the_first_stop_leads_past_the_head_of_the_page(visitor: Page) -> None:
    """The link shows itself when it is reached, and the next stop is in the content."""
    visitor.goto("/cart")
    skip = visitor.get_by_role("link", name="Skip to the content")
    expect(skip).not_to_be_in_viewport()
    assert tab_to(skip) == 1
    expect(skip).to_be_in_viewport()
    visitor.keyboard.press("Enter")
    assert tab_to(visitor.get_by_role("button", name="Add Assam")) == 1


def test_one_logs_in_without_a_mouse(visitor: Page) -> None:
    """From the first page to one's account."""
    visitor.goto("/")
    tab_to(visitor.get_by_role("navigation").get_by_text("Account"))
    visitor.keyboard.press("Enter")
    expect_heading(visitor, "Please log in first")
    tab_to(visitor.get_by_label("Name"))
    visitor.keyboard.type("ada")
    assert tab_to(visitor.get_by_label("Password")) == 1
    visitor.keyboard.type("analytical-engine")
    visitor.keyboard.press("Enter")
    expect_heading(visitor, "Ada Lovelace")


def test_one_orders_without_a_mouse(visitor: Page) -> None:
    """After each message the way goes on from there, not from the head of the page."""
    visitor.goto("/cart")
    tab_to(visitor.get_by_role("button", name="Add Assam"))
    visitor.keyboard.press("Enter")
    expect_cart(visitor, 1)
    assert tab_to(visitor.get_by_role("button", name="Add Assam")) == 1
    tab_to(visitor.get_by_role("button", name="Place the order"))
    visitor.keyboard.press("Enter")
    expect_message(visitor, "Order 1 is placed")


def test_a_tea_is_taken_out_without_a_mouse(visitor: Page) -> None:
    """Its button says which tea it removes, and is pressed with the space bar too."""
    put_into_cart(visitor, "Assam", "Oolong")
    tab_to(visitor.get_by_role("button", name="Remove Oolong"))
    visitor.keyboard.press("Space")
    expect_cart(visitor, 1)
    expect(visitor.get_by_role("button", name="Remove Assam")).to_be_visible()
