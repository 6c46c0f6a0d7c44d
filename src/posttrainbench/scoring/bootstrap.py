"""How far chance alone could move an agent's overall score.

What the interval covers:

* which items the benchmark happens to consist of: items are drawn with replacement within each run;
* how much an agent's runs differ: seeds are drawn with replacement within each base model x benchmark, and
  then the items of the seeds drawn (a hierarchical, percentile bootstrap).

What it does not cover:

* an agent's variation where it has a single seed: then only the items vary, and the interval is too narrow;
* with two or three seeds it is still somewhat too narrow, as every bootstrap over few units is;
* what all runs share: the choice of base models and benchmarks, errors of the baselines and so of the
  weights, items that are hard for every model alike (items are drawn independently for each run), a biased
  grader;
* a difference between two agents: overlapping intervals do not show that two agents are equal;
* whether the audit was right: a reset run counts with the base model's items.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from posttrainbench.scoring.cells import Cell, adjusted

Floats = NDArray[np.float64]

FEW_VALUES = 32


def overall_ci(
    groups: Mapping[tuple[str, str], Sequence[Sequence[Cell]]],
    weights: Mapping[str, float],
    *,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of one agent's overall score; the module's docstring says what it covers.

    Args:
        groups: (base model, benchmark) -> for each seed, its counted runs. Repeats of a seed stay together:
            they are averaged, as in the score itself.
        weights: benchmark -> weight.
        resamples: how often to draw.
        level: share of the draws inside the interval.
        seed: of the generator; the same input gives the same interval.

    Returns:
        The interval's ends, fractions 0-1.
    """
    rng = np.random.default_rng(seed)
    models = {benchmark: sum(b == benchmark for _, b in groups) for benchmark in weights}
    overall = np.zeros(resamples)
    for (_, benchmark), seeds in sorted(groups.items()):
        overall += weights[benchmark] / models[benchmark] * _group(seeds, resamples, rng)
    tail = (1 - level) / 2
    low, high = np.quantile(overall, [tail, 1 - tail])
    return max(0.0, float(low)), min(1.0, float(high))


def _group(seeds: Sequence[Sequence[Cell]], resamples: int, rng: np.random.Generator) -> Floats:
    """Resampled means of one base model x benchmark, of shape (resamples,)."""
    drawn = rng.integers(len(seeds), size=(resamples, len(seeds)))
    means = np.empty(drawn.shape)
    for index, repeats in enumerate(seeds):
        chosen = drawn == index
        count = int(chosen.sum())
        means[chosen] = np.mean([_run(cell, count, rng) for cell in repeats], axis=0)
    mean: Floats = means.mean(axis=1)
    return mean


def _run(cell: Cell, count: int, rng: np.random.Generator) -> Floats:
    """`count` scores of a run, each over items drawn with replacement, of shape (count,).

    The deviation from the items' own mean is added to the run's score, which a benchmark may have clipped.
    """
    score = adjusted(cell)
    items = np.fromiter((cell.items or {}).values(), dtype=np.float64)
    if items.size < 2 or count == 0:
        return np.full(count, score)
    values, occurrences = np.unique(items - items.mean(), return_counts=True)
    if values.size <= FEW_VALUES:
        # Drawing how often each distinct value comes up is the same distribution as drawing items, and much
        # faster.
        draws = rng.multinomial(items.size, occurrences / items.size, size=count)
        deviation: Floats = draws @ values / items.size
    else:
        index = rng.integers(items.size, size=(count, items.size), dtype=np.uint32)
        deviation = (items - items.mean())[index].mean(axis=1)
    return np.clip(score + deviation, 0.0, 1.0)
