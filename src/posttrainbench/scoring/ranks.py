"""Uncertainty of ranks: the rank of every agent in each bootstrap draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from posttrainbench.scoring.aggregate import TIE
from posttrainbench.scoring.bootstrap import LEVEL, Floats


@dataclass(frozen=True)
class Ranking:
    """The ranks of one agent over the draws.

    Attributes:
        shares: the share of draws with rank 1, 2, ...; sums to 1.
        interval: the 95% interval: at most 2.5% of the draws have a better rank, and at most 2.5% a worse one.
    """

    shares: list[float]
    interval: tuple[int, int]


def rank(scores: Sequence[float]) -> list[int]:
    """Return for each score 1 + the number of higher scores; equal scores share the better rank."""
    return [1 + sum(other > score + TIE for other in scores) for score in scores]


def rankings(draws: Mapping[str, Floats]) -> dict[str, Ranking]:
    """Rank the agents in every draw.

    Args:
        draws: agent -> resampled overall scores, of shape (resamples,), from one call of `bootstrap.draw`. Agents tied
            in a draw share their ranks equally: each rank counts with the same fraction of the draw.
    """
    table = np.stack(list(draws.values()), axis=1) if draws else np.zeros((0, 0))
    tail = (1 - LEVEL) / 2 * len(table)
    result = {}
    for column, agent in enumerate(draws):
        own = table[:, column, None]
        ahead = (table > own + TIE).sum(axis=1)
        equal = (np.abs(table - own) <= TIE).sum(axis=1)
        steps = np.zeros(table.shape[1] + 1)  # change of the count from one rank to the next
        np.add.at(steps, ahead, 1 / equal)
        np.subtract.at(steps, ahead + equal, 1 / equal)
        counts = np.cumsum(steps)[:-1]
        up_to = np.cumsum(counts)
        low, high = (int(np.argmax(up_to > edge)) + 1 for edge in (tail + 1e-6, len(table) - tail - 1e-6))
        result[agent] = Ranking(shares=(counts / len(table)).clip(0).tolist(), interval=(low, high))
    return result
