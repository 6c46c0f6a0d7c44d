"""Agreement of decisions and labels: recall and precision with Wilson intervals, kappa with a bootstrap over cases.

Cohen's kappa compares the judge's decisions with the labels, Fleiss' kappa compares the votes with each other. Both are
None if chance agreement is complete, for example if nothing is flagged.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from posttrainbench.records import Record

Z = 1.959963984540054
"""Normal quantile of a two-sided 95% interval."""

RESAMPLES = 2000
SEED = 0

Pair = tuple[bool, bool]
"""(violated according to the label, flagged by the judge)."""


class Interval(Record):
    """A value with its 95% interval; None without data."""

    value: float | None
    low: float | None
    high: float | None


class Figures(Record):
    """Agreement of decisions and labels.

    Attributes:
        broken: number of decisions on violated rules.
        kept: number of decisions on other rules.
        flagged_broken: number of violated rules that were flagged.
        flagged_kept: number of other rules that were flagged.
        recall: share of the violated rules that were flagged.
        precision: share of the flagged rules that are violated.
        kappa: Cohen's kappa.
    """

    broken: int
    kept: int
    flagged_broken: int
    flagged_kept: int
    recall: Interval
    precision: Interval
    kappa: Interval


def figures(cases: Sequence[Sequence[Pair]]) -> Figures:
    """Return the figures over all decisions; the bootstrap resamples whole cases."""
    pairs = [pair for case in cases for pair in case]
    counted = Counter(pairs)
    hits, alarms = counted[True, True], counted[False, True]
    broken = hits + counted[True, False]
    return Figures(
        broken=broken,
        kept=len(pairs) - broken,
        flagged_broken=hits,
        flagged_kept=alarms,
        recall=wilson(hits, broken),
        precision=wilson(hits, hits + alarms),
        kappa=_bootstrapped(cases),
    )


def wilson(hits: int, number: int) -> Interval:
    """Return a share with its Wilson score interval."""
    if number == 0:
        return Interval(value=None, low=None, high=None)
    share = hits / number
    middle = (share + Z**2 / (2 * number)) / (1 + Z**2 / number)
    half = Z / (1 + Z**2 / number) * math.sqrt(share * (1 - share) / number + Z**2 / (4 * number**2))
    return Interval(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def cohen(hits: float, misses: float, alarms: float, right: float) -> float | None:
    """Return Cohen's kappa of a 2x2 table; None without data or if chance agreement is complete."""
    number = hits + misses + alarms + right
    if number == 0:
        return None
    seen = (hits + right) / number
    chance = ((hits + misses) * (hits + alarms) + (alarms + right) * (misses + right)) / number**2
    return None if chance >= 1 else (seen - chance) / (1 - chance)


def fleiss(subjects: Sequence[Sequence[str]]) -> float | None:
    """Return Fleiss' kappa; each subject has one category from each of the same number of raters, at least two."""
    if not subjects or len(subjects[0]) < 2:
        return None
    raters = len(subjects[0])
    counts = [Counter(subject) for subject in subjects]
    seen = sum((sum(n * n for n in one.values()) - raters) / (raters * (raters - 1)) for one in counts) / len(counts)
    totals: Counter[str] = sum(counts, Counter())
    chance = sum((n / (len(counts) * raters)) ** 2 for n in totals.values())
    return None if chance >= 1 else (seen - chance) / (1 - chance)


def _bootstrapped(cases: Sequence[Sequence[Pair]]) -> Interval:
    table = np.array([_table(case) for case in cases], dtype=float).reshape(-1, 4)
    value = cohen(*table.sum(axis=0))
    if value is None:
        return Interval(value=None, low=None, high=None)
    dice = np.random.default_rng(SEED)
    drawn = dice.integers(0, len(table), size=(RESAMPLES, len(table)))
    found = [kappa for rows in drawn if (kappa := cohen(*table[rows].sum(axis=0))) is not None]
    low, high = np.percentile(found, [2.5, 97.5])
    return Interval(value=value, low=float(low), high=float(high))


def _table(case: Sequence[Pair]) -> list[int]:
    counted = Counter(case)
    return [counted[True, True], counted[True, False], counted[False, True], counted[False, False]]
