"""Two runs compared item by item."""

import json
from dataclasses import replace
from math import comb
from pathlib import Path
from typing import Any

import pytest
import scoring_runs
from scoring_runs import build_cell
from typer.testing import CliRunner

from posttrainbench.cli.app import app
from posttrainbench.errors import InputError
from posttrainbench.scoring.item_comparison import compare_items, sign_test


def with_items(run: str, values: list[float], **more: Any) -> Any:
    return replace(
        build_cell(run, **more),
        raw_items={f"b/{number:03}": value for number, value in enumerate(values)},
    )


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 5), (0, 6), (1, 9), (12, 3), (300, 250)])
def test_the_test_is_exact(wins: int, losses: int) -> None:
    number, small = wins + losses, min(wins, losses)
    exact = min(1.0, 2 * sum(comb(number, k) for k in range(small + 1)) / 2**number)
    assert sign_test(wins, losses) == pytest.approx(exact)
    assert sign_test(wins, losses) == sign_test(losses, wins)


def test_a_clear_and_an_unclear_difference() -> None:
    a = with_items("a", [1.0] * 12 + [0.0] * 8)
    b = with_items("b", [0.0] * 10 + [1.0] * 2 + [0.0] * 8)
    result = compare_items(a, b)
    assert (result.items, result.better_a, result.better_b) == (20, 10, 0)
    assert result.p_value == pytest.approx(2 / 2**10)
    assert "Of 20 items, A has the higher score on 10, B on 0, and 10 are equal. So A is better" in result.sentence
    assert "So B is better" in compare_items(b, a).sentence
    same = compare_items(a, with_items("c", [1.0] * 11 + [0.0] * 8 + [1.0]))
    assert (same.better_a, same.better_b, same.p_value) == (1, 1, 1.0)
    assert "do not show which submission is better" in same.sentence
    assert [one.item for one in same.differences] == ["b/011", "b/019"]


def test_many_differences_do_not_overflow() -> None:
    assert sign_test(20_000, 10_000) == pytest.approx(0.0, abs=1e-300)
    assert sign_test(10_000, 10_001) == pytest.approx(1.0, abs=0.01)


def test_what_limits_a_comparison_is_named() -> None:
    a = with_items("a", [1.0, 0.5, 0.0])
    b = with_items("b", [0.0, 0.5], model="other", status="base_fallback", raw=0.5)
    notes = " ".join(compare_items(a, b).notes)
    for part in ("B was reset", "base models differ: m and other", "1 items that only one", "not two agents"):
        assert part in notes


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    a = with_items("a", [1.0])
    for other, message in (
        (with_items("b", [1.0], benchmark="c"), "different benchmarks"),
        (replace(a, raw_items={"x": 1.0}), "no test item in common"),
        (replace(a, raw_items=None), "no scores of single items"),
    ):
        with pytest.raises(InputError, match=message):
            compare_items(a, other)
    same = replace(a, path=tmp_path)
    with pytest.raises(InputError, match="with itself"):
        compare_items(same, same)


def test_the_command(tmp_path: Path) -> None:
    paths = [
        str(scoring_runs.write_run(build_cell(name, raw=sum(items) / 10, items=items), tmp_path))
        for name, items in (("a", [1.0] * 8 + [0.0] * 2), ("b[bold]", [0.0] * 8 + [1.0] * 2))
    ]
    done = CliRunner().invoke(app, ["compare", *paths, "--json"])
    assert done.exit_code == 0, done.output
    result = json.loads(done.output)
    assert (result["better_a"], result["better_b"]) == (8, 2)
    shown = CliRunner().invoke(app, ["compare", *paths])
    assert "Of 10 items, A has the higher score on 8" in " ".join(shown.output.split())
    assert "b[bold]-m-b-0" in shown.output
    with pytest.raises(InputError, match="leave them out"):
        CliRunner().invoke(app, ["compare", *paths, "--suite", "micro"], catch_exceptions=False)
