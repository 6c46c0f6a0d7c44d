"""What agents' submissions gained and forgot on benchmarks that they were not trained for.

Shown beside the leaderboard, and without effect on it. Only runs with the status `scored` enter: the submission of a
run that was reset to the base score may be another model than the agent's work. Each mean is over seeds first, then
over the pairs of base model and trained benchmark; the scores of the base and instruct models are averaged over the
same pairs, so that differences are paired.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

from pydantic import Field

from posttrainbench.records import OffTarget, Record, Status
from posttrainbench.scoring.cells import Cell


class TrainedFor(Record):
    """The runs of an agent for one benchmark, evaluated on another.

    Attributes:
        benchmark: the benchmark that the submissions were trained for.
        change: score minus base score on the other benchmark, mean over base models.
        runs: number of runs with a score.
    """

    benchmark: str
    change: float
    runs: int


class OffTargetScore(Record):
    """The submissions of an agent on a benchmark that they were not trained for. All scores are fractions 0-1.

    Attributes:
        benchmark: the benchmark that the submissions were evaluated on.
        score: mean score; None if no submission could be evaluated.
        base: the base models' score on it, for the same runs; None without a score.
        instruct: the same of their instruct counterparts.
        change: `score - base`: what was gained (above 0) or forgotten (below 0).
        lowest: the lowest change in one run.
        highest: the highest change in one run.
        runs: number of runs with a score.
        failed: runs whose submission could not be evaluated on this benchmark; they have no score.
        reset: runs that are left out because their score was reset to the base score.
        trained_for: the change by the benchmark that the submissions were trained for, sorted by benchmark.
    """

    agent: str
    benchmark: str
    score: float | None = None
    base: float | None = None
    instruct: float | None = None
    change: float | None = None
    lowest: float | None = None
    highest: float | None = None
    runs: int = 0
    failed: int = 0
    reset: int = 0
    trained_for: list[TrainedFor] = Field(default_factory=list)


def off_target_scores(cells: Iterable[Cell]) -> list[OffTargetScore]:
    """Return the scores of each agent on each benchmark of its off-target evaluations, sorted by agent and benchmark.

    Agents and benchmarks without such an evaluation are left out.
    """
    groups: dict[tuple[str, str], list[tuple[Cell, OffTarget]]] = {}
    for cell in cells:
        for entry in cell.result.off_target if cell.result and cell.counted else ():
            groups.setdefault((cell.agent, entry.benchmark), []).append((cell, entry))
    return [_score(agent, benchmark, runs) for (agent, benchmark), runs in sorted(groups.items())]


def _score(agent: str, benchmark: str, runs: Sequence[tuple[Cell, OffTarget]]) -> OffTargetScore:
    pairs: dict[tuple[str, str], dict[int, list[tuple[float, float, float]]]] = {}
    changes = []
    failed = reset = 0
    for cell, entry in runs:
        if cell.status is not Status.SCORED:
            reset += 1
        elif entry.score is None:
            failed += 1
        else:
            scores = entry.score, entry.base_score, entry.instruct_score
            pairs.setdefault((cell.benchmark, cell.model), {}).setdefault(cell.seed, []).append(scores)
            changes.append((cell.benchmark, entry.score - entry.base_score))
    known = OffTargetScore(agent=agent, benchmark=benchmark, runs=len(changes), failed=failed, reset=reset)
    if not changes:
        return known
    means = {pair: _mean([_mean(repeats) for repeats in seeds.values()]) for pair, seeds in pairs.items()}
    score, base, instruct = _mean(list(means.values()))
    return known.model_copy(
        update={
            "score": score,
            "base": base,
            "instruct": instruct,
            "change": score - base,
            "lowest": min(change for _, change in changes),
            "highest": max(change for _, change in changes),
            "trained_for": [
                TrainedFor(
                    benchmark=trained,
                    change=fmean(own[0] - own[1] for (name, _), own in means.items() if name == trained),
                    runs=sum(name == trained for name, _ in changes),
                )
                for trained in sorted({trained for trained, _ in means})
            ],
        }
    )


def _mean(scores: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the means of scores, base scores and instruct scores."""
    score, base, instruct = (fmean(column) for column in zip(*scores, strict=True))
    return score, base, instruct
