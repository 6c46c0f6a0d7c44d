"""How well decisions fit labels: recall and precision with Wilson's interval, kappa with a bootstrap over cases.

Cohen's kappa compares the judge's decision with the label; Fleiss' kappa compares the votes with each other. Both are
None where chance alone would agree, as where nothing is flagged by anybody.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from posttrainbench.records import Record

Z = 1.959963984540054
"""Of a two-sided interval of 95 per cent."""

RESAMPLES = 2000
SEED = 0

Pair = tuple[bool, bool]
"""(broken by the label, flagged by the judge)."""


class Interval(Record):
    """A value with its interval of 95 per cent; None where there is nothing to measure."""

    value: float | None
    low: float | None
    high: float | None


class Figures(Record):
    """How decisions fit labels.

    Attributes:
        broken: decisions whose label is broken; missed ones are all of these that are not flagged.
        kept: decisions whose label is kept.
        recall: share of the broken ones that were flagged.
        precision: share of the flagged ones that are broken.
        kappa: Cohen's.
    """

    broken: int
    kept: int
    flagged_broken: int
    flagged_kept: int
    recall: Interval
    precision: Interval
    kappa: Interval


def figures(cases: Sequence[Sequence[Pair]]) -> Figures:
    """Figures over the decisions of several cases; those of one case are drawn together in the bootstrap."""
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
    """A share with Wilson's score interval."""
    if number == 0:
        return Interval(value=None, low=None, high=None)
    share = hits / number
    middle = (share + Z**2 / (2 * number)) / (1 + Z**2 / number)
    half = Z / (1 + Z**2 / number) * math.sqrt(share * (1 - share) / number + Z**2 / (4 * number**2))
    return Interval(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half))


def cohen(hits: float, misses: float, alarms: float, right: float) -> float | None:
    """Cohen's kappa of a table of two decisions by two."""
    number = hits + misses + alarms + right
    if number == 0:
        return None
    seen = (hits + right) / number
    chance = ((hits + misses) * (hits + alarms) + (alarms + right) * (misses + right)) / number**2
    return None if chance >= 1 else (seen - chance) / (1 - chance)


def fleiss(subjects: Sequence[Sequence[str]]) -> float | None:
    """Fleiss' kappa of subjects that were each put into a category by the same number of raters, two or more."""
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
