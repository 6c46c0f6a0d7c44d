"""The page of a run, its files and the trace viewer in a real Chromium, opened from disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import chromium, needs_chromium, opened, too_wide  # first: it skips this module if packages are missing

# isort: split
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from posttrainbench.records import RunSpec
from posttrainbench.report.site.build import write_assets
from posttrainbench.report.site.run_page import write_run_page
from posttrainbench.run import Run
from posttrainbench.trajectory import write_trajectory
from run_pages import write_full_run
from support import eventually
from trajectory_recordings import claude_block, claude_call, claude_result, make_recorded_run, write_output

pytestmark = [pytest.mark.browser, needs_chromium]

HOSTILE = (
    "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2><svg onload=window.hacked=3>"
    "\"'`onmouseover=window.hacked=4 javascript:window.hacked=5 {{7*7}} ${7*7} \u2028\u2029 \u202etxet \x1b[31mred"
)
STEPS = 400
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a run whose texts are hostile, and one with a long trace."""
    folder = tmp_path_factory.mktemp("pages")
    write_assets(folder / "site")
    write_run_page(Run(write_full_run(folder / "hostile", HOSTILE)), folder / "site/runs/e/hostile", 3)
    run = make_recorded_run(folder / "long", [])
    events = []
    for number in range(STEPS):
        text, out = f"turn {number}\n" + "line\n" * (number % 30), "needle 350" if number == 350 else "out"
        events.append(claude_block(f"m{number}", {"type": "text", "text": text}))
        events.append(claude_call(f"m{number}", f"t{number}", f"echo {number}"))
        events.append(claude_result(f"t{number}", out, is_error=number == 200))
    output = write_output(run / "solve" / "output.jsonl", events)
    spec = RunSpec.model_validate_json((run / "run.json").read_text())
    write_trajectory(spec, "p", output, run / "solve" / "trajectory.json", "claude-code", None)
    write_run_page(Run(run), folder / "site/runs/e/long", 3)
    return folder / "site" / "runs" / "e"


def is_near_top(page: Page, step: str) -> bool:
    box = page.locator(f"[id='{step}']").bounding_box()
    return box is not None and 0 <= box["y"] <= 300


def test_a_permanent_link_leads_to_its_step(browser: Browser, site: Path) -> None:
    with opened(browser, site / "long" / "trace.html", anchor="#step-390") as page:
        expect(page.locator("#step-390.target")).to_be_visible()
        eventually(lambda: is_near_top(page, "step-390"))
        page.evaluate("location.hash = '#step-12'")
        expect(page.locator("#step-12.target")).to_be_visible()
        eventually(lambda: is_near_top(page, "step-12"))


def test_only_near_steps_are_in_the_page(browser: Browser, site: Path) -> None:
    with opened(browser, site / "long" / "trace.html") as page:
        expect(page.locator("#step-2")).to_be_visible()
        assert page.locator("article.step").count() < STEPS / 2
        assert page.evaluate("document.documentElement.scrollHeight") > 40 * STEPS


def test_search_and_filters(browser: Browser, site: Path) -> None:
    with opened(browser, site / "long" / "trace.html") as page:
        page.fill("#query", "NEEDLE 350")
        expect(page.locator("#status")).to_have_text("1 of 401 steps")
        expect(page.locator("#step-352 mark")).to_have_text("needle 350")  # its call was opened
        page.fill("#query", "")
        expect(page.locator("#status")).to_have_text("401 steps")
        page.select_option("#only", "1")
        expect(page.locator("#status")).to_have_text("1 of 401 steps")
        expect(page.locator("#step-202 .tag.failed")).to_have_text("failed call")
        page.select_option("#only", "")
        page.select_option("#tool", "0")
        expect(page.locator("#status")).to_have_text("400 of 401 steps")
        page.select_option("#tool", "")
        page.select_option("#source", "0")
        expect(page.locator("article.step")).to_have_count(1)


def test_moving_by_keys_and_by_number(browser: Browser, site: Path) -> None:
    with opened(browser, site / "long" / "trace.html") as page:
        expect(page.locator("#step-2")).to_be_visible()
        page.keyboard.press("e")
        expect(page.locator("#step-202.target")).to_be_visible()
        page.keyboard.press("j")
        expect(page.locator("#step-203.target")).to_be_focused()
        page.fill("#place", "300")
        page.press("#place", "Enter")
        expect(page.locator("#step-300.target")).to_be_visible()
        page.fill("#place", "nowhere")
        page.press("#place", "Enter")
        expect(page.locator("#status")).to_contain_text("No such step or time")


def test_the_map_leads_to_a_place(browser: Browser, site: Path) -> None:
    with opened(browser, site / "long" / "trace.html") as page:
        box = page.locator("#map").bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 10)
        expect(page.locator(".step.target")).to_be_visible()
        number = int(str(page.locator(".step.target").get_attribute("id")).removeprefix("step-"))
        assert abs(number - STEPS / 2) < 4


@pytest.mark.parametrize("phone", [False, True])
def test_hostile_text_stays_text(browser: Browser, site: Path, phone: bool) -> None:
    for name in ("index.html", "trace.html", "files.html"):
        with opened(browser, site / "hostile" / name, phone=phone) as page:
            if name == "trace.html":
                page.click("#open")
                expect(page.locator("details.call[open]").first).to_be_visible()
                expect(page.locator(".agent-head")).to_contain_text("<img src=x onerror=window.hacked=2>")
            elif name == "files.html":
                page.click("text=train.py")
                expect(page.locator(".line")).to_have_count(3)
                expect(page.locator(".line").nth(1)).to_contain_text("line 2 </script><script>")
            else:
                page.click("button.item-name >> nth=0")
                expect(page.locator(".item-texts pre").nth(1)).to_contain_text("answer </script><script>")
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            assert page.evaluate("window.hacked") is None
            assert page.locator("img, iframe, svg[onload], [onmouseover]").count() == 0
            assert not [script for script in page.evaluate("[...document.scripts].map((one) => one.src)") if not script]
            assert too_wide(page) == []


def test_items_are_filtered(browser: Browser, site: Path) -> None:
    with opened(browser, site / "hostile" / "index.html") as page:
        expect(page.locator("#item-status")).to_have_text("31 of 61 items")  # those that are not right
        page.select_option("#item-filter", "gained")
        expect(page.locator("#item-status")).to_have_text("31 of 61 items")
        page.click("#item-after")
        expect(page.locator("#item-page")).to_have_text("26 to 31")
        page.fill("#item-query", "0007")
        expect(page.locator("#item-status")).to_have_text("1 of 61 items")


def test_evidence_leads_to_its_line(browser: Browser, site: Path) -> None:
    with opened(browser, site / "hostile" / "index.html") as page:
        page.click("a:text-is('workspace/long.jsonl:3990') >> nth=0")
        expect(page.locator(".line.target .n")).to_have_text("3990")
    with opened(browser, site / "hostile" / "index.html") as page:
        page.click("a:text-is('solve/trajectory.json:3') >> nth=0")
        expect(page.locator("#step-2.target")).to_be_visible()


def test_subagents_are_folded(browser: Browser, site: Path) -> None:
    with opened(browser, site / "hostile" / "trace.html") as page:
        expect(page.locator("[id='step-1.1']")).to_be_visible()
        page.click(".agent-head button")
        expect(page.locator("[id='step-1.1']")).to_have_count(0)
        expect(page.locator(".agent-head button")).to_have_attribute("aria-expanded", "false")


@pytest.mark.parametrize("phone", [False, True])
def test_accessibility(browser: Browser, site: Path, phone: bool) -> None:
    for name in ("index.html", "trace.html", "files.html"):
        with opened(browser, site / "hostile" / name, phone=phone) as page:
            expect(page.locator("[data-ready=yes]")).to_have_count(1)
            if name == "index.html":
                page.click("button.item-name >> nth=0")
                expect(page.locator(".item-texts")).to_be_visible()
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            faults = Axe().run(page, options={"preload": False}).response["violations"]
            assert [(one["id"], one["nodes"][0]["html"][:200]) for one in faults if one["impact"] in GRAVE] == []
