"""Exact intervals and corrected rates, against published and hand-computed values."""

import math

import pytest

from posttrainbench.scoring.proportions import clopper_pearson, corrected_rate


@pytest.mark.parametrize(
    ("hits", "number", "low", "high"),
    [
        (0, 10, 0.0, 0.3084971),  # 1 - 0.025 ** (1 / 10)
        (10, 10, 0.6915029, 1.0),
        (8, 10, 0.4439045, 0.9747893),  # binom.test(8, 10) of R
        (1, 2, 0.0125791, 0.9874209),  # 1 - sqrt(0.975)
        (17, 17, 0.8049364, 1.0),
        (16, 16, 0.7940928, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_exact_intervals_are_those_of_the_tables(hits: int, number: int, low: float, high: float) -> None:
    assert clopper_pearson(hits, number) == pytest.approx((low, high), abs=1e-6)


def test_exact_intervals_of_many_cases() -> None:
    low, high = clopper_pearson(900, 1000)
    assert (low, high) == pytest.approx((0.8797, 0.9179), abs=2e-4)
    assert clopper_pearson(100, 1000) == pytest.approx((1 - high, 1 - low), abs=1e-9)
    assert clopper_pearson(2500, 5000) == pytest.approx((0.4860, 0.5140), abs=2e-4)


def test_a_rate_is_corrected_as_by_hand() -> None:
    # 30 of 100 flagged, 18 of 20 found, 38 of 40 rejected: (0.3 + 0.95 - 1) / (0.9 + 0.95 - 1) = 0.25 / 0.85
    found = corrected_rate(30, 100, hits=18, broken=20, rejections=38, kept=40)
    assert found is not None
    assert (found.raw, found.corrected) == pytest.approx((0.3, 0.2941176))
    # z^2 = 3.841459: share 31.9207294 / 103.841459 = 0.3073987, true 19/22, false 39/42, gain 0.7922078
    # middle 0.2358338 / 0.7922078 - ... = (0.3073987 + 0.9285714 - 1) / 0.7922078 = 0.2978685
    # noise 0.0053531 and 0.0015792; shift 7.682918 * (0.0015945 - 0.0011088) = 0.0037316
    # half 1.959964 * sqrt(0.0020503 + 0.0004750 + 0.0007786) / 0.7922078 = 0.1422071
    assert found.interval == pytest.approx((0.1593930, 0.4438072), abs=2e-4)
    half = 1.959964 * math.sqrt(0.0020503 + 0.0004750 + 0.0007786) / 0.7922078
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(half, abs=2e-4)


def test_a_judge_without_errors_changes_nothing() -> None:
    found = corrected_rate(7, 20, hits=50, broken=50, rejections=50, kept=50)
    assert found is not None
    assert found.corrected == pytest.approx(found.raw) == 0.35


def test_false_flags_explain_few_flags() -> None:
    found = corrected_rate(1, 20, hits=18, broken=20, rejections=36, kept=40)
    assert found is not None
    assert (found.corrected, found.interval[0]) == (0.0, 0.0)
    assert found.interval[1] > 0.05


@pytest.mark.parametrize(("flagged", "runs", "hits", "rejections"), [(0, 0, 18, 18), (3, 10, 10, 10), (3, 10, 2, 5)])
def test_flags_that_say_nothing_are_not_corrected(flagged: int, runs: int, hits: int, rejections: int) -> None:
    assert corrected_rate(flagged, runs, hits=hits, broken=20, rejections=rejections, kept=20) is None
    assert corrected_rate(flagged, runs, hits=0, broken=0, rejections=20, kept=20) is None
