"""Charts: one definition for page and figure, honest numbers, and inert drawings of hostile text."""

import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from site_runs import write_experiment

pytest.importorskip("altair")
pytest.importorskip("vl_convert")

from posttrainbench.errors import InputError
from posttrainbench.report.charts import data
from posttrainbench.report.charts.render import _ATTRIBUTES, inline_svg, write_figure
from posttrainbench.report.charts.specs import NAMES, chart, charts
from posttrainbench.report.site.charts_page import write_charts
from posttrainbench.report.site.groups import group_runs
from posttrainbench.report.site.runs import read_experiments
from posttrainbench.report.site.standings import Table, table


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


def test_every_chart_is_drawn_without_markup_from_names(tables: list[Table], tmp_path: Path) -> None:
    drawn = charts(tables)
    assert [each.name for each in drawn] == list(NAMES)
    write_charts(tables, tmp_path)
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


def test_the_figure_is_the_chart_of_the_page(tables: list[Table], tmp_path: Path) -> None:
    for name, beginning in (("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")):
        write_figure(chart("gap", tables).spec, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(beginning)
    with pytest.raises(InputError, match=r"\.svg, \.png, \.pdf"):
        write_figure(chart("gap", tables).spec, tmp_path / "a.jpeg")


def test_plot_names_the_charts(tables: list[Table], tmp_path: Path, ptb_here: Any) -> None:
    root = str(tmp_path / "exp")
    for words, said in (
        (["gab", root, "--out", "x.svg"], "choose from score-time, score-cost, benchmarks, gap, flags, budgets"),
        (["gap", root, "--out", "x.gif"], "must end with .svg, .png, .pdf"),
        (["flags", root, "--budget", "2m", "--out", str(tmp_path / "x.svg")], "no rule is flagged"),
    ):
        refused = ptb_here("plot", *words)
        assert refused.returncode == 2
        assert said in refused.stderr
    assert ptb_here("plot", "budgets", root, "--out", str(tmp_path / "x.svg")).returncode == 0
    assert "good" in (tmp_path / "x.svg").read_text()
