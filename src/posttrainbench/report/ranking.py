"""Rank runs with everything that this machine knows about their benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posttrainbench import catalog
from posttrainbench.evaluation.trivial import known_trivial_scores
from posttrainbench.records import TrivialAnswer
from posttrainbench.scoring import Cell, Leaderboard, baselines_of, leaderboard


def rank_with_trivial(cells: Sequence[Cell]) -> Leaderboard:
    """Return the leaderboard of runs, with the known scores of trivial answers.

    Raises:
        InputError: as in `scoring.leaderboard`.
    """
    trivial = trivial_scores_of({cell.benchmark: cell.spec.suite for cell in cells})
    return leaderboard(cells, baselines_of(cells), trivial)


def trivial_scores_of(suites: Mapping[str, str]) -> dict[str, dict[TrivialAnswer, float]]:
    """Return benchmark -> trivial answer -> score.

    Args:
        suites: benchmark -> suite of its runs; benchmarks of unknown suites are left out.
    """
    known = catalog.suites()
    return {name: known_trivial_scores(name, known[suite]) for name, suite in suites.items() if suite in known}
