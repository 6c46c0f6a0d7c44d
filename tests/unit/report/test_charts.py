"""Charts: one definition for page and figure, honest numbers, and inert drawings of hostile text."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from site_runs import write_experiment

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from posttrainbench.errors import InputError
from posttrainbench.records import AgentSpec
from posttrainbench.report.charts import data, variants
from posttrainbench.report.charts.render import _ATTRIBUTES, inline_svg, write_figure
from posttrainbench.report.charts.specs import DURATIONS, NAMES, _joined_names, chart, charts, tick_values
from posttrainbench.report.site.charts_page import write_charts
from posttrainbench.report.site.groups import group_runs
from posttrainbench.report.site.runs import read_experiments
from posttrainbench.report.site.standings import Table, table
from posttrainbench.scoring import Cell


def with_agent(cell: Cell, scaffold: str, **settings: str) -> Cell:
    """Return a run of an agent with settings."""
    agent = AgentSpec(name=cell.agent, scaffold=scaffold, settings=settings)
    return replace(cell, spec=cell.spec.model_copy(update={"agent": agent}))


@pytest.fixture
def tables(make_cell: Any, tmp_path: Path) -> list[Table]:
    cells = [
        make_cell("good", raw=0.5),
        make_cell("<script>alert(1)</script>", raw=0.9, status="base_fallback"),
        make_cell("slow", raw=0.4),
        make_cell("good", raw=0.55, budget=120.0, run="longer"),
        make_cell("slow", raw=0.45, budget=120.0, run="slower"),
    ]
    content = read_experiments([write_experiment(tmp_path / "exp", cells)])
    return [table(group) for group in group_runs(content.runs)]


@pytest.fixture
def all_tables(make_cell: Any, tmp_path: Path) -> list[Table]:
    """Leaderboards with numbers for every chart."""
    cells = []
    for model in ("A-1.7B-Base", "b_135M"):
        cells += [
            make_cell("good", model=model, raw=0.5),
            make_cell("<script>alert(1)</script>", model=model, raw=0.9, status="base_fallback"),
            make_cell("good", model=model, raw=0.55, budget=120.0, run=f"longer {model}"),
            with_agent(make_cell("e-low", model=model, raw=0.3), "codex", model="gpt", effort="low"),
            with_agent(make_cell("e-high <script>", model=model, raw=0.35), "codex", model="gpt", effort="high"),
            with_agent(make_cell("m", model=model, raw=0.2), "codex", model="<script>alert(2)</script>", effort="high"),
        ]
    content = read_experiments([write_experiment(tmp_path / "exp", cells)])
    return [table(group) for group in group_runs(content.runs)]


def test_the_front_has_no_agent_that_scores_less_for_more() -> None:
    points = [{"score": s, "cost": c} for s, c in ((50, 5), (40, 6), (60, 9), (50, 5), (10, 1), (60, 8))]
    assert [data.is_on_front(point, points) for point in points] == [True, False, False, True, True, True]


def test_numbers(tables: list[Table]) -> None:
    shares = {record["agent"]: record for record in data.gap_closed(tables)}
    assert shares["good"]["share"] == pytest.approx(80.0)
    cheat = shares["<script>alert(1)</script>"]
    assert (cheat["share"], cheat["before"]) == (0.0, 160.0)
    assert {(r["agent"], round(3600 * r["hours"], -1)) for r in data.budgets(tables)} == {
        (agent, seconds) for agent in ("good", "slow") for seconds in (60, 120)
    }
    assert [(r["rule"], r["runs"], r["of"]) for r in data.flags(tables)] == [("contamination", 1, 1)]


def test_every_chart_is_drawn_without_markup_from_names(all_tables: list[Table], tmp_path: Path) -> None:
    drawn = charts(all_tables)
    assert [each.name for each in drawn] == list(NAMES)
    write_charts(all_tables, tmp_path)
    page = (tmp_path / "charts.html").read_text()
    assert "<script>alert" not in page
    for each in drawn:
        root = ET.fromstring(inline_svg(each.spec, each.title))  # noqa: S314
        for element in root.iter():
            assert element.tag.rpartition("}")[2] not in ("script", "foreignObject", "a", "image", "style", "use")
            assert element is root or set(element.attrib) <= _ATTRIBUTES
    points = ET.fromstring(inline_svg(drawn[0].spec, ""))  # noqa: S314
    titles = [element.text for element in points.iter() if "title" in element.tag]
    assert any("<script>alert(1)</script>: 10.0% at" in (title or "") for title in titles)


def test_agents_at_the_same_place_share_a_label() -> None:
    points = [("a", 90.0, 2.0), ("b", 0.0, 0.01), ("c", 0.5, 0.02), ("d", 0.0, 1.0), ("e", 89.0, 1.99)]
    labels = _joined_names([{"agent": name, "score": score, "cost": cost} for name, score, cost in points])
    assert [label["names"] for label in labels] == ["a, e", "b, c", "d"]
    assert (labels[1]["score"], labels[1]["cost"]) == (0.0, 0.01)
    assert [label["names"] for label in _joined_names([{"agent": "x", "score": 0.0, "cost": 0.0}] * 2)] == ["x, x"]


def test_the_figure_is_the_chart_of_the_page(tables: list[Table], tmp_path: Path) -> None:
    for name, beginning in (("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")):
        write_figure(chart("gap", tables).spec, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(beginning)
    with pytest.raises(InputError, match=r"\.svg, \.png, \.pdf"):
        write_figure(chart("gap", tables).spec, tmp_path / "a.jpeg")


def test_plot_names_the_charts(tables: list[Table], tmp_path: Path, ptb_here: Any) -> None:
    root = str(tmp_path / "exp")
    for words, said in (
        (
            ["gab", root, "--out", "x.svg"],
            "choose from score-time, score-cost, benchmarks, gap, flags, budgets, efforts, models, base-sizes",
        ),
        (["gap", root, "--out", "x.gif"], "must end with .svg, .png or .pdf"),
        (["flags", root, "--budget", "2m", "--out", str(tmp_path / "x.svg")], "no rule is flagged"),
    ):
        refused = ptb_here("plot", *words)
        assert refused.returncode == 2
        assert said in refused.stderr
    assert ptb_here("plot", "budgets", root, "--out", str(tmp_path / "x.svg")).returncode == 0
    assert "good" in (tmp_path / "x.svg").read_text()


PUBLISHED_EFFORTS = {"low": 0.155, "medium": 0.197, "high": 0.172}
"""Scores of GPT-5.1 Codex Max by reasoning effort, Table 2 of the paper."""
PUBLISHED_BUDGETS = {
    "Opus 4.5": {1: 11.84, 2: 12.36, 5: 16.86, 10: 17.12},
    "GPT-5.1 Codex Max": {1: 12.69, 2: 14.55, 5: 17.89, 10: 20.16},
    "Gemini 3 Pro": {1: 10.72, 2: 13.0, 5: 14.85, 10: 18.3},
}
"""Scores in percent by hours, Figure 3."""
PUBLISHED_MODELS = {"haiku-4-5": 0.062, "sonnet-4-5": 0.099, "opus-4-5": 0.171}
"""Scores of three sizes of one family, Figure 4."""


def test_the_published_figures_are_reproduced(make_cell: Any, tmp_path: Path) -> None:
    times = {"low": "3:44:35", "medium": "4:03:12", "high": "5:29:01"}
    cells = [
        with_agent(make_cell(f"codex {effort}", raw=score, budget=36000.0), "codex", model="max", effort=effort)
        for effort, score in PUBLISHED_EFFORTS.items()
    ]
    cells += [
        with_agent(make_cell(model, raw=score, budget=36000.0), "claude-code", model=model)
        for model, score in PUBLISHED_MODELS.items()
    ]
    cells += [
        make_cell(agent, raw=score / 100, budget=3600.0 * hours, run=f"{agent} {hours}")
        for agent, scores in PUBLISHED_BUDGETS.items()
        for hours, score in scores.items()
    ]
    root = write_experiment(tmp_path / "exp", cells)
    for effort, time in times.items():
        hours, minutes, seconds = map(int, time.split(":"))
        path = root / f"codex {effort}-m-b-0" / "solve" / "outcome.json"
        outcome = json.loads(path.read_text())
        path.write_text(json.dumps(outcome | {"seconds": 3600.0 * hours + 60 * minutes + seconds}))
    made = [table(group) for group in group_runs(read_experiments([root]).runs)]
    ten = next(one for one in made if one.group.budget == 36000.0)
    ordered = [ten, *(one for one in made if one is not ten)]
    assert {r["effort"]: (r["score"], round(r["hours"], 2)) for r in variants.efforts(ordered)} == {
        "low": (15.5, 3.74),
        "medium": (19.7, 4.05),
        "high": (17.2, 5.48),
    }
    assert {r["model"]: r["score"] for r in variants.agent_models(ordered)} == {
        model: pytest.approx(100 * score) for model, score in PUBLISHED_MODELS.items()
    }
    drawn: dict[str, dict[int, float]] = {}
    for record in data.budgets(ordered):
        drawn.setdefault(record["agent"], {})[round(record["hours"])] = record["score"]
    assert drawn == PUBLISHED_BUDGETS


@pytest.mark.parametrize(
    ("model", "billions"),
    [
        ("Qwen3-1.7B-Base", 1.7), ("Qwen3-4B-Base", 4), ("SmolLM2-135M", 0.135), ("gemma-3-4b-pt", 4),
        ("SmolLM3-3B-Base", 3), ("micro-base", None), ("model-b", None), ("v2.5beta", None),
    ],
)  # fmt: skip
def test_the_size_of_a_base_model_is_read_from_its_name(model: str, billions: float | None) -> None:
    assert variants.parameters(model) == billions


def test_agents_that_differ_in_more_than_one_setting_are_not_compared(make_cell: Any, tmp_path: Path) -> None:
    cells = [
        with_agent(make_cell("one"), "codex", model="a", effort="low"),
        with_agent(make_cell("two"), "codex", model="b", effort="high"),
        with_agent(make_cell("three"), "react", model="a", effort="high"),
    ]
    made = [table(group) for group in group_runs(read_experiments([write_experiment(tmp_path / "e", cells)]).runs)]
    assert variants.efforts(made) == []
    assert variants.agent_models(made) == []
    assert variants.base_sizes(made) == []


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(65, 10), (22, 5), (90, 15), (300, 60), (3600, 600), (36_000, 7200), (90_000, 18_000), (900_000, 180_000)],
)
def test_ticks_of_durations_are_round(largest: float, expected: float) -> None:
    ticks = [3600 * tick for tick in tick_values(largest / 3600, DURATIONS)]
    assert ticks[:2] == [0, pytest.approx(expected, rel=1e-4)]
    assert ticks[-2] < largest <= ticks[-1] + 1e-3


def test_ticks_of_numbers_are_round() -> None:
    assert tick_values(1, [1, 2]) == [0, 1]
    assert tick_values(0) == [0, 1]
    assert tick_values(2.8) == [0, 0.5, 1, 1.5, 2, 2.5, 3]
    assert tick_values(40, [1, 2, 5, 10]) == [0, 5, 10, 15, 20, 25, 30, 35, 40]


def test_counts_have_whole_ticks_and_labels_stay_in_the_plot(all_tables: list[Table]) -> None:
    flags = chart("flags", all_tables).spec
    ticks = flags["spec"]["encoding"]["x"]["axis"]["values"]
    assert ticks == [0, 1, 2]
    spec = chart("score-time", all_tables).spec
    end = spec["layer"][0]["encoding"]["x"]["scale"]["domain"][1]
    labels = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
    assert {layer["mark"]["align"] for layer in labels} == {"left", "right"}
    for layer in labels:
        data_of = layer["data"]
        values = data_of["values"] if "values" in data_of else spec["datasets"][data_of["name"]]
        places = [value["cost"] / end for value in values]
        assert all((place > 0.5) == (layer["mark"]["align"] == "right") for place in places)


def test_a_single_benchmark_fills_the_card(make_cell: Any, tmp_path: Path) -> None:
    def width(*benchmarks: str) -> int:
        place = tmp_path / "-".join(benchmarks)
        runs = read_experiments([write_experiment(place, [make_cell("a", benchmark=name) for name in benchmarks])]).runs
        return chart("benchmarks", [table(group) for group in group_runs(runs)]).spec["spec"]["width"]  # type: ignore[no-any-return]

    assert width("x") > 600
    assert width("x", "y", "z", "u", "v") == 180
