"""Terminal tables: content, and hostile text."""

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from posttrainbench.report.tables import comparison_table, leaderboard_table, result_table
from posttrainbench.scoring import Cell, baselines_of, leaderboard
from posttrainbench.scoring.comparison import compare


def shown(table: RenderableType, width: int = 160) -> str:
    """Return the terminal output without colors."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, no_color=True)
    console.print(table, soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def harmless(text: str) -> None:
    bare = text.replace("\x1b[1m", "").replace("\x1b[0m", "")
    for sequence in ("\x1b[2m", "\x1b[9m", "\x1b[2;9m", "\x1b[1;2m", "\x1b[3m", "\x1b[2;3m"):
        bare = bare.replace(sequence, "")  # the table's own styles
    assert not set("\x1b\x9b\x07\x08\r\u202e\u2066\u200b\ufeff") & set(bare)
    bare.encode()


def test_leaderboard(make_cell: Any) -> None:
    cells = [
        make_cell("good", seed=0, raw=0.4),
        make_cell("good", seed=1, raw=0.5),
        make_cell("cheat", raw=0.9, status="base_fallback"),
        make_cell("broken", raw=None, status="infrastructure_error", reasons=["The engine failed."]),
    ]
    text = " ".join(shown(leaderboard_table(leaderboard(cells, baselines_of(cells)))).split())
    assert "broken: 0 of 1 seed counted; 1 infrastructure error." in text
    assert "good: " not in text
    for expected in (
        "45.0 ± 7.1",
        "10.0* (90.0)",
        "instruct",
        "60.0",
        "The engine failed.",
        "no counted run of m on b (",
    ):
        assert expected in text
    assert text.index("good") < text.index("cheat") < text.index("broken") < text.index("instruct")


def board(*cells: Cell) -> str:
    """Return the leaderboard as words."""
    return " ".join(shown(leaderboard_table(leaderboard(cells, baselines_of(cells)))).split())


def test_signs_are_explained_only_if_they_occur(make_cell: Any) -> None:
    lost = make_cell("lost", raw=None, status="base_fallback")
    cheat = make_cell("cheat", raw=0.9, status="base_fallback")
    honest = make_cell("honest")
    signs = ("* includes runs reset", "is in parentheses", "could not be evaluated count", "An interval is missing")
    for cells, expected in (
        ([honest], (False, False, False, False)),
        ([honest, lost], (True, False, False, False)),
        ([honest, cheat], (True, True, False, False)),
        ([honest, cheat, make_cell("cheat", seed=1, raw=None, status="base_fallback")], (True, True, True, True)),
    ):
        text = board(*cells)
        assert tuple(sign in text for sign in signs) == expected
        assert ("(" in text.replace("(–)", "")) == expected[1]


def test_a_run_without_a_submission_has_no_raw_score(make_cell: Any) -> None:
    """The leaderboard shows a dash, as the result does."""
    lost = make_cell("lost", raw=None, status="base_fallback")
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown(leaderboard_table(leaderboard([lost], baselines_of([lost])))))
    ranking = next(line for line in text.splitlines() if line.strip().startswith("lost"))
    assert ranking.split()[-3:] == ["–", "1", "1"]
    assert "–" in shown(result_table(lost.result, lost.spec))


def test_facts_about_runs(make_cell: Any) -> None:
    cell = make_cell("tired")
    notes = ["A person stopped the agent early, 5 minutes after its start."]
    result = cell.result.model_copy(
        update={"reprompts": 2, "restarts": 1, "provider_away_seconds": 40.2, "notes": notes}
    )
    cell = replace(cell, result=result)
    facts = ["The agent's session was resumed 2 times after it had stopped early.", *notes]
    facts.append("The agent was without a working model provider for 40 s.")
    text, single = board(cell), " ".join(shown(result_table(result, cell.spec)).split())
    for fact in facts:
        assert text.count(f"tired on m, b, seed 0: {fact}") == 1
        assert single.count(fact) == 1
    assert "started over once after it had worked" in single
    assert "more facts" not in text
    seeds = [replace(cell, spec=cell.spec.model_copy(update={"seed": seed, "run": str(seed)})) for seed in range(3)]
    alike = board(*seeds)
    for fact in facts:
        assert alike.count(f"3 runs (tired): {fact}") == 1
        assert alike.count(fact) == 1
    assert "more facts" not in alike
    different = [
        replace(
            one, result=result.model_copy(update={"reprompts": n, "provider_away_seconds": n, "notes": [f"note {n}"]})
        )
        for n, one in enumerate(seeds, 2)
    ]
    assert "4 more facts about runs are in --json." in board(*different)
    innocent = make_cell("fresh")
    assert "fresh on" not in board(innocent)


def test_intervals_apart(make_cell: Any) -> None:
    """The table of intervals is shown only if it adds to the ranking."""
    one = [make_cell("x"), make_cell("y")]
    assert "interval over" not in shown(leaderboard_table(leaderboard(one, baselines_of(one))))
    two = [*one, make_cell("x", seed=1, raw=0.3)]
    text = shown(leaderboard_table(leaderboard(two, baselines_of(two))))
    assert "95% interval over" in text
    assert "base models" in text


def test_many_benchmarks_fit_the_terminal(make_cell: Any) -> None:
    """Seven benchmarks with long names, one of them reset, fit 80 columns without truncation or folding."""
    names = "aime2025 arenahardwriting bfcl gpqamain gsm8k healthbench humaneval".split()
    cells = [make_cell(agent, benchmark=name, seed=seed) for agent in "ab" for name in names for seed in range(2)]
    cells.append(make_cell("cheat", benchmark="bfcl", raw=1.0, status="base_fallback"))
    lines = shown(leaderboard_table(leaderboard(cells, baselines_of(cells))), 80).splitlines()
    bare = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in lines]
    assert max(len(line) for line in bare) <= 80
    heads = [line.split() for line in bare if line.strip().startswith("agent")]
    assert [word for head in heads[1:] for word in head if word != "agent"] == names
    assert any("10.0* (100.0)" in line for line in bare)


def comparison(*cells: Cell) -> RenderableType:
    agents = sorted({cell.agent for cell in cells})
    return comparison_table(compare(cells, baselines_of(cells), agents[0], agents[1]))


def test_comparison(make_cell: Any) -> None:
    cells = [
        make_cell(agent, benchmark=f"b{b}", seed=seed, raw=raw + seed / 100)
        for agent, raw in (("good", 0.5), ("poor", 0.3))
        for b in range(3)
        for seed in range(2)
    ]
    lost = make_cell("poor", benchmark="b9", status="infrastructure_error", raw=None, reasons=["The engine failed."])
    lines = shown(comparison(*cells, lost), 80).splitlines()
    text = " ".join(" ".join(lines).split())
    for expected in (
        *("good is ahead of poor by 20.0 points", "runs of both agents", "base models and benchmarks", "test items"),
        *("A: good", "B: poor", "+20.0", "Left out: m on b9 (good: never run)", "The engine failed."),
    ):
        assert expected in text
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines) <= 80


def test_result(caught: Cell) -> None:
    assert caught.result is not None
    text = shown(result_table(caught.result, caught.spec, Path("runs/x")))
    for expected in (
        "10.0",
        "90.0",
        "60.0",
        "base fallback",
        "flagged",
        "not checked",
        "runs/x",
        "and 1 more",
    ):
        assert expected in text


def test_result_without_scores(make_cell: Any) -> None:
    cell = make_cell(raw=None, status="infrastructure_error", reasons=["The engine failed."])
    text = shown(result_table(cell.result, cell.spec))
    assert "infrastructure error" in text
    assert "–" in text
    assert "Quote" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_text(caught: Cell, width: int) -> None:
    assert caught.result is not None
    agent = caught.spec.agent.model_copy(update={"name": f"other {caught.agent}"})
    spec = caught.spec.model_copy(update={"agent": agent, "run": "other"})
    harmless(shown(result_table(caught.result, caught.spec, Path("runs/x")), width))
    harmless(shown(comparison(caught, replace(caught, spec=spec)), width))
    text = shown(leaderboard_table(leaderboard([caught], baselines_of([caught]))), width)
    harmless(text)
    if width == 200:
        assert "[bold red]rich[/]" in text.replace("\n", "")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_names_of_agents_are_never_broken(width: int, make_cell: Any) -> None:
    names = ["recipe?script=examples/agent.py", "sft"]
    cells = [make_cell(name, benchmark=benchmark, raw=0.5) for name in names for benchmark in ("one", "two")]
    lines = shown(leaderboard_table(leaderboard(cells, baselines_of(cells))), width).splitlines()
    if width >= 60:
        assert max(map(len, lines)) <= width
    first = next(number for number, line in enumerate(lines) if line.startswith(f" {names[0]}"))
    own_line = lines[first] == f" {names[0]}"
    assert own_line == (width <= 80)
    assert "50.0" in lines[first + own_line]
