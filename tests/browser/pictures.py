"""Takes pictures of all pages, light and dark, on a desk and on a phone: `make browser`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Page

from tests.browser.pages import PAGES, WIDTHS
from tests.browser.shop import open_shop
from tests.browser.visitors import chromium, visit

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SHOWN = "refused-order"  # the page that shows best what the package is for


def take_all(browser: Browser, folder: Path) -> None:
    """Write `PAGE-light-desk.png` and so on; each page begins in a shop of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        with shown(browser, name) as page:
            take_page(page, folder, name)


@contextmanager
def shown(browser: Browser, name: str, **options: Any) -> Iterator[Page]:
    """Yield a page of a shop where nobody was before."""
    with (
        TemporaryDirectory() as empty,
        open_shop(Path(empty)) as shop,
        visit(browser, shop.address, **options) as page,
    ):
        PAGES[name](page)
        yield page


def take_page(page: Page, folder: Path, name: str) -> None:
    """Take the page, as it stands, in all its looks."""
    for scheme in SCHEMES:
        for device, width in WIDTHS.items():
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=folder / f"{name}-{scheme}-{device}.png", full_page=True)


def take_one(browser: Browser, file: Path) -> None:
    """Write the one picture of the README: 256 colours look the same, in a third of the octets."""
    size = {"width": 1120, "height": 800}
    with shown(browser, SHOWN, viewport=size, device_scale_factor=1.5) as page:
        taken = Image.open(BytesIO(page.screenshot(full_page=True))).convert("RGB")
    file.parent.mkdir(parents=True, exist_ok=True)
    taken.quantize(dither=Image.Dither.NONE).save(file, optimize=True)


def main(arguments: list[str]) -> None:
    """Take them all, or that of the README."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="where all pictures go")
    parser.add_argument("--one", type=Path, metavar="FILE", help="where the README's goes")
    options = parser.parse_args(arguments)
    with chromium() as browser:
        if options.all:
            take_all(browser, options.all)
        if options.one:
            take_one(browser, options.one)


if __name__ == "__main__":
    main(sys.argv[1:])
