"""A real Chromium for tests of the site. Tests that use it have the marker `browser`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api")
pytest.importorskip("axe_playwright_python")

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PATIENCE = 90_000
"""Milliseconds that a page may take on a machine under load."""
expect.set_options(timeout=PATIENCE)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


BEYOND = """() => [...document.querySelectorAll("body *")].filter((element) => {
  if (element.getBoundingClientRect().right <= innerWidth + 1 || element.closest(".skip, .unseen")) return false;
  for (let outer = element.parentElement; outer; outer = outer.parentElement)
    if (outer !== document.body && getComputedStyle(outer).overflowX !== "visible") return false;
  return true;
}).map((element) => element.outerHTML.slice(0, 200))"""
"""Lists elements that extend beyond the right edge of the window and are not in a box that scrolls or clips."""


def too_wide(page: Page) -> list[str]:
    """Return the elements that do not fit the width of the window, also where `content-visibility` hides that."""
    found: list[str] = page.evaluate(BEYOND)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
        found.append("the document")
    return found


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, path: Path, *, phone: bool = False, anchor: str = "") -> Iterator[Page]:
    """Open a page from disk, and check at the end that nothing was printed on its console."""
    size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 900}
    page = browser.new_page(viewport=size, color_scheme="dark" if phone else "light")
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.set_default_timeout(PATIENCE)
    page.goto(path.as_uri() + anchor)
    try:
        yield page
        assert not messages, messages
    finally:
        page.close()
