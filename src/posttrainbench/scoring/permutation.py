"""A permutation test of a weighted difference between two agents, in blocks, and the matching interval.

Under the null hypothesis that the agents do not differ, the runs within a block are exchangeable: every assignment of a
block's runs to the two agents, half to each, is equally likely, and blocks are independent. With one run each in a
block this is a sign-flip test. If the agents have unequal numbers of runs, the block's two means are exchanged instead:
permuting single runs would give wrong p-values if one agent's runs vary more than the other's.

p is twice the smaller tail, at most 1, with the observed data counted. It is exact if all arrangements can be
enumerated; otherwise arrangements are drawn at random, with 1 added to both counts, which keeps the level of the test
(Phipson and Smyth, doi:10.2202/1544-6115.1585).

The 95% interval contains every shift d for which the test, applied after subtracting d from all of A's runs, has p
above 0.05; so it excludes 0 exactly if p is at most 0.05. The condition is linear in d: for each arrangement there is
one d at which its difference equals the observed one, and the ends of the interval are quantiles of these. With too few
arrangements for any p of 0.05 the interval does not exist.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from posttrainbench.scoring.aggregate import TIE, Interval
from posttrainbench.scoring.bootstrap import LEVEL, Floats

MAX_ENUMERATED = 2**17
"""Up to this many arrangements are enumerated."""

DRAWN = 100_000
"""Arrangements drawn at random if there are more."""


@dataclass(frozen=True)
class Block:
    """Exchangeable runs: the scores of A and of B, at least one each, and the block's weight."""

    weight: float
    a: Sequence[float]
    b: Sequence[float]

    @property
    def difference(self) -> float:
        """Mean of A minus mean of B."""
        return fmean(self.a) - fmean(self.b)

    @property
    def balanced(self) -> Block:
        """The block that is permuted: the runs themselves, or the two means if the numbers of runs differ."""
        return self if len(self.a) == len(self.b) else Block(self.weight, [fmean(self.a)], [fmean(self.b)])


@dataclass(frozen=True)
class PermutationResult:
    """The result of a permutation test.

    Attributes:
        p_value: two-sided.
        ci: 95% interval of the difference; None with too few arrangements.
        arrangements: number of possible arrangements.
        exact: true if all of them were enumerated.
        smallest: the smallest p possible with this many arrangements.
    """

    p_value: float
    ci: Interval | None
    arrangements: int
    exact: bool
    smallest: float


def permutation_test(blocks: Sequence[Block], *, drawn: int = DRAWN, seed: int = 0) -> PermutationResult:
    """Test the hypothesis that the weighted sum of the blocks' differences is 0.

    Args:
        blocks: at least one.
        drawn: number of arrangements to draw if there are too many to enumerate.
        seed: seed of the generator; matters only if arrangements are drawn.
    """
    blocks = [block.balanced for block in blocks]
    arrangements = math.prod(math.comb(2 * len(block.a), len(block.a)) for block in blocks)
    exact = arrangements <= MAX_ENUMERATED
    gap, moved = np.zeros(1), np.zeros(1)
    if exact:
        for block in blocks:
            part = _rearranged(block, np.array(_all_choices(block)))
            gap, moved = (np.add.outer(x, y).ravel() for x, y in zip((gap, moved), part, strict=True))
    else:
        rng = np.random.default_rng(seed)
        for block in blocks:
            indices = np.tile(np.arange(2 * len(block.a)), (drawn, 1))
            part = _rearranged(block, rng.permuted(indices, axis=1)[:, : len(block.a)])
            gap, moved = gap + part[0], moved + part[1]
        gap, moved = np.append(gap, 0.0), np.append(moved, 0.0)  # the observed arrangement
    gap[np.abs(gap) < TIE] = 0.0
    tails = (gap <= 0).mean(), (gap >= 0).mean()
    return PermutationResult(
        p_value=min(1.0, 2 * float(min(tails))),
        ci=_interval(gap, moved),
        arrangements=arrangements,
        exact=exact,
        smallest=min(1.0, 2 / len(gap)),
    )


def _all_choices(block: Block) -> list[tuple[int, ...]]:
    """Return every choice of the runs assigned to A, as indices into a balanced block's runs, A's first."""
    return list(combinations(range(2 * len(block.a)), len(block.a)))


def _rearranged(block: Block, chosen: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the decrease of the weighted difference if A has the chosen runs: without a shift, and per unit of shift.

    Args:
        block: a balanced block.
        chosen: indices of A's runs, of shape (arrangements, runs of A).
    """
    count = len(block.a)
    scores = np.array([*block.a, *block.b])
    difference = (2 * scores[chosen].sum(axis=1) - scores.sum()) / count
    leaving = (chosen >= count).sum(axis=1)
    return block.weight * (block.difference - difference), block.weight * leaving * (2 / count)


def _interval(gap: Floats, moved: Floats) -> Interval | None:
    """Return the range of shifts at which both tails exceed 2.5%.

    Arrangements that do not depend on the shift are always in both tails.
    """
    index = math.floor((1 - LEVEL) / 2 * len(gap) + 1e-9)
    still = moved < TIE
    shifts = gap / np.where(still, 1.0, moved)
    low = np.sort(np.where(still, -np.inf, shifts))[index]
    high = np.sort(np.where(still, np.inf, shifts))[-1 - index]
    return (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else None
