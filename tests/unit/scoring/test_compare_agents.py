"""Comparison of two agents: pairing, missing cells, the sentence, invalid input."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from scoring_runs import build_cell, metrics, write_run
from typer.testing import CliRunner

from posttrainbench.cli.leaderboard import compare as command
from posttrainbench.errors import InputError
from posttrainbench.scoring import Cell, baselines_of, leaderboard
from posttrainbench.scoring.comparison import Comparison, compare

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def of(cells: list[Cell], a: str = "a", b: str = "b") -> Comparison:
    return compare(cells, baselines_of(cells), a, b)


def experiment(gap: float, seeds: int = 3, agents: str = "ab") -> list[Cell]:
    """Two base models on three benchmarks; A is ahead by `gap`, runs differ by a few points."""
    return [
        build_cell(
            agent,
            model,
            benchmark,
            seed,
            raw=0.3 + 0.02 * ((seed * 7 + m * 5 + b * 3 + ord(agent)) % 4) + (gap if agent == "a" else 0),
            base=0.1,
            instruct=0.4 + 0.1 * b,
        )
        for agent in agents
        for m, model in enumerate(("m1", "m2"))
        for b, benchmark in enumerate(("b1", "b2", "b3"))
        for seed in range(seeds)
    ]


def test_difference_is_that_of_the_leaderboard() -> None:
    cells = experiment(0.2, agents="abc")
    cells[3] = build_cell("a", "m1", "b2", 0, raw=0.9, status="base_fallback", base=0.1, instruct=0.5)
    rows = {row.agent: row for row in leaderboard(cells, baselines_of(cells)).rows}
    found = of(cells)
    assert found.score_a == pytest.approx(rows["a"].overall)
    assert found.score_b == pytest.approx(rows["b"].overall)
    assert found.difference == pytest.approx(found.score_a - found.score_b)
    raw_a, raw_b = rows["a"].overall_raw, rows["b"].overall_raw
    assert raw_a is not None
    assert raw_b is not None
    assert found.difference_raw == pytest.approx(raw_a - raw_b)
    assert sum(found.weights.values()) == pytest.approx(sum(pair.weight for pair in found.pairs)) == pytest.approx(1)
    assert (sum(pair.resets_a for pair in found.pairs), sum(pair.resets_b for pair in found.pairs)) == (1, 0)
    assert "1 of a and 0 of b" in found.sentence


def test_ahead() -> None:
    found = of(experiment(0.2))
    assert found.p_value <= 0.001
    assert found.ci is not None
    assert 0.15 < found.ci[0] < found.difference < found.ci[1] < 0.25
    assert (found.wins, found.losses, found.ties) == (6, 0, 0)
    assert found.p_cells == 2 / 2**6
    assert found.ci_items is not None
    assert found.sentence.startswith(f"a is ahead of b by {100 * found.difference:.1f} points (95% interval +")
    assert "higher in 6 of 6 cells" in found.sentence


def test_order_of_the_agents_turns_all_signs() -> None:
    cells = experiment(0.2)
    one, other = of(cells), of(cells, "b", "a")
    assert other.difference == pytest.approx(-one.difference)
    assert other.p_value == one.p_value
    assert one.ci is not None
    assert other.ci == pytest.approx((-one.ci[1], -one.ci[0]), abs=1e-3)
    assert other.sentence.startswith("a is ahead of b by")


def test_may_be_chance() -> None:
    found = of(experiment(0.002))
    assert found.p_value > 0.05
    assert "which may be chance" in found.sentence


def test_too_few_runs() -> None:
    found = of([build_cell("a", raw=0.9), build_cell("b", raw=0.1)])
    assert (found.p_value, found.ci, found.p_smallest) == (1.0, None, 1.0)
    assert found.ci_items is not None  # the items alone would show it
    assert found.ci_items[0] > 0.3
    assert "too few runs" in found.sentence
    assert "the smallest p-value possible with this many runs is 1" in found.sentence


def test_single_seeds_are_sign_flips() -> None:
    found = of(experiment(0.2, seeds=1))
    assert (found.p_value, found.ci) == (found.p_cells, found.ci_cells)
    assert found.p_value == 2 / 2**6


def test_few_cells_say_little_about_others_however_many_runs_there_are() -> None:
    found = of([cell for cell in experiment(0.2) if cell.benchmark != "b3"])
    assert found.p_value < 0.01
    assert found.p_cells == 2 / 2**4
    assert found.ci_cells is None
    assert "may not generalize to other base models and benchmarks (p = 0.125 over cells)" in found.sentence


def test_one_base_model_against_another() -> None:
    """Consistently better on one base model and worse on the other: neither test reports a lead."""
    cells = [
        build_cell(agent, model, f"b{b}", seed, raw=0.5 + 0.01 * seed + (lead if agent == "a" else 0))
        for agent in "ab"
        for model, lead in (("m1", 0.3), ("m2", -0.2))
        for b in range(3)
        for seed in range(3)
    ]
    found = of(cells)
    assert found.difference == pytest.approx(0.05)
    assert min(found.p_value, found.p_cells) > 0.05
    assert (found.wins, found.losses) == (3, 3)


def test_equal_agents() -> None:
    found = of([build_cell(agent, benchmark=b, raw=0.4) for agent in "ab" for b in ("b1", "b2", "b3")])
    assert (found.difference, found.p_value, found.ties) == (0, 1, 3)
    assert found.sentence.startswith("a and b have the same score")


def test_items_are_paired() -> None:
    """B fails on the items that A fails on, and on some more: only the paired interval shows it."""
    items = [1.0, 0.0] * 50
    worse = [0.0] * 5 + items[5:]
    apart = items[50:] + worse[:50]
    paired = of([build_cell("a", items=items), build_cell("b", raw=0.47, items=worse)])
    unpaired = of([build_cell("a", items=items), build_cell("b", raw=0.47, items=apart[::-1])])
    assert paired.ci_items is not None
    assert unpaired.ci_items is not None
    assert paired.ci_items[0] > -0.005
    assert unpaired.ci_items[0] < -0.05


def test_run_without_items() -> None:
    assert of([build_cell("a", items=[]), build_cell("b")]).ci_items is None


def test_missing_cells_are_left_out_and_named() -> None:
    cells = [cell for cell in experiment(0.2) if (cell.agent, cell.model, cell.benchmark) != ("b", "m1", "b1")]
    lost = build_cell("a", "m2", "b2", status="infrastructure_error", raw=None, reasons=["The engine failed."])
    cells = [cell for cell in cells if (cell.agent, cell.model, cell.benchmark) != ("a", "m2", "b2")] + [lost]
    found = of(cells)
    assert len(found.pairs) == 4
    assert [(gap.model, gap.benchmark, gap.agent) for gap in found.left_out] == [("m1", "b1", "b"), ("m2", "b2", "a")]
    assert [gap.why for gap in found.left_out] == [
        "never run",
        "seed 0: infrastructure error (The engine failed.)",
    ]
    assert "Left out: 2 of 6 cells" in found.sentence
    by_benchmark = {b: sum(pair.weight for pair in found.pairs if pair.benchmark == b) for b in found.weights}
    assert by_benchmark == pytest.approx(found.weights)


def test_weights_are_those_of_the_score_though_a_benchmark_is_left_out() -> None:
    cells = experiment(0.2)
    full = leaderboard(cells, baselines_of(cells)).weights
    found = of([cell for cell in cells if cell.agent == "a" or cell.benchmark != "b3"])
    assert set(found.weights) == {"b1", "b2"}
    assert found.weights["b1"] / found.weights["b2"] == pytest.approx(full["b1"] / full["b2"])


def test_repeats_and_unequal_seeds() -> None:
    cells = [
        build_cell("a", seed=0, raw=0.8, run="1"),
        build_cell("a", seed=0, raw=0.6, run="2"),
        build_cell("a", seed=1, raw=0.1, run="3"),
        build_cell("b", seed=7, raw=0.2),
    ]
    found = of(cells)
    assert found.difference == pytest.approx((0.7 + 0.1) / 2 - 0.2)
    assert (found.pairs[0].seeds_a, found.pairs[0].seeds_b) == (2, 1)


def test_refusals() -> None:
    cells = [build_cell("agent-one", benchmark="b1"), build_cell("agent-two", benchmark="b2")]
    with pytest.raises(InputError, match="did you mean `agent-one`"):
        of(cells, "agent-onn", "agent-two")
    with pytest.raises(InputError, match="choose two of: agent-one, agent-two"):
        of(cells, "agent-one", "zzz")
    with pytest.raises(InputError, match="with itself"):
        of(cells, "agent-one", "agent-one")
    with pytest.raises(InputError, match="no base model and benchmark for which both"):
        of(cells, "agent-one", "agent-two")
    with pytest.raises(InputError, match="several suites"):
        of([build_cell("a"), build_cell("b", suite="v1")])
    with pytest.raises(InputError, match="no base model and benchmark for which both"):
        of([build_cell("a"), build_cell("b", status=None)])
    with pytest.raises(InputError, match="has no weight"):
        of([build_cell(agent, base=0.6, instruct=0.6) for agent in "ab"])


def test_other_suites_of_the_experiment_do_not_matter() -> None:
    cells = experiment(0.2)
    assert of([*cells, build_cell("c", "m9", "b9", suite="v1")]) == of(cells)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    hostile = "\x1b[31mred\x1b[0m [bold]bold[/bold]"
    cells = [*experiment(0.2, seeds=1), build_cell(f"a {hostile}", "m1", "b1", run="hostile")]
    for cell in cells:
        same = metrics(cell.benchmark, 0.1)
        write_run(replace(cell, base=same), tmp_path)
    return tmp_path


def invoke(*words: object) -> Any:
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, [str(word) for word in words])


def test_command_prints_json_alone(written: Path) -> None:
    said = invoke(written, "a", "b", "--json")
    assert said.exit_code == 0
    result = json.loads(said.stdout)
    assert result["difference"] > 0.15
    assert {"agent_a", "agent_b", "score_a", "score_b", "ci", "p_value", "ci_items", "sentence", "pairs"} <= set(result)


def test_command_prints_a_table(written: Path) -> None:
    said = invoke(written, "a", "b")
    text = " ".join(said.stdout.split())
    for expected in ("a is ahead of b by", "runs of both agents", "test items", "b1", "overall"):
        assert expected in text


def test_hostile_names_are_shown_as_text(written: Path) -> None:
    said = invoke(written, "a \x1b[31mred\x1b[0m [bold]bold[/bold]", "b")
    assert said.exit_code == 0
    assert "\x1b" not in said.stdout
    assert "[bold]bold[/bold]" in " ".join(said.stdout.split())


def test_command_refuses(written: Path, tmp_path: Path) -> None:
    assert isinstance(invoke(written, "a", "nobody").exception, InputError)
    assert isinstance(invoke(tmp_path / "absent", "a", "b").exception, InputError)
