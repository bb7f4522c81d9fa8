"""Every page, for everybody: read by a screen reader, in the dark, on a phone."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.pages import PAGES, WIDTHS

# Those whose box ends outside of the window, and those whose text is cut off.
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".hidden"))
  .filter(e => e.getBoundingClientRect().right > innerWidth || e.scrollWidth > e.clientWidth + 1
          && getComputedStyle(e).display !== "inline")
  .map(e => e.outerHTML.slice(0, 80))"""
TOO_SMALL = """() => [...document.querySelectorAll("button, nav a, input:not([type=hidden])")]
  .filter(e => e.offsetWidth < 24 || e.offsetHeight < 24)
  .map(e => e.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fit_for_everybody(visitor: Page, name: str) -> None:
    """Whoever listens to it, reads it in the dark, or holds it in one hand."""
    PAGES[name](visitor)
    expect_no_objection(visitor)
    visitor.emulate_media(color_scheme="dark")
    expect_no_objection(visitor, {"runOnly": ["color-contrast"]})
    visitor.set_viewport_size({"width": WIDTHS["phone"], "height": 800})
    expect_to_fit(visitor)


def expect_no_objection(page: Page, options: dict[str, Any] | None = None) -> None:
    """Ask axe: labels, landmarks, headings, language, contrast."""
    found = Axe().run(page, options=options)
    assert found.response["passes"] != []
    assert found.violations_count == 0, found.generate_report()


def expect_to_fit(page: Page) -> None:
    """Nothing is scrolled sideways or cut off, and a thumb hits what there is to press."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate(TOO_SMALL) == []


def test_an_axe_that_objects_is_heard(visitor: Page) -> None:
    """The tests above would not see what this one does not show."""
    visitor.goto("/login")
    visitor.evaluate("document.querySelector('label[for=password]').remove()")
    visitor.evaluate("document.querySelector('h1').style.color = '#ddd'")
    visitor.evaluate("document.documentElement.removeAttribute('lang')")
    found = {violation["id"] for violation in Axe().run(visitor).response["violations"]}
    assert found == {"label", "color-contrast", "html-has-lang"}


def test_the_dark_page_is_dark(visitor: Page) -> None:
    """The colours follow what the system prefers."""
    visitor.goto("/")
    colour = "getComputedStyle(document.body).backgroundColor"
    light = visitor.evaluate(colour)
    visitor.emulate_media(color_scheme="dark")
    assert visitor.evaluate(colour) != light
