"""The permutation test compared with plain enumeration, and the interval compared with the test."""

import itertools
import math
from statistics import fmean

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posttrainbench.scoring.permutation import Block, permutation_test

SCORE = st.integers(0, 20).map(lambda number: number / 20)


@st.composite
def block(draw: st.DrawFn) -> Block:
    runs = draw(st.integers(1, 3))
    a, b = (draw(st.lists(SCORE, min_size=runs, max_size=runs)) for _ in range(2))
    return Block(draw(st.integers(1, 4)) / 4, a, b)


def by_hand(blocks: list[Block]) -> float:
    """Return p by enumerating all assignments in plain Python."""
    parts = []
    for one in blocks:
        scores = [*one.a, *one.b]
        deals = itertools.combinations(range(len(scores)), len(one.a))
        parts.append(
            [
                one.weight * (fmean(scores[i] for i in deal) - fmean(x for i, x in enumerate(scores) if i not in deal))
                for deal in deals
            ]
        )
    observed = sum(one.weight * one.difference for one in blocks)
    all_of_them = [sum(parts) for parts in itertools.product(*parts)]
    tails = (
        sum(value >= observed - 1e-9 for value in all_of_them),
        sum(value <= observed + 1e-9 for value in all_of_them),
    )
    return min(1.0, 2 * min(tails) / len(all_of_them))


@settings(max_examples=40)
@given(st.lists(block(), min_size=1, max_size=3))
def test_exact_p(blocks: list[Block]) -> None:
    result = permutation_test(blocks)
    assert result.exact
    assert result.p_value == pytest.approx(by_hand(blocks))
    assert result.arrangements == math.prod(math.comb(2 * len(one.a), len(one.a)) for one in blocks)
    assert result.smallest <= result.p_value


@settings(max_examples=40)
@given(st.lists(block(), min_size=2, max_size=3), st.floats(-0.5, 0.5))
def test_interval_holds_what_the_test_does_not_reject(blocks: list[Block], shift: float) -> None:
    result = permutation_test(blocks)
    shifted = permutation_test([Block(one.weight, [x - shift for x in one.a], one.b) for one in blocks])
    total = sum(one.weight for one in blocks)
    if result.ci is None:
        assert result.smallest > 0.05 or result.arrangements < 80
    elif all(abs(end - shift) > 1e-6 for end in result.ci):
        assert (result.ci[0] < shift < result.ci[1]) == (shifted.p_value > 0.05)
        assert result.ci[0] <= sum(one.weight * one.difference for one in blocks) / total + 1e-9


@settings(max_examples=30)
@given(st.lists(block(), min_size=2, max_size=3))
def test_exchanging_the_agents_turns_the_sign(blocks: list[Block]) -> None:
    result, other = (permutation_test(bs) for bs in (blocks, [Block(one.weight, one.b, one.a) for one in blocks]))
    assert other.p_value == result.p_value
    assert (other.ci is None) == (result.ci is None)
    if result.ci and other.ci:
        assert other.ci == pytest.approx((-result.ci[1], -result.ci[0]))


def test_one_run_each_is_a_sign_flip() -> None:
    result = permutation_test([Block(0.1, [0.5 + n / 100], [0.4]) for n in range(10)])
    assert result.p_value == 2 / 2**10
    assert result.ci is not None
    assert 0.1 < result.ci[0] < 0.145 < result.ci[1] < 0.19


def test_unequal_numbers_of_runs_are_exchanged_whole() -> None:
    blocks = [Block(0.1, [0.5 + n / 100, 0.7], [0.4]) for n in range(10)]
    assert permutation_test(blocks) == permutation_test([Block(0.1, [fmean(one.a)], one.b) for one in blocks])


def test_equal_agents() -> None:
    result = permutation_test([Block(0.5, [0.3, 0.5, 0.4], [0.5, 0.3, 0.4])] * 2)
    assert result.p_value == 1
    assert result.ci is not None
    assert result.ci[0] < 0 < result.ci[1]
    same = permutation_test([Block(0.5, [0.3, 0.3, 0.3], [0.3, 0.3, 0.3])] * 2)
    assert (same.p_value, same.ci) == (1.0, (0.0, 0.0))


@pytest.mark.parametrize("runs", [1, 2, 3])
def test_too_few_arrangements(runs: int) -> None:
    """One block of three runs each: 20 arrangements, so p is at least 0.1 for any difference."""
    result = permutation_test([Block(1.0, [0.9] * runs, [0.1] * runs)])
    assert result.ci is None
    assert result.p_value == result.smallest == 2 / math.comb(2 * runs, runs)


def test_drawn_arrangements_agree_with_all_of_them() -> None:
    rng = np.random.default_rng(5)
    blocks = [Block(1 / 12, [float(x)], [0.45]) for x in rng.normal(0.5, 0.1, 12)]
    exact = permutation_test(blocks)
    assert exact.exact
    many = [*blocks, *(Block(1e-15, [0.5], [0.5]) for _ in range(8))]  # weighs nothing, but there are 2**20 ways
    drawn = permutation_test(many)
    assert not drawn.exact
    assert drawn.arrangements == 2**20
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.01)
    assert exact.ci is not None
    assert drawn.ci == pytest.approx(exact.ci, abs=0.005)
    assert permutation_test(many) == drawn
