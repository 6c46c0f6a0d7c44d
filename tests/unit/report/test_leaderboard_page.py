"""The HTML page: self-contained, complete, and inert to hostile text."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from html_outline import Outline

from posttrainbench.report.leaderboard_page import render_site, write_site
from posttrainbench.report.leaderboard_view import axis, page
from posttrainbench.scoring import Cell, baselines_of, leaderboard


def render(*cells: Cell, **options: Any) -> str:
    return render_site(leaderboard(cells, baselines_of(cells)), cells, **options)


def test_suspected_runs_are_marked_and_listed(make_cell: Any) -> None:
    doubted = make_cell("doubted", raw=0.5, suspected=["data"], reasons=["data may be violated: a script names it."])
    text = Outline(render(doubted, make_cell("good", raw=0.4))).text
    for part in (
        "1 suspected",
        "if confirmed 10.0",
        "Suspected runs",
        "a script names it",
        "scored, suspected",
    ):
        assert part in text
    assert "Suspected runs" not in Outline(render(make_cell("good", raw=0.4))).text


def test_content(make_cell: Any) -> None:
    html = render(
        make_cell("good", seed=0, raw=0.4),
        make_cell("good", seed=1, raw=0.5),
        make_cell("cheat", raw=0.9, status="base_fallback", reasons=["The test set was trained on."]),
        make_cell("lost", raw=None, status="infrastructure_error", reasons=["The engine failed."]),
        make_cell("slow", raw=None, status=None),
        title="My experiment",
    )
    outline = Outline(html)
    for expected in (
        *("My experiment", "Ranking", "By benchmark", "Flagged runs", "Runs", "How to read this", "1 flagged"),
        *(
            "45.0 ± 7.1",
            "before audit 90.0",
            "Instruct models",
            "weight 1.000",
            "incomplete: 1 of 1 cells without a counted run",
        ),
        *("m on b: seed 0: infrastructure error", "reset to base", "infrastructure error", "unfinished"),
        "The test set was trained on.",
    ):
        assert expected in outline.text
    assert "<s>90.0</s>" in html


def test_signs_are_explained_only_if_they_occur(make_cell: Any) -> None:
    honest, lost = make_cell("honest"), make_cell("lost", raw=None, status="base_fallback")
    cheat = make_cell("cheat", raw=0.9, status="base_fallback")
    for cells, expected in (((honest,), ""), ((honest, lost), "Amber"), ((honest, cheat), "Amber struck removed")):
        html = render(*cells)
        for sign, text in (
            ("Amber", "Amber scores"),
            ("struck", "struck through"),
            ("removed", "removed by the audit"),
        ):
            assert (text in html) == (sign in expected)
        assert ("<s>" in html) == ("struck" in expected)


def test_facts_about_runs(make_cell: Any, hostile: str) -> None:
    cell = make_cell("tired")
    result = cell.result.model_copy(update={"reprompts": 1, "notes": [f"Work was ended {hostile}"]})
    text = Outline(render(replace(cell, result=result))).text
    assert "The agent's session was resumed once after it had stopped early." in text
    assert "Work was ended <script>" in text


def test_self_contained_and_without_script(caught: Cell) -> None:
    html = render(caught)
    outline = Outline(html)
    assert not {"script", "img", "link", "iframe", "object", "form", "base", "svg"} & outline.tags
    names = {name for name, _ in outline.attributes}
    assert not {"src", "href", "action", "srcset"} & names
    assert not [name for name in names if name.startswith("on")]
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in outline.attributes
    assert "url(" not in html
    assert "@import" not in html
    for name, value in outline.attributes:
        if name == "style":
            assert re.fullmatch(r"(left|width): [\d.]+%(; width: [\d.]+%)?", value), value


def test_hostile_text_is_shown_as_text(caught: Cell) -> None:
    html = render(caught, title=caught.agent)
    outline = Outline(html)
    assert "<script>alert('x')</script>" in outline.text  # the parser has read it as text
    assert "{{ 7*7 }}{% raw %}" in outline.text
    assert not set("\x1b\x9b\x07\x00\u202e\u2066\u200b\ufeff") & set(html)
    html.encode()
    assert "2 more" not in outline.text
    assert "3 more quotations" in outline.text


def test_file_is_the_same_each_time(tmp_path: Path, make_cell: Any) -> None:
    cells = [make_cell("a"), make_cell("b", raw=0.2)]
    board = leaderboard(cells, baselines_of(cells))
    for name in ("1.html", "2.html"):
        write_site(board, cells, tmp_path / name)
    assert (tmp_path / "1.html").read_bytes() == (tmp_path / "2.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.html", "2.html"]


def test_no_scores_at_all(make_cell: Any) -> None:
    """An experiment without results has a page too."""
    cell = make_cell(raw=None, status=None)
    cells = [Cell(spec=cell.spec)]
    outline = Outline(render_site(leaderboard(cells, {}), cells))
    assert "No run broke a rule that was checked." in outline.text
    assert "weights and overall scores are missing" in outline.text.lower()


def test_many_caught_runs_fold(make_cell: Any) -> None:
    cells = [make_cell("x", seed=seed, status="base_fallback") for seed in range(15)]
    outline = Outline(render(*cells))
    assert "3 more runs" in outline.text
    assert "15 flagged" in outline.text


def test_gain_is_the_share_of_the_gap(make_cell: Any) -> None:
    cells = [make_cell(agent, raw=raw) for agent, raw in (("a", 0.35), ("b", 0.9), ("c", 0.0))]
    content = page(leaderboard(cells, baselines_of(cells)), cells)
    assert {s.agent: s.scores[0].gain for s in content.standings} == pytest.approx({"a": 0.5, "b": 1.0, "c": 0.0})
    assert [standing.row.rank for standing in content.standings] == [1, 2, 3]


def test_certainty_of_the_ranking(make_cell: Any) -> None:
    cells = [
        make_cell(agent, model, seed=seed, raw=raw + 0.1 * seed)
        for agent, raw, seeds in (("two seeds", 0.5, 2), ("one seed", 0.45, 1), ("far behind", 0.0, 1))
        for model in ("m1", "m2", "m3")
        for seed in range(seeds)
    ]
    cells.append(make_cell("lost", "m1", status=None))
    board = leaderboard(cells, baselines_of(cells))
    content = page(board, cells)
    assert [standing.agent for standing in content.ranked] == ["two seeds", "one seed", "far behind"]
    shares = {standing.agent: standing.ranks for standing in content.ranked}
    assert [(share.rank, share.level) for share in shares["far behind"]] == [(3, 10)]
    assert {share.rank for share in shares["one seed"]} == {1, 2}
    text = Outline(render_site(board, cells)).text
    for expected in (
        "Uncertainty of the ranking",
        "Ranks 1 to 3",
        "Base models",
        "rank 1–2, 2 seeds",
        "rank 3, 1 seed",
    ):
        assert expected in text


def test_no_certainty_to_show(make_cell: Any) -> None:
    assert "Uncertainty of the ranking" not in Outline(render(make_cell(items=[]))).text


@pytest.mark.parametrize(
    ("highest", "last"),
    [(0.0, 0.01), (0.03, 0.04), (0.08, 0.1), (0.511, 0.6), (0.7, 0.8), (0.99, 1.0), (1.0, 1.0)],
)
def test_axis(highest: float, last: float) -> None:
    ticks = axis(highest)
    assert (ticks[0], ticks[-1]) == (0.0, last)
    assert 2 <= len(ticks) <= 9
    assert ticks[-1] >= highest
