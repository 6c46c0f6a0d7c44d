"""Compare a claimed score with the scores of fresh runs of the same agent on the same base model and benchmark.

If the claimed run and the fresh ones differ only in their seeds, and scores are normally distributed over seeds, the
claimed score lies in the prediction interval of one more run with the stated probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Literal

from posttrainbench.records import Record

HALVINGS = 60
MAX_QUANTILE = 1000.0


class Reproduction(Record):
    """Whether fresh runs reproduce a claimed score.

    Attributes:
        claimed: the claimed score of a submission, a fraction 0-1.
        measured: scores of the fresh runs.
        interval: 95% prediction interval of one more run, within 0 and 1; None with fewer than two runs.
        state: whether the claim lies in the interval, above or below it; `not_checked` without an interval.
    """

    claimed: float
    measured: list[float]
    interval: tuple[float, float] | None
    state: Literal["within", "above", "below", "not_checked"]


def reproduce(claimed: float, measured: Sequence[float], items: int) -> Reproduction:
    """Compare a claimed score with measured ones.

    Args:
        claimed: a fraction 0-1.
        measured: scores of the fresh runs.
        items: number of test items. The interval extends by at least one item, since equal scores of a few runs do not
            show that scores never vary.
    """
    interval = prediction_interval(measured, 1 / max(items, 1))
    state: Literal["within", "above", "below", "not_checked"]
    if interval is None:
        state = "not_checked"
    else:
        state = "below" if claimed < interval[0] else "above" if claimed > interval[1] else "within"
    return Reproduction(claimed=claimed, measured=list(measured), interval=interval, state=state)


def prediction_interval(scores: Sequence[float], least: float = 0.0) -> tuple[float, float] | None:
    """Return the 95% prediction interval of one more score of a normal distribution, cut to 0 and 1.

    Args:
        scores: independent scores.
        least: minimum of half the interval's width.

    Returns:
        The interval; None for fewer than two scores.
    """
    if len(scores) < 2:
        return None
    half = student_quantile(0.975, len(scores) - 1) * stdev(scores) * math.sqrt(1 + 1 / len(scores))
    half = max(half, least)
    return max(0.0, fmean(scores) - half), min(1.0, fmean(scores) + half)


def student_quantile(share: float, freedom: int) -> float:
    """Return the quantile of Student's t distribution for a share from 0.5 to 0.999, by bisection."""
    low, high = 0.0, MAX_QUANTILE
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _student(middle, freedom) < share else (low, middle)
    return high


def _student(value: float, freedom: int) -> float:
    """Return the distribution function of Student's t at a value from 0 (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan(value / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    total = term if freedom > 1 or not odd else 0.0
    for number in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine**2 * (number - 1) / number
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + inside) / 2
