"""Write the pictures of the site in `docs/images/gallery/`.

    ptb report EXPERIMENT --out SITE
    python scripts/screenshots.py SITE [--out docs/images/gallery] [--only NAME...]

The experiment has the agents of `ptb demo` on all benchmarks of the suite `micro`, the honest one with two seeds.
Needs Chromium and the developer's packages. Look at each picture before you commit it.
"""

import argparse
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image
from playwright.sync_api import Page, sync_playwright

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu"]
SIZES = {"desktop": (1280, 860), "phone": (390, 800)}
QUALITY = 80
FLAGGED = "runs/*/recipe-cheat-testset-*/index.html"
TRAINED = "runs/*/recipe-sft-micro-math-*/"


class Shot(NamedTuple):
    """A picture: its name, a page of the site as a pattern, colors, size, and what is done before it is taken."""

    name: str
    page: str
    scheme: Literal["light", "dark"] = "light"
    size: str = "desktop"
    prepare: Callable[[Page], object] = lambda page: None


def below(selector: str) -> Callable[[Page], object]:
    """Scroll an element to the top."""
    return lambda page: page.locator(selector).first.evaluate("element => element.scrollIntoView()")


def with_item(page: Page) -> None:
    """Unfold an item of the list."""
    page.select_option("#item-filter", index=0)
    page.click("button.item-name >> nth=0")
    page.wait_for_selector(".item-texts")
    page.locator("#item-list, #run-result").first.evaluate("element => element.scrollIntoView()")


def compared(page: Page) -> None:
    """Follow the link to a comparison."""
    page.locator("a[href*='compare-runs.html#']").first.click()
    page.wait_for_selector("#run-comparison[data-ready=yes]")
    page.click("button.item-name >> nth=0")
    page.wait_for_selector(".item-texts")
    page.evaluate("scrollTo(0, 0)")


def unfolded(page: Page) -> None:
    """Open the first calls of a trace."""
    page.wait_for_selector("article.step")
    for summary in page.locator("details.call > summary").all()[:2]:
        summary.click()
    page.evaluate("scrollTo(0, 0)")


def with_file(page: Page) -> None:
    """Show a file."""
    page.wait_for_selector("a.file:not(.without)")
    page.locator("a.file:not(.without)").first.click()
    page.wait_for_selector(".line")


SHOTS = [
    Shot("leaderboard", "index.html"),
    Shot("leaderboard-dark", "index.html", "dark"),
    Shot("leaderboard-phone", "index.html", "dark", "phone"),
    Shot("heat-map", "index.html", prepare=below(".heat")),
    Shot("charts", "charts.html"),
    Shot("charts-dark", "charts.html", "dark"),
    Shot("charts-phone", "charts.html", size="phone"),
    Shot("compare", "compare.html"),
    Shot("compare-agents", "compare/group-*-1-2.html", "dark"),
    Shot("compare-runs", f"{TRAINED}index.html", prepare=compared),
    Shot("compare-runs-phone", f"{TRAINED}index.html", "dark", "phone", compared),
    Shot("runs", "runs/index.html"),
    Shot("run", FLAGGED),
    Shot("run-dark", FLAGGED, "dark"),
    Shot("run-phone", FLAGGED, size="phone"),
    Shot("findings", FLAGGED, prepare=below("#audit")),
    Shot("items", f"{TRAINED}index.html", prepare=with_item),
    Shot("trace", f"{TRAINED}trace.html", prepare=unfolded),
    Shot("trace-dark-phone", f"{TRAINED}trace.html", "dark", "phone", unfolded),
    Shot("files", f"{TRAINED}files.html", prepare=with_file),
]


def main() -> None:
    """Write the pictures, and print their sizes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="directory that `ptb report` wrote")
    parser.add_argument("--out", type=Path, default=Path("docs/images/gallery"))
    parser.add_argument("--only", nargs="*", help="names of pictures")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    options.out.mkdir(parents=True, exist_ok=True)
    total = 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for shot in SHOTS:
            if options.only and shot.name not in options.only:
                continue
            width, height = SIZES[shot.size]
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=shot.scheme)
            page.set_default_timeout(90_000)
            page.goto(min(options.site.resolve().glob(shot.page)).as_uri())
            shot.prepare(page)
            picture = Image.open(io.BytesIO(page.screenshot(animations="disabled")))
            file = options.out / f"{shot.name}.webp"
            picture.convert("RGB").save(file, quality=QUALITY, method=6)
            total += file.stat().st_size
            print(f"{file.name}: {file.stat().st_size // 1000} kB")
            page.close()
        browser.close()
    print(f"{total // 1000} kB in all")


if __name__ == "__main__":
    main()
