"""Properties of the bootstrap intervals; test_coverage.py measures their coverage."""

import math
from dataclasses import replace
from statistics import NormalDist, fmean, stdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_runs import build_cell

from posttrainbench.scoring import Cell
from posttrainbench.scoring import bootstrap as module
from posttrainbench.scoring.bootstrap import Draws, draw, interval

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=60)
BINARY = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60)
NORMAL = NormalDist().inv_cdf(0.975)


def run(items: list[float], **spec: Any) -> Cell:
    return build_cell(raw=fmean(items), items=items, **spec)


def draws(*seeds: list[float], resamples: int = 1000) -> Draws:
    """Return the draws of an agent with one base model and benchmark."""
    groups = {("m", "b"): {number: [run(items, seed=number)] for number, items in enumerate(seeds)}}
    return draw({"a": groups}, {"b": 1.0}, resamples=resamples)["a"]


def width(drawn: Any) -> float:
    ends = interval(drawn)
    assert ends is not None
    return ends[1] - ends[0]


@settings(max_examples=40)
@given(st.lists(SCORES | BINARY, min_size=1, max_size=3))
def test_contains_the_score_and_stays_a_fraction(seeds: list[list[float]]) -> None:
    drawn = draws(*seeds)
    score = fmean(fmean(items) for items in seeds)
    for kind in (drawn.items, drawn.runs, drawn.total):
        if (ends := interval(kind)) is not None:
            assert 0 <= ends[0] <= score + 1e-9
            assert score - 1e-9 <= ends[1] <= 1


@settings(max_examples=20)
@given(SCORES)
def test_deterministic(items: list[float]) -> None:
    assert interval(draws(items).total) == interval(draws(items).total)


@settings(max_examples=20)
@given(st.floats(0, 1), st.integers(2, 40), st.integers(2, 3))
def test_nothing_varies(value: float, items: int, seeds: int) -> None:
    drawn = draws(*[[value] * items] * seeds)
    for kind in (drawn.items, drawn.runs, drawn.total):
        assert interval(kind) == pytest.approx((value, value))


@pytest.mark.parametrize("items", [[1.0] * 60 + [0.0] * 140, [((7 * n) % 200) / 200 for n in range(200)]])
def test_items_are_as_wide_as_the_standard_error(items: list[float]) -> None:
    drawn = draws(items, resamples=4000)
    assert width(drawn.items) == pytest.approx(2 * NORMAL * stdev(items) / math.sqrt(len(items)), rel=0.05)
    assert drawn.runs is None
    assert interval(drawn.total) == interval(drawn.items)


def test_items_are_the_same_for_all_runs() -> None:
    """Three runs with identical answers have the same item uncertainty as one; three independent runs have less."""
    items = [1.0] * 30 + [0.0] * 30
    turned = items[10:] + items[:10], items[20:] + items[:20]
    assert width(draws(items, items, items).items) == pytest.approx(width(draws(items).items))
    assert width(draws(items, *turned).items) < 0.9 * width(draws(items).items)


def test_runs_are_as_wide_as_their_standard_error() -> None:
    """With many cells of few seeds the plain bootstrap would be too narrow by a factor of sqrt(2/3)."""
    rng = np.random.default_rng(0)
    keys = [(f"m{m}", f"b{b}") for m in range(5) for b in range(8)]
    scores = {key: rng.normal(0.5, 0.1, 3) for key in keys}
    groups = {key: {s: [build_cell(raw=float(x), items=[])] for s, x in enumerate(own)} for key, own in scores.items()}
    drawn = draw({"a": groups}, {f"b{b}": 1 / 8 for b in range(8)}, resamples=4000)["a"]
    error = math.sqrt(sum(float(np.var(own, ddof=1)) / 3 for own in scores.values())) / 40
    assert width(drawn.runs) == pytest.approx(2 * NORMAL * error, rel=0.05)
    assert drawn.items is None
    assert interval(drawn.total) == interval(drawn.runs)


def test_cells_are_drawn_by_base_model() -> None:
    """A weakness of one base model on all benchmarks counts as one unit; differences between benchmarks average out."""
    weights = {"b1": 0.5, "b2": 0.5}

    def cells(table: dict[str, tuple[float, float]]) -> Any:
        groups = {
            (model, benchmark): {0: [build_cell(raw=score)]}
            for model, scores in table.items()
            for benchmark, score in zip(weights, scores, strict=True)
        }
        return draw({"a": groups}, weights)["a"].cells

    assert width(cells({"m1": (0.2, 0.2), "m2": (0.5, 0.5), "m3": (0.8, 0.8)})) > 0.5
    assert width(cells({"m1": (0.2, 0.8), "m2": (0.5, 0.5), "m3": (0.8, 0.2)})) == pytest.approx(0)
    assert cells({"m1": (0.2, 0.2), "m2": (0.5, 0.5)}) is None


def test_weights_and_models() -> None:
    groups = {
        (model, benchmark): {0: [run([value] * 4)]}
        for model, benchmark, value in (("m1", "b1", 1.0), ("m2", "b1", 0.0), ("m1", "b2", 1.0), ("m2", "b2", 1.0))
    }
    drawn = draw({"a": groups}, {"b1": 0.25, "b2": 0.75})["a"]
    assert interval(drawn.total) == pytest.approx((0.875, 0.875))


def test_repeats_of_a_seed_are_one_run() -> None:
    groups = {("m", "b"): {0: [run([0.2] * 5), run([0.4] * 5)]}}
    drawn = draw({"a": groups}, {"b": 1.0})["a"]
    assert interval(drawn.total) == pytest.approx((0.3, 0.3))
    assert drawn.runs is None


def test_a_run_without_items_is_taken_as_exact() -> None:
    bare = build_cell(raw=0.4, items=[])
    alone = draw({"a": {("m", "b"): {0: [bare]}}}, {"b": 1.0})["a"]
    assert (alone.items, alone.runs, alone.known) == (None, None, False)
    assert alone.total == pytest.approx(np.full(2000, 0.4))
    both = draw({"a": {("m", "b"): {0: [bare, run([0.0, 1.0] * 5)]}}}, {"b": 1.0})["a"]
    assert both.items is None
    assert both.known
    assert 0.1 < width(both.total) < 0.5


def test_runs_on_different_items() -> None:
    """Each run varies with its own items, as if drawn separately."""
    one, other = run([0.0, 1.0] * 50), run([0.0, 1.0] * 50, seed=1)
    other = replace(other, raw_items={f"other {name}": value for name, value in (other.raw_items or {}).items()})
    drawn = draw({"a": {("m", "b"): {0: [one], 1: [other]}}}, {"b": 1.0}, resamples=4000)["a"]
    assert width(drawn.items) == pytest.approx(width(draws([0.0, 1.0] * 50, resamples=4000).items) / 2**0.5, rel=0.1)


def test_clipped_score() -> None:
    """Items may be negative and a benchmark's score their clipped mean: the draws are clipped, not centered on it."""
    items = [-1.0] * 12 + [1.0] * 8
    cell = build_cell(raw=0.0, items=items)
    ends = interval(draw({"a": {("m", "b"): {0: [cell]}}}, {"b": 1.0}, resamples=4000)["a"].items)
    assert ends is not None
    assert ends[0] == 0
    assert ends[1] == pytest.approx(fmean(items) + NORMAL * stdev(items) / math.sqrt(20), abs=0.05)


def test_reset_run_varies_with_the_base_items() -> None:
    reset = build_cell(status="base_fallback", raw=1.0, items=[1.0] * 10, base=0.3)
    ends = interval(draw({"a": {("m", "b"): {0: [reset]}}}, {"b": 1.0})["a"].total)
    assert ends is not None
    assert ends[0] < 0.3 < ends[1] < 0.8


def test_agents_share_the_items() -> None:
    """The difference of agents with identical answers does not vary; draws do not depend on other agents."""
    items = [0.0, 1.0, 1.0] * 20
    groups = {("m", "b"): {0: [run(items)]}}
    worse = {("m", "b"): {0: [run([0.0] * 3 + items[3:])]}}
    drawn = draw({"a": groups, "twin": groups, "worse": worse}, {"b": 1.0})
    assert np.ptp(drawn["a"].total - drawn["twin"].total) == pytest.approx(0)
    difference = drawn["a"].total - drawn["worse"].total
    assert float(difference.std()) < 0.5 * float(drawn["a"].total.std())
    assert draw({"a": groups}, {"b": 1.0})["a"].total == pytest.approx(drawn["a"].total)


def test_many_items_are_drawn_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    items = [((7 * n) % 50) / 50 for n in range(50)]
    whole = interval(draws(items).items)
    monkeypatch.setattr(module, "CHUNK", 7 * 50)
    assert interval(draws(items).items) == pytest.approx(whole)
