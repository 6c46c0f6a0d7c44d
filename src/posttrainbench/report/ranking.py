"""Rank runs with everything that this machine knows about their benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

from posttrainbench import catalog
from posttrainbench.evaluation.trivial import known_trivial_scores
from posttrainbench.scoring import Cell, Leaderboard, baselines_of, leaderboard


def rank_with_trivial(cells: Sequence[Cell]) -> Leaderboard:
    """Return the leaderboard of runs, with the known scores of trivial answers.

    Raises:
        InputError: as in `scoring.leaderboard`.
    """
    suites = catalog.suites()
    trivial = {
        name: known_trivial_scores(name, suites[suite])
        for name, suite in {cell.benchmark: cell.spec.suite for cell in cells}.items()
        if suite in suites
    }
    return leaderboard(cells, baselines_of(cells), trivial)
