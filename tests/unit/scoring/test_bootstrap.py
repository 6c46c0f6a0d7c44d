"""Properties of the interval."""

import math
import time
from statistics import NormalDist, fmean
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scoring_runs import build_cell

from posttrainbench.scoring import Cell
from posttrainbench.scoring.bootstrap import FEW_VALUES, overall_ci

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=60)
BINARY = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=60)


def run(items: list[float], **spec: Any) -> Cell:
    return build_cell(raw=fmean(items), items=items, **spec)


def interval(*seeds: list[float], **options: Any) -> tuple[float, float]:
    return overall_ci({("m", "b"): [[run(items)] for items in seeds]}, {"b": 1.0}, **options)


@settings(max_examples=40, deadline=None)
@given(st.lists(SCORES | BINARY, min_size=1, max_size=3))
def test_contains_the_score_and_stays_a_fraction(seeds: list[list[float]]) -> None:
    low, high = interval(*seeds)
    score = fmean(fmean(items) for items in seeds)
    assert 0 <= low <= score + 1e-9
    assert score - 1e-9 <= high <= 1


@settings(max_examples=20, deadline=None)
@given(SCORES)
def test_deterministic_and_wider_with_the_level(items: list[float]) -> None:
    assert interval(items) == interval(items)
    narrow, wide = interval(items, level=0.8), interval(items, level=0.99)
    assert wide[0] <= narrow[0] <= narrow[1] <= wide[1]


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 1), st.integers(1, 40), st.integers(1, 3))
def test_nothing_varies(value: float, items: int, seeds: int) -> None:
    assert interval(*[[value] * items] * seeds) == pytest.approx((value, value))


def test_a_better_run_has_a_higher_interval() -> None:
    ends = [interval([1.0] * right + [0.0] * (100 - right)) for right in (20, 50, 80)]
    assert ends == sorted(ends)
    assert [high for _, high in ends] == sorted(high for _, high in ends)


@pytest.mark.parametrize("items", [[1.0] * 60 + [0.0] * 140, [((7 * n) % 200) / 200 for n in range(200)]])
def test_width_is_that_of_the_standard_error(items: list[float]) -> None:
    """Both ways of drawing (counts of few values, items of many) agree with the normal approximation."""
    assert (len(set(items)) <= FEW_VALUES) == (len(set(items)) == 2)
    low, high = interval(items, resamples=4000)
    mean = fmean(items)
    error = math.sqrt(fmean((item - mean) ** 2 for item in items) / len(items))
    assert high - low == pytest.approx(2 * NormalDist().inv_cdf(0.975) * error, rel=0.1)


def test_more_items_narrow_it_and_seeds_that_differ_widen_it() -> None:
    few, many = interval([0.0, 1.0] * 10), interval([0.0, 1.0] * 200)
    assert many[1] - many[0] < few[1] - few[0]
    same, different = interval([0.5] * 9, [0.5] * 9), interval([0.2] * 9, [0.8] * 9)
    assert same == pytest.approx((0.5, 0.5))
    assert different == pytest.approx((0.2, 0.8))


def test_weights_and_models() -> None:
    groups = {
        ("m1", "b1"): [[run([1.0] * 4)]],
        ("m2", "b1"): [[run([0.0] * 4)]],
        ("m1", "b2"): [[run([1.0] * 4)]],
        ("m2", "b2"): [[run([1.0] * 4)]],
    }
    assert overall_ci(groups, {"b1": 0.25, "b2": 0.75}) == pytest.approx((0.875, 0.875))


def test_repeats_are_averaged_and_items_are_optional() -> None:
    repeats = [[run([0.2] * 5), run([0.4] * 5)]]
    assert overall_ci({("m", "b"): repeats}, {"b": 1.0}) == pytest.approx((0.3, 0.3))
    bare = [[build_cell(raw=0.4, items=[])]]
    assert overall_ci({("m", "b"): bare}, {"b": 1.0}) == pytest.approx((0.4, 0.4))


def test_reset_run_varies_with_the_base_items() -> None:
    reset = build_cell(status="base_fallback", raw=1.0, items=[1.0] * 10, base=0.3)
    low, high = overall_ci({("m", "b"): [[reset]]}, {"b": 1.0})
    assert low < 0.3 < high < 0.8


def test_a_full_agent_is_fast() -> None:
    groups = {
        (f"m{m}", f"b{b}"): [[run([float((n * 7 + s + m) % 10 < 3) for n in range(500)])] for s in range(3)]
        for m in range(4)
        for b in range(7)
    }
    start = time.perf_counter()
    overall_ci(groups, {f"b{b}": 1 / 7 for b in range(7)})
    assert time.perf_counter() - start < 1.0  # 0.03 s on an idle core
