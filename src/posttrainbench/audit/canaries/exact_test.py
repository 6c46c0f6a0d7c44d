"""The exact test of two groups that were assigned at random: Wilcoxon's rank-sum test, with all assignments counted."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def p_value(drawn: Sequence[float], held_back: Sequence[float]) -> float:
    """Return the share of all assignments of the values to groups of these sizes with at least this rank sum.

    Values that are equal share the mean of their ranks. Under the hypothesis that the values do not depend on the
    assignment, the result is at most p with probability at most p, whatever the values are.

    Args:
        drawn: the group that is suspected to have the larger values.
        held_back: the other group.
    """
    values = np.array([*drawn, *held_back])
    ordered = np.sort(values)
    # Twice the mean ranks, so that all are whole numbers; shifted and divided to keep the table small.
    ranks = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    ranks -= ranks.min()
    ranks //= max(1, int(np.gcd.reduce(ranks)))
    shares = _shares(tuple(sorted(ranks.tolist())), len(drawn))
    return float(shares[int(ranks[: len(drawn)].sum()) :].sum())


def residuals(values: Sequence[float], *predictors: Sequence[float]) -> list[float]:
    """Return what a linear regression on the predictors leaves of the values."""
    matrix = np.column_stack([np.ones(len(values)), *predictors])
    target = np.array(values)
    return [*map(float, target - matrix @ np.linalg.lstsq(matrix, target)[0])]


@lru_cache(maxsize=4)
def _shares(ranks: tuple[int, ...], chosen: int) -> NDArray[np.float64]:
    """Return the share of the choices of `chosen` ranks with each sum."""
    largest = sum(ranks[len(ranks) - chosen :])
    counts = np.zeros((chosen + 1, largest + 1))  # [k, s]: choices of k of the ranks so far with the sum s
    counts[0, 0] = 1
    for number, rank in enumerate(ranks):
        top = min(number + 1, chosen)
        counts[1 : top + 1, rank:] += counts[:top, : largest + 1 - rank].copy()
    shares: NDArray[np.float64] = counts[chosen] / counts[chosen].sum()
    return shares
