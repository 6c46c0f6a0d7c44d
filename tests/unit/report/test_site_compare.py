"""The comparisons of the site: the test of `ptb compare`, and which pairs it is computed for."""

from pathlib import Path
from typing import Any

import pytest
from html_outline import Outline
from site_runs import write_experiment

from posttrainbench.report.site import compare_page
from posttrainbench.report.site.groups import group_runs
from posttrainbench.report.site.runs import read_experiments
from posttrainbench.report.site.standings import Table, table
from posttrainbench.scoring import baselines_of
from posttrainbench.scoring.comparison import compare


def read(make_cell: Any, root: Path, agents: str, **spec: Any) -> list[Table]:
    cells = [
        make_cell(agent, "m", b, raw=0.9 - 0.1 * n, **spec) for n, agent in enumerate(agents) for b in ("b1", "b2")
    ]
    content = read_experiments([write_experiment(root, cells)])
    return [table(group) for group in group_runs(content.runs)]


def test_sentence_and_cells(make_cell: Any, tmp_path: Path) -> None:
    [own] = read(make_cell, tmp_path / "exp", "xy")
    compare_page.write_comparisons([own], tmp_path)
    cells = [run.cell for run in own.group.runs]
    expected = compare(cells, baselines_of(cells), "x", "y")
    page = Outline((tmp_path / "compare" / "group-0-1-2.html").read_text())
    assert expected.sentence in page.text
    assert page.text.count("+10.0") == 3  # two cells and overall
    links = [value for name, value in page.attributes if name == "href" and "agent=" in value]
    assert "../runs/index.html#table=group-0&agent=x&model=m&benchmark=b1" in links
    assert "+10.0" in Outline((tmp_path / "compare.html").read_text()).text


def test_many_agents(make_cell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare_page, "ALL_PAIRS", 3)
    compare_page.write_comparisons(read(make_cell, tmp_path / "exp", "abcde", items=[]), tmp_path)
    pages = {path.stem.removeprefix("group-0-") for path in (tmp_path / "compare").iterdir()}
    assert pages == {"1-2", "1-3", "2-3", "3-4", "4-5"}
    assert "2 more pairs" in (tmp_path / "compare.html").read_text()


def test_agents_without_a_common_cell_are_explained(make_cell: Any, tmp_path: Path) -> None:
    cells = [make_cell("x", benchmark="b1"), make_cell("y", benchmark="b2"), make_cell("<b>z", benchmark="b1")]
    content = read_experiments([write_experiment(tmp_path / "exp", cells)])
    compare_page.write_comparisons([table(group) for group in group_runs(content.runs)], tmp_path)
    texts = [Outline(path.read_text()).text for path in (tmp_path / "compare").iterdir()]
    assert any("cannot be compared" in text for text in texts)
    assert any("<b>z" in text for text in texts)
