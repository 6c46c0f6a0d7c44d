"""Scores on benchmarks that submissions were not trained for, aggregated beside the leaderboard."""

from dataclasses import replace
from typing import Any

import pytest

from posttrainbench.records import OffTarget
from posttrainbench.scoring import Cell, baselines_of, leaderboard
from posttrainbench.scoring.off_target import off_target_scores


def other(score: float | None, base: float = 0.5, instruct: float = 0.8) -> OffTarget:
    return OffTarget(benchmark="other", score=score, base_score=base, instruct_score=instruct)


def with_off_target(cell: Cell, *entries: OffTarget) -> Cell:
    assert cell.result is not None
    return replace(cell, result=cell.result.model_copy(update={"off_target": list(entries)}))


def test_means_are_over_seeds_and_then_over_models_and_trained_benchmarks(make_cell: Any) -> None:
    cells = [
        with_off_target(make_cell("x", model="m", seed=0), other(0.2)),
        with_off_target(make_cell("x", model="m", seed=1), other(0.4)),
        with_off_target(make_cell("x", model="n"), other(0.7, base=0.6, instruct=1.0)),
        with_off_target(make_cell("x", model="n", benchmark="c"), other(0.4, base=0.6, instruct=1.0)),
    ]
    [score] = off_target_scores(cells)
    assert (score.score, score.base) == pytest.approx(((0.3 + 0.7 + 0.4) / 3, (0.5 + 0.6 + 0.6) / 3))
    assert score.instruct == pytest.approx((0.8 + 1.0 + 1.0) / 3)
    assert (score.change, score.lowest, score.highest) == pytest.approx((-0.1, -0.3, 0.1))
    assert (score.agent, score.benchmark, score.runs, score.failed, score.reset) == ("x", "other", 4, 0, 0)
    trained = {entry.benchmark: (entry.change, entry.runs) for entry in score.trained_for}
    assert trained == {"b": (pytest.approx(-0.05), 3), "c": (pytest.approx(-0.2), 1)}


def test_reset_uncounted_and_failed_runs_do_not_enter_the_means(make_cell: Any) -> None:
    cells = [
        with_off_target(make_cell("x", seed=0), other(0.6)),
        with_off_target(make_cell("x", seed=1), other(None)),
        with_off_target(make_cell("x", seed=2, status="base_fallback", raw=0.9), other(0.8)),
        with_off_target(make_cell("x", seed=3, status="not_audited"), other(0.1)),
        with_off_target(make_cell("cheat", status="base_fallback", raw=0.9), other(0.8)),
        make_cell("y"),
    ]
    cheat, score = off_target_scores(cells)
    assert (score.score, score.runs, score.failed, score.reset) == (0.6, 1, 1, 1)
    assert (cheat.agent, cheat.score, cheat.change, cheat.runs, cheat.reset) == ("cheat", None, None, 0, 1)


def test_they_have_no_effect_on_the_leaderboard(make_cell: Any) -> None:
    cells = [make_cell("x", seed=0), make_cell("y", seed=0, raw=0.4)]
    plain = leaderboard(cells, baselines_of(cells))
    cells[1] = with_off_target(cells[1], other(1.0))
    board = leaderboard(cells, baselines_of(cells))
    assert "off_target" not in plain.model_dump(mode="json")
    assert [score.agent for score in board.off_target] == ["y"]
    assert board.model_copy(update={"off_target": []}) == plain
