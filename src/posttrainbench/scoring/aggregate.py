"""Aggregate scores: mean over repeated runs of a seed, over seeds, over base models, then the weighted sum.

Repeated runs of one seed are averaged first, so that they do not count twice; no run is dropped. A missing run counts
neither as zero nor as the base score: a mean over base models, and an overall score, exist only if nothing is missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, stdev

from posttrainbench.scoring.cells import Cell, adjusted

Key = tuple[str, str]
"""(base model, benchmark)"""

Seeds = Mapping[int, Sequence[Cell]]
"""Seed -> the counted runs with that seed."""

Groups = Mapping[Key, Seeds]
"""The counted runs of one agent."""

Interval = tuple[float, float]
"""Lower and upper end of a 95% interval."""

TIE = 1e-12
"""Scores closer than this are equal: sums of the same numbers in another order differ by rounding."""


def group(cells: Iterable[Cell], keys: Iterable[Key]) -> dict[Key, dict[int, list[Cell]]]:
    """Group the counted runs of one agent by base model x benchmark and seed.

    Args:
        cells: the agent's runs.
        keys: the groups to return; a key without counted runs maps to an empty dict, other runs are ignored.
    """
    groups: dict[Key, dict[int, list[Cell]]] = {key: {} for key in keys}
    for cell in cells:
        if cell.counted and (cell.model, cell.benchmark) in groups:
            groups[cell.model, cell.benchmark].setdefault(cell.seed, []).append(cell)
    return groups


def raw(cell: Cell) -> float:
    """Return the score before a reset, or the base score if the submission could not be evaluated."""
    return adjusted(cell) if cell.raw_score is None else cell.raw_score


def confirmed(cell: Cell) -> float:
    """Return the score if a suspicion against the run is confirmed: a suspected run then has the base score."""
    return cell.base.score if cell.suspected and cell.base else adjusted(cell)


def seed_means(seeds: Seeds, value: Callable[[Cell], float] = adjusted) -> dict[int, float]:
    """Return seed -> mean over its runs."""
    return {seed: fmean(value(cell) for cell in repeats) for seed, repeats in seeds.items()}


def group_means(groups: Groups, value: Callable[[Cell], float] = adjusted) -> dict[Key, float]:
    """Return (base model, benchmark) -> mean over seeds; keys without a seed are left out."""
    return {key: fmean(seed_means(seeds, value).values()) for key, seeds in groups.items() if seeds}


def per_benchmark(
    scores: Mapping[Key, float], benchmarks: Sequence[str], models: Sequence[str]
) -> dict[str, float | None]:
    """Return benchmark -> mean over base models, or None if a base model has no score."""
    by_benchmark = {b: [scores[m, b] for m in models if (m, b) in scores] for b in benchmarks}
    return {b: fmean(values) if len(values) == len(models) else None for b, values in by_benchmark.items()}


def overall(means: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    """Return the weighted sum over benchmarks, or None if a benchmark has no mean or weights are missing."""
    parts = [weight * mean for b, weight in weights.items() if (mean := means[b]) is not None]
    return sum(parts) if parts and len(parts) == len(means) else None


def overall_std(groups: Groups, weights: Mapping[str, float], models: Sequence[str]) -> float | None:
    """Return the sample standard deviation over seeds of the overall score of one seed.

    Only seeds with a run in every group are used; None if there are fewer than two of them or no weights.
    """
    complete = set.intersection(*(set(seeds) for seeds in groups.values()))
    if not weights or len(complete) < 2:
        return None
    by_seed = {key: seed_means(seeds) for key, seeds in groups.items()}
    return stdev(sum(weights[b] / len(models) * by_seed[m, b][seed] for m, b in by_seed) for seed in complete)


def shares(keys: Iterable[Key], weights: Mapping[str, float]) -> dict[Key, float]:
    """Return (base model, benchmark) -> its share of the overall score.

    The share is the benchmark's weight divided by the number of its base models among `keys`.
    """
    listed = list(keys)
    models = Counter(benchmark for _, benchmark in listed)
    return {(model, benchmark): weights[benchmark] / models[benchmark] for model, benchmark in listed}
