"""Intervals of proportions: exact ones, and rates that are corrected for the errors of whoever counted.

SciPy is not a dependency, so the exact interval is found by bisection on the binomial distribution.
"""

import math
from collections.abc import Callable

from posttrainbench.records import Record
from posttrainbench.scoring.aggregate import Interval

Z = 1.959963984540054
"""Normal quantile of a two-sided 95% interval."""

TAIL = 0.025
"""Probability outside of a 95% interval on either side."""

HALVINGS = 60


def clopper_pearson(hits: int, number: int) -> Interval:
    """Return the exact 95% interval of a proportion; (0, 1) without data."""
    low = 0.0 if hits == 0 else _root(lambda share: 1 - _at_most(hits - 1, number, share))
    high = 1.0 if hits == number else _root(lambda share: 1 - _at_most(hits, number, share), 1 - TAIL)
    return (low, high)


class CorrectedRate(Record):
    """A rate of flags, and the rate of violations that it implies.

    Attributes:
        flagged: number of flagged runs.
        runs: number of runs on which there was a decision.
        raw: share of flagged runs.
        corrected: estimate by Rogan and Gladen, within 0 and 1.
        interval: its 95% interval by Lang and Reiczigel, which includes the uncertainty of both error rates.
    """

    flagged: int
    runs: int
    raw: float
    corrected: float
    interval: Interval


def corrected_rate(
    flagged: int, runs: int, *, hits: int, broken: int, rejections: int, kept: int
) -> CorrectedRate | None:
    """Correct a rate of flags for false and missed flags.

    Args:
        flagged: number of flagged runs.
        runs: number of runs.
        hits: number of flags among known violations.
        broken: number of known violations.
        rejections: number of cases without a flag among known cases without a violation.
        kept: number of known cases without a violation.

    Returns:
        None without data, or if violations are not flagged more often than other cases, so that flags say nothing.
    """
    if not (runs and broken and kept):
        return None
    sensitivity, specificity = hits / broken, rejections / kept
    raw = flagged / runs
    # Pseudo-counts of Lang and Reiczigel, https://doi.org/10.1016/j.prevetmed.2013.09.015
    runs_, broken_, kept_ = runs + Z * Z, broken + 2, kept + 2
    share, true, false = (flagged + Z * Z / 2) / runs_, (hits + 1) / broken_, (rejections + 1) / kept_
    gain = true + false - 1
    if sensitivity + specificity <= 1 or gain <= 0:
        return None
    middle = (share + false - 1) / gain
    noise_true, noise_false = true * (1 - true) / broken_, false * (1 - false) / kept_
    shift = 2 * Z * Z * (middle * noise_true - (1 - middle) * noise_false)
    variance = share * (1 - share) / runs_ + middle**2 * noise_true + (1 - middle) ** 2 * noise_false
    half = Z * math.sqrt(variance) / gain
    return CorrectedRate(
        flagged=flagged,
        runs=runs,
        raw=raw,
        corrected=_clip((raw + specificity - 1) / (sensitivity + specificity - 1)),
        interval=(_clip(middle + shift - half), _clip(middle + shift + half)),
    )


def _at_most(hits: int, number: int, share: float) -> float:
    """Return the probability of at most `hits` in `number` draws, for a share between 0 and 1."""
    logs = (
        math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1)
        + k * math.log(share) + (number - k) * math.log1p(-share)
        for k in range(hits + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def _root(rising: Callable[[float], float], value: float = TAIL) -> float:
    """Return the point between 0 and 1 at which a rising function reaches a value."""
    low, high = 0.0, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < value else (low, middle)
    return (low + high) / 2


def _clip(value: float) -> float:
    return min(1.0, max(0.0, value))
