"""Claims against fresh runs: intervals with the stated probability, and claims on either side of them."""

from statistics import NormalDist

import numpy as np
import pytest

from posttrainbench.scoring.reproduction import prediction_interval, reproduce, student_quantile


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (9, 2.262), (30, 2.042)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_quantile(0.975, freedom) == pytest.approx(quantile, abs=5e-4)


def test_quantiles_approach_the_normal_distribution() -> None:
    assert student_quantile(0.975, 5000) == pytest.approx(NormalDist().inv_cdf(0.975), abs=1e-3)


@pytest.mark.parametrize("runs", [2, 3, 8])
def test_intervals_contain_the_stated_share_of_further_scores(runs: int) -> None:
    draws = np.random.default_rng(runs).normal(0.5, 0.01, (4000, runs + 1))
    inside = 0
    for *scores, claim in draws.tolist():
        inside += reproduce(claim, scores, 10**9).state == "within"
    assert inside / len(draws) == pytest.approx(0.95, abs=0.012)


def test_claims_above_below_and_within() -> None:
    scores = [0.50, 0.52, 0.51]
    assert reproduce(0.51, scores, 100).state == "within"
    assert reproduce(0.90, scores, 100).state == "above"
    assert reproduce(0.20, scores, 100).state == "below"
    assert reproduce(0.51, scores[:1], 100).state == "not_checked"
    assert reproduce(0.51, [], 100).state == "not_checked"


def test_equal_scores_still_leave_one_item() -> None:
    assert reproduce(0.51, [0.5, 0.5], 100).state == "within"
    assert reproduce(0.52, [0.5, 0.5], 100).state == "above"
    assert prediction_interval([1.0, 1.0], 0.1) == (0.9, 1.0)
