"""The leaderboard of the site: numbers, links, conditions that are not pooled, downloads, and inert hostile text."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from html_outline import Outline
from site_runs import write_experiment

from posttrainbench.records import RunSpec
from posttrainbench.report.site.build import build_site
from posttrainbench.report.site.groups import group_runs
from posttrainbench.report.site.pages import write_leaderboard, write_runs
from posttrainbench.report.site.runs import Experiments, SiteRun, read_experiments
from posttrainbench.report.site.standings import shade, table
from posttrainbench.run import Run
from posttrainbench.scoring import Cell
from posttrainbench.scoring.published import published, recompute


@pytest.fixture
def cells(make_cell: Any) -> list[Cell]:
    return [
        make_cell("good", seed=0, raw=0.4),
        make_cell("good", seed=1, raw=0.5),
        make_cell("good", seed=2, raw=None, status="infrastructure_error", reasons=["The engine failed."]),
        make_cell("cheat", raw=0.9, status="base_fallback", reasons=["The test set was trained on."]),
        make_cell("doubted", raw=0.3, suspected=["data"]),
        make_cell("lost", raw=None, status=None),
    ]


def test_scores_with_and_without_resets_and_what_they_cost(cells: list[Cell], tmp_path: Path) -> None:
    content = read_experiments([write_experiment(tmp_path / "exp", cells)])
    [group] = group_runs(content.runs)
    lines = {line.agent: line for line in table(group).lines}
    assert (lines["cheat"].row.overall, lines["cheat"].row.overall_raw) == (0.1, 0.9)
    assert lines["good"].lost == "1 infrastructure error"
    assert (lines["good"].row.runs, lines["good"].row.seeds) == (2, 3)
    assert lines["good"].usage.dollars == pytest.approx(4.0)
    assert lines["good"].models[0].score == pytest.approx(0.45)
    assert lines["cheat"].heat[0].marks == "R"
    assert lines["good"].heat[0].marks == "E"
    assert len(lines["good"].heat[0].dots) == 3
    assert lines["lost"].heat[0].score is None
    assert (lines["lost"].lost, lines["lost"].unfinished) == ("", 1)
    assert (lines["lost"].heat[0].marks, lines["lost"].heat[0].unfinished) == ("…", True)
    assert not lines["good"].heat[0].unfinished
    assert (table(group).unfinished, table(group).uncounted) == (1, 1)


def test_every_cell_links_to_its_run(cells: list[Cell], tmp_path: Path) -> None:
    build_site([write_experiment(tmp_path / "exp", cells)], tmp_path / "site", charts=False)
    page = Outline((tmp_path / "site" / "index.html").read_text())
    links = [value for name, value in page.attributes if name == "href" and value.startswith("runs/exp/")]
    assert {Path(link).parent.name for link in links} == {cell.run for cell in cells}
    assert all((tmp_path / "site" / link).is_file() for link in links)
    for text in (
        "1 suspected",
        "reset to base",
        "2 of 3",
        "1 lost",
        "1 unfinished",
        "1 not counted",
        "unfinished: 1 of 1 missing",
        "Before audit",
        "Instruct models",
    ):
        assert text in page.text


def test_what_is_missing_may_be_unfinished_or_lost(make_cell: Any, tmp_path: Path) -> None:
    cells = [
        make_cell("full"),
        make_cell("full", "m2"),
        make_cell("half", raw=None, status=None),
        make_cell("half", "m2", raw=None, status="infrastructure_error", reasons=["The engine failed."]),
        make_cell("failed", raw=None, status="infrastructure_error", reasons=["The engine failed."]),
        make_cell("failed", "m2"),
        make_cell("both", seed=0),
        make_cell("both", seed=1, raw=None, status=None),
        make_cell("both", "m2"),
    ]
    build_site([write_experiment(tmp_path / "exp", cells)], tmp_path / "site", charts=False)
    html = (tmp_path / "site" / "index.html").read_text()
    text = Outline(html).text
    assert "incomplete: 2 of 2 missing, 1 of them unfinished" in text
    assert "incomplete: 1 of 2 missing" in text
    assert "<b>…</b>" in html
    assert html.count(">E</a>") == 2
    assert html.count(">…</a>") == 1


def test_conditions_that_are_not_pooled_have_a_table_each(make_cell: Any, tmp_path: Path) -> None:
    cells = [
        make_cell("a", run=f"{budget}-{rules}", budget=budget, rules=rules)
        for budget, rules in ((60.0, "v1"), (120.0, "v1"), (60.0, "v2"))
    ]
    cells.append(make_cell("a", run="judged-again", budget=60.0, rules="v1", judged_by="strict"))
    content = read_experiments([write_experiment(tmp_path / "exp", cells)])
    names = {group.name for group in group_runs(content.runs)}
    assert names == {
        "suite micro, rules v1, limit 1m 0s",
        "suite micro, rules v1, limit 2m 0s",
        "suite micro, rules v2, limit 1m 0s",
        "suite micro, rules strict, limit 1m 0s",
    }
    prompts = [make_cell("a", run=f"p{version}", prompt_version=version) for version in ("aaa", "bbb")]
    content = read_experiments([write_experiment(tmp_path / "prompts", prompts)])
    assert [group.prompt for group in group_runs(content.runs)] == ["aaa", "bbb"]


def test_runs_that_cannot_be_ranked_are_listed_with_the_reason(make_cell: Any, tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "exp", [make_cell("a", base=0.6, instruct=0.5)])
    build_site([root], tmp_path / "site", charts=False)
    assert "This run is not ranked" in Outline((tmp_path / "site" / "index.html").read_text()).text


def test_downloads_have_the_same_numbers(cells: list[Cell], tmp_path: Path) -> None:
    build_site([write_experiment(tmp_path / "exp", cells)], tmp_path / "site", charts=False)
    data = tmp_path / "site" / "data"
    document = json.loads((data / "group-0.json").read_text())
    assert {row["agent"]: row["overall"] for row in document["leaderboard"]["rows"]}["cheat"] == 0.1
    rows = list(csv.DictReader((data / "group-0-runs.csv").open()))
    assert {row["run"] for row in rows} == {cell.run for cell in cells}
    assert {row["raw_score"] for row in rows if row["agent"] == "cheat"} == {"0.9"}
    assert (tmp_path / "site" / rows[0]["page"]).is_file()


def test_hostile_text_is_shown_as_text(caught: Cell, tmp_path: Path) -> None:
    hostile = caught.agent
    spec = RunSpec.model_construct(
        **{**dict(caught.spec), "suite": hostile, "rules": hostile, "versions": {hostile: hostile}}
    )
    cell = replace(caught, spec=spec)
    path = tmp_path / "run"
    path.mkdir()
    (path / "run.json").write_text("{}")
    run = SiteRun(Run(path), cell, hostile, "runs/exp/run")
    content = Experiments([hostile], [run])
    groups = group_runs([run])
    write_leaderboard(content, groups, tmp_path)
    write_runs(content, groups, tmp_path)
    for page in (tmp_path / "index.html", tmp_path / "runs" / "index.html"):
        html = page.read_text()
        outline = Outline(html)
        assert "<script>alert('x')</script>" in outline.text
        assert "{{ 7*7 }}{% raw %}" in outline.text
        assert not set("\x1b\x9b\x07\x00\u202e\u2066\u200b\ufeff") & set(html)
        assert not [name for name, _ in outline.attributes if name.startswith("on")]
        assert not {"img", "iframe", "object", "base", "style"} & outline.tags
        sources = {value for name, value in outline.attributes if name == "src"}
        assert all(source.lstrip("./").startswith("assets/") for source in sources)
    for file in (tmp_path / "data").iterdir():
        assert not set("\x1b\x9b\x07\x00\u202e") & set(file.read_text())


@pytest.mark.parametrize(
    ("score", "low", "high", "expected"),
    [
        *((0.1, 0.1, 0.6, 0), (0.6, 0.1, 0.6, 8), (0.9, 0.1, 0.6, 8), (0.0, 0.1, 0.6, 0), (0.35, 0.1, 0.6, 4)),
        *((None, 0.1, 0.6, -1), (0.5, None, 0.6, -1), (0.5, 0.6, 0.6, -1)),
    ],
)
def test_shade(score: float | None, low: float | None, high: float, expected: int) -> None:
    assert shade(score, low, high) == expected


def test_the_published_leaderboard_is_reproduced(make_cell: Any, tmp_path: Path) -> None:
    """Cells with the published columns give the published averages, within the rounding of their parts, and ranks."""
    tables = published("v1")
    rows = [row for row in tables.table1 if row.baseline is None]
    base, instruct = tables.baselines["base"], tables.baselines["instruct"]
    cells = [
        make_cell(
            row.method,
            model.name,
            benchmark,
            raw=tables.named(row.scores)[benchmark] / 100,
            base=tables.named(base[model.name])[benchmark] / 100,
            instruct=tables.named(instruct[model.name])[benchmark] / 100,
            suite="v1",
            items=[],
        )
        for row in rows
        for model in tables.models
        for benchmark in tables.benchmarks
    ]
    path = tmp_path / "run"
    path.mkdir()
    (path / "run.json").write_text("{}")
    runs = [SiteRun(Run(path), cell, "published", f"runs/p/{cell.run}") for cell in cells]
    content = Experiments(["published"], runs)
    groups = group_runs(content.runs)
    _, [shown] = write_leaderboard(content, groups, tmp_path)
    scores = {line.row.agent: line.row.overall for line in shown.lines}
    assert scores == pytest.approx({row.method: row.avg / 100 for row in rows}, abs=0.001)
    baselines = [line.overall for line in shown.baselines if line.overall is not None]
    expected = {row.method: row.avg for row in recompute(tables).rows}
    assert sorted(baselines) == pytest.approx(
        sorted(expected[row.method] / 100 for row in tables.table1 if row.baseline), abs=0.001
    )
    text = Outline((tmp_path / "index.html").read_text()).text
    for row in rows:
        assert row.method in text
