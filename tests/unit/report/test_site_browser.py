"""The site in a real Chromium: every page in light and dark, on a desktop and a phone, with hostile texts everywhere.

`make test` installs Chromium where it can; without it, these tests are skipped.
"""

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scoring_runs
from site_runs import write_experiment

from browser import CHROMIUM, FLAGS, PATIENCE, too_wide  # first: it skips this module if packages are missing

# isort: split
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from run_pages import write_full_run

for needed in ("altair", "vl_convert", "uvicorn", "starlette"):
    pytest.importorskip(needed)

DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 800}
PLAIN = (
    f"{'W' * 80}<script>alert('x')</script><img src=x onerror=alert(1)>\"'></script></style></title>{{{{ 7*7 }}}}"
    "javascript:alert(1)//&lt;b&gt;<svg onload=alert(2)>"
)
"""Would open a dialog or log an error if it became markup. It begins with a long word."""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed (Debian: apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def experiments(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("experiments")
    build = scoring_runs.build_cell
    cells = [
        build(agent, model, b, seed, raw=raw + 0.02 * seed, budget=budget, run=f"{budget:g}-{agent}-{model}-{b}-{seed}")
        for budget, more in ((3600.0, 0.0), (36000.0, 0.1))
        for agent, raw in (("alpha", 0.5 + more), ("beta", 0.3 + more))
        for model in ("m1", "m2")
        for b in ("b1", "b2")
        for seed in range(2 if more == 0 else 1)
    ]
    cells += [
        build("cheat", model, benchmark, raw=0.9, status="base_fallback", reasons=[f"Broken: {PLAIN}"], budget=3600.0)
        for model in ("m1", "m2")
        for benchmark in ("b1", "b2")
    ]
    cells.append(build(f"lost {PLAIN}", "m1", "b1", raw=None, status="infrastructure_error", budget=3600.0, run="lost"))
    plain = write_experiment(root / "plain", cells)
    (root / "hostile").mkdir()
    evaluate = write_full_run(root / "hostile" / "run", PLAIN) / "evaluate"
    shutil.copy(evaluate / "metrics.json", evaluate / "instruct.json")
    shutil.copytree(root / "hostile" / "run", root / "hostile" / "second")
    record = root / "hostile" / "second" / "run.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"seed": 1}))
    return [plain, root / "hostile"]


@pytest.fixture(scope="module")
def site(experiments: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    from posttrainbench.report.site.build import build_site

    return build_site(experiments, tmp_path_factory.mktemp("out") / "site").path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Any) -> Iterator[Any]:
    """Opens pages; the test fails if one logs an error or opens a dialog, which only injected scripts would do."""
    contexts, problems = [], []

    def open_page(url: str, viewport: dict[str, int] = DESKTOP, scheme: str = "light") -> Any:
        context = chromium.new_context(viewport=viewport, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.goto(url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


def pages(site: Path) -> list[Path]:
    """One page of each kind; of the runs, that with hostile texts."""
    pair = min(site.glob("compare/*.html"))
    top = [site / f"{name}.html" for name in ("index", "charts", "compare", "compare-runs")]
    return [*top, site / "runs" / "index.html", pair, *sorted((site / "runs" / "hostile" / "run").rglob("*.html"))]


def faults(page: Any) -> list[tuple[str, str]]:
    """Return grave faults that axe-core finds in a page, and elements beyond the edge of the screen."""
    violations = Axe().run(page, options={"preload": False}).response["violations"]
    grave = [fault for fault in violations if fault["impact"] in ("serious", "critical")]
    found = [(fault["id"], fault["nodes"][0]["html"][:200]) for fault in grave]
    return found + [("wider than the screen", element) for element in too_wide(page)]


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_every_page_is_accessible_and_fits(site: Path, open_page: Any, viewport: dict[str, int], scheme: str) -> None:
    found = {}
    for path in pages(site):
        compares = path.name == "compare-runs.html"
        anchor = "#a=runs/hostile/run&b=runs/hostile/second" if compares else ""
        page = open_page(path.as_uri() + anchor, viewport, scheme)
        if compares or path.parent.name == "run":  # scripts write the content of these pages
            page.locator("[data-ready=yes]").wait_for(state="attached")
        if compares:
            page.select_option("#item-filter", "all")
            page.locator("button.item-name").first.click()
            page.locator(".item-texts").wait_for()
        found[path.relative_to(site).as_posix()] = faults(page)
        page.context.close()
    assert {path: own for path, own in found.items() if own} == {}


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")], ids=["dark", "phone"])
def test_charts_are_accessible_in_the_other_colors(
    site: Path, open_page: Any, viewport: dict[str, int], scheme: str
) -> None:
    assert faults(open_page((site / "charts.html").as_uri(), viewport, scheme)) == []


def test_filter_sort_and_unfold_are_in_the_url(site: Path, open_page: Any) -> None:
    page = open_page((site / "index.html").as_uri())
    shown = "[...document.querySelectorAll('.group:not([hidden]) tbody.agent:not([hidden])')].map(e => e.dataset.agent)"
    assert page.evaluate(shown)[:3] == ["alpha", "beta", "cheat"]
    for _ in range(2):
        page.get_by_role("button", name="Score", exact=True).first.click()
    assert page.evaluate(shown)[0] == "cheat"
    fold = page.get_by_role("button", name="Base models of beta").first
    fold.focus()
    page.keyboard.press("Enter")
    assert fold.get_attribute("aria-expanded") == "true"
    page.get_by_label("Search").fill("BETA")
    assert page.evaluate(shown) == ["beta"]
    assert page.url.endswith("#sort=score.up&open=beta&q=BETA")
    page.reload()
    assert page.evaluate(shown) == ["beta"]
    assert page.locator("tr.model:visible").count() == 2
    page.get_by_label("Search").fill("")
    page.get_by_label("Table").select_option(index=1)
    assert page.locator("h2:visible").first.inner_text() != "Suite micro, rules v1, limit 1h 0m"


def test_from_the_heat_map_to_the_runs(site: Path, open_page: Any) -> None:
    page = open_page((site / "index.html").as_uri())
    page.locator(".heat tbody tr").first.locator("td a").first.click()
    page.wait_for_url("**/runs/index.html#*")
    assert page.locator(".runs tbody tr:visible").count() == 2
    page.locator(".runs tbody tr:visible a").first.click()
    page.wait_for_url("**/runs/plain/*/index.html")
    assert "alpha" in page.locator("main").inner_text()


def test_colors_can_be_chosen(site: Path, open_page: Any) -> None:
    page = open_page((site / "index.html").as_uri(), scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Use light colors").click()
    assert page.evaluate(background) != dark
    page.goto((site / "charts.html").as_uri())
    assert page.evaluate(background) != dark
    ink = page.locator("svg.chart text").first.evaluate("e => getComputedStyle(e).fill")
    page.get_by_role("button", name="Use dark colors").click()
    assert page.locator("svg.chart text").first.evaluate("e => getComputedStyle(e).fill") != ink


def test_open_pages_follow_a_running_experiment(experiments: list[Path], open_page: Any, tmp_path: Path) -> None:
    import uvicorn

    from posttrainbench.report.site import live

    root = tmp_path / "exp"
    scoring_runs.write_run(scoring_runs.build_cell("early"), root)
    (tmp_path / "site").mkdir()
    with pytest.MonkeyPatch.context() as patch, live.listen(0) as listener:
        patch.setattr("posttrainbench.report.site.charts_page.has_charts", lambda: False)
        app = live.application(live.LiveSite([root], tmp_path / "site"), "token", interval=0.2)
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            page = open_page(f"http://127.0.0.1:{port(listener)}/token/index.html")
            scoring_runs.write_run(scoring_runs.build_cell("late", raw=0.4), root)
            page.locator("tbody.agent[data-agent=late]").wait_for(state="attached")
            page.context.close()
        finally:
            server.should_exit = True
            thread.join()


def port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])
