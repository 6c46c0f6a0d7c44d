"""The comparison of two runs on the site: the same result as `ptb compare RUN RUN`, and the way from a run's page."""

import json
from pathlib import Path
from typing import Any

import pytest
from html_outline import Outline
from site_runs import write_experiment

from posttrainbench.report.site.build import build_site
from posttrainbench.report.site.compare_runs_page import OFFERED, runs_alike
from posttrainbench.report.site.runs import SiteRun, read_experiments
from posttrainbench.scoring.item_comparison import compare_items

NAMES = ("ahead-m-b-0", "behind-m-b-0", "ahead-m-b-1", "half-n-b-0", "reset-m-b-0")


def write(make_cell: Any, root: Path) -> Path:
    """Runs whose comparisons differ in their conclusion, and in what limits them."""
    cells = [
        make_cell("ahead", raw=1.0, items=[1.0] * 40),
        make_cell("behind", raw=0.25, items=[0.0] * 30 + [1.0] * 10),
        make_cell("ahead", seed=1, raw=0.95, items=[1.0] * 38 + [0.0] * 2),
        make_cell("half", model="n", raw=1 / 3, items=[1 / 3, 1 / 3 + 1e-14, *[0.25] * 31], engine_settings={"x": "1"}),
        make_cell("reset", raw=0.9, items=[1.0] * 36 + [0.0] * 4, status="base_fallback"),
        make_cell("none", raw=None, status="infrastructure_error"),
        make_cell("ahead", benchmark="other", raw=0.5),
    ]
    return write_experiment(root, cells)


def test_the_page_of_a_run_leads_to_its_comparisons(make_cell: Any, tmp_path: Path) -> None:
    site = build_site([write(make_cell, tmp_path / "exp")], tmp_path / "site", charts=False).path
    page = Outline((site / "runs" / "exp" / "ahead-m-b-0" / "index.html").read_text())
    links = [value for name, value in page.attributes if name == "href" and "compare-runs" in value]
    start = "../../../compare-runs.html#a=runs/exp/ahead-m-b-0&b=runs/exp/"
    assert links == [f"{start}{name}" for name in ("ahead-m-b-1", "behind-m-b-0", "reset-m-b-0")]
    assert "Compare item by item with the same agent, seed 1, behind, seed 0 or reset, seed 0." in page.text
    for alone in ("none-m-b-0", "ahead-m-other-0"):
        assert "compare-runs" not in (site / "runs" / "exp" / alone / "index.html").read_text()
    listed = json.loads((site / "compare" / "runs.js").read_text().removeprefix('ptb.data("runs",')[:-3])
    assert {place for place, *_ in listed} == {f"runs/exp/{name}" for name in (*NAMES, "ahead-m-other-0")}


def test_seeds_of_the_same_agent_come_first(make_cell: Any, tmp_path: Path) -> None:
    cells = [make_cell(agent, seed=seed) for agent in ("a", "b", "c", "d") for seed in range(4)]
    runs = read_experiments([write_experiment(tmp_path / "exp", cells)]).runs
    [own] = [run for run in runs if run.cell.run == "c-m-b-2"]
    offered = [run.cell.run for run in runs_alike(runs)[own.place]]
    assert offered == ["c-m-b-0", "c-m-b-1", "c-m-b-3", "a-m-b-2", "b-m-b-2", "d-m-b-2", "a-m-b-0", "a-m-b-1"]
    assert len(offered) == OFFERED


SHOW = """async (links) => {
  const root = document.getElementById("run-comparison"), shown = [];
  const pause = () => new Promise((next) => setTimeout(next, 5));
  const settled = async () => { while (root.dataset.ready !== "yes") await pause(); };
  const text = (selector) => [...root.querySelectorAll(selector)].map((element) => element.innerText);
  await settled();
  for (const link of links) {
    const changed = new Promise((next) => addEventListener("hashchange", next, { once: true }));
    location.hash = link;
    await changed;
    await settled();
    shown.push(["#run-sentence", "#run-notes li", "#run-facts dd", "#item-status"].map(text));
  }
  return shown;
}"""
"""Opens comparisons one after the other, and returns the texts of each."""
CHANGE_AND_LEAVE = """() => {
  document.getElementById("run-swap").click();
  location.hash = "a=../../evil&b=x";
}"""
"""Names a run that does not exist while the items of two others are loaded."""


@pytest.mark.browser
def test_the_page_has_the_result_of_the_command(make_cell: Any, tmp_path: Path) -> None:
    browser = pytest.importorskip("browser")
    if browser.CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import expect

    root = write(make_cell, tmp_path / "exp")
    site = build_site([root], tmp_path / "site", charts=False).path
    runs = {run.cell.run: run for run in read_experiments([root]).runs}
    page_of = site / "compare-runs.html"

    def link(a: SiteRun, b: SiteRun) -> str:
        return f"#a={a.place}&b={b.place}"

    with browser.chromium() as chromium, browser.opened(chromium, page_of) as page:
        pairs = [(a, b) for a in NAMES for b in NAMES if a != b]
        texts = page.evaluate(SHOW, [link(runs[a], runs[b]) for a, b in pairs])
        for (a, b), shown in zip(pairs, texts, strict=True):
            result = compare_items(runs[a].cell, runs[b].cell)
            assert shown == [
                [result.sentence],
                result.notes,
                [f"{100 * result.score_a:.1f} in {a}", f"{100 * result.score_b:.1f} in {b}"],
                [f"{len(result.differences)} of {result.items} items"],
            ]
        page.select_option("#item-filter", "all")
        page.click("button.item-name >> nth=0")
        expect(page.locator("#item-rows .absent")).to_be_visible()  # these runs have no logs
        page.select_option("#run-a", runs["behind-m-b-0"].place)
        assert page.url.endswith(link(runs["behind-m-b-0"], runs["half-n-b-0"]).replace("/", "%2F"))
        page.evaluate(CHANGE_AND_LEAVE)  # only listed runs are loaded
        expect(page.locator("#run-sentence")).to_contain_text("is not on this site")
        expect(page.locator("head script[src*=items]")).to_have_count(0)
        expect(page.locator("#run-result")).to_be_hidden()
