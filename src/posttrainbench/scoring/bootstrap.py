"""Bootstrap draws of an agent's overall score, by source of variance.

* `items`: the items that a benchmark happens to consist of. The items of each benchmark are drawn with replacement, one
  draw for all its runs, because an item that is hard is hard for every base model, run and agent.
* `runs`: the variation between an agent's runs. Seeds are drawn with replacement within each base model x benchmark.
* `cells`: the choice of base models. Base models are drawn with replacement, each with all its benchmarks: a base model
  that is weak at everything is one weak unit, not seven.
* `total`: items and runs together. The item-sampling variance contained in the variation between runs is counted once.

Each deviation is multiplied by sqrt(n / (n - 1)), n being the number of units drawn from: a bootstrap of n units is too
narrow by that factor, which accounts for most of its error with two or three seeds. Units that do not vary contribute
no uncertainty.

Not covered by any draw: an agent's variation between runs if it has a single seed; the choice of benchmarks; errors of
the baselines, and so of the weights; bias of a grader; errors of the audit (a reset run counts with the base model's
items). `docs/statistics.md` has the full definitions and the measured coverage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from posttrainbench.scoring.aggregate import Groups, Interval, Key, Seeds, group_means, seed_means, shares
from posttrainbench.scoring.cells import Cell, adjusted

Floats = NDArray[np.float64]

RESAMPLES = 2000
LEVEL = 0.95
MIN_MODELS = 3
CHUNK = 4_000_000
"""Maximum number of items drawn at a time, to bound the memory for benchmarks with many items."""


@dataclass(frozen=True)
class Draws:
    """Resampled overall scores of one agent, each of shape (resamples,); None without enough units.

    Attributes:
        items: None unless every run has at least two item scores.
        runs: None unless every base model x benchmark has at least two seeds.
        cells: None unless there are at least three base models.
        total: items and runs, as far as available.
        known: true if any source of variance is available: a run with item scores, or a base model x benchmark with
            two seeds. Otherwise `total` is constant.
    """

    items: Floats | None
    runs: Floats | None
    cells: Floats | None
    total: Floats
    known: bool


def draw(
    agents: Mapping[str, Groups], weights: Mapping[str, float], *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Draws]:
    """Resample the overall scores of several agents.

    Args:
        agents: agent -> its counted runs, at least one for each key. All agents share the draws of items, so
            differences of their `items` or `total` draws are paired by item.
        weights: benchmark -> weight, for the benchmarks of all agents.
        resamples: number of draws.
        seed: seed of the generator. The same input gives the same draws, and an agent's draws do not depend on the
            other agents if all have the same items.
    """
    deviations = _item_deviations(agents, weights, resamples, seed)
    result = {}
    for agent, groups in agents.items():
        rng = np.random.default_rng([seed, _key(agent)])
        share = shares(groups, weights)
        score = sum(share[key] * mean for key, mean in group_means(groups).items())
        itemized = [len(cell.items or {}) > 1 for seeds in groups.values() for cell in _runs(seeds)]
        repeated = [len(seeds) > 1 for seeds in groups.values()]
        runs = np.zeros(resamples)
        for key, seeds in sorted(groups.items()):
            runs += share[key] * _deviations(list(seed_means(seeds).values()), resamples, rng)
        total = score + deviations[agent] + _run_shrinkage(groups, share) * runs
        result[agent] = Draws(
            items=score + deviations[agent] if all(itemized) else None,
            runs=score + runs if all(repeated) else None,
            cells=_cell_draws(groups, weights, score, resamples, rng),
            total=total,
            known=any(itemized) or any(repeated),
        )
    return result


def interval(draws: Floats | None, low: float = 0.0) -> Interval | None:
    """Return the 95% percentile interval of some draws, clipped to `low` and 1; None without draws."""
    if draws is None:
        return None
    tail = (1 - LEVEL) / 2
    ends = np.clip(np.quantile(draws, [tail, 1 - tail]), low, 1.0)
    return float(ends[0]), float(ends[1])


def _key(name: str) -> int:
    return crc32(name.encode(errors="surrogatepass"))


def _runs(seeds: Seeds) -> list[Cell]:
    return [cell for repeats in seeds.values() for cell in repeats]


def _deviations(values: Sequence[float], resamples: int, rng: np.random.Generator) -> Floats:
    """Return resampled means of some units minus their mean, of shape (resamples,); zeros for fewer than two units."""
    count = len(values)
    if count < 2:
        return np.zeros(resamples)
    centered = np.asarray(values) - fmean(values)
    draws = rng.multinomial(count, np.full(count, 1 / count), size=resamples)
    deviations: Floats = draws @ centered / count * np.sqrt(count / (count - 1))
    return deviations


def _cell_draws(
    groups: Groups, weights: Mapping[str, float], score: float, resamples: int, rng: np.random.Generator
) -> Floats | None:
    by_model: dict[str, float] = {}
    for (model, benchmark), mean in sorted(group_means(groups).items()):
        by_model[model] = by_model.get(model, 0.0) + weights[benchmark] * mean
    if len(by_model) < MIN_MODELS:
        return None
    return score + _deviations(list(by_model.values()), resamples, rng)


def _item_deviations(
    agents: Mapping[str, Groups], weights: Mapping[str, float], resamples: int, seed: int
) -> dict[str, Floats]:
    """Return agent -> change of its overall score due to the draws of items, of shape (resamples,)."""
    names = list(agents)
    totals = np.zeros((resamples, len(names)))
    owned = [(groups, shares(groups, weights)) for groups in agents.values()]
    for benchmark in sorted({benchmark for groups in agents.values() for _, benchmark in groups}):
        runs: list[Cell] = []
        parts: list[tuple[int, float]] = []  # of each run: agent index, share of the agent's overall score
        for column, (groups, own) in enumerate(owned):
            for key, share in own.items():
                for repeats in groups[key].values() if key[1] == benchmark else ():
                    runs += repeats
                    parts += [(column, share / len(groups[key]) / len(repeats))] * len(repeats)
        matrix = np.zeros((len(runs), len(names)))
        for row, (column, part) in enumerate(parts):
            matrix[row, column] = part
        table = _item_table(runs)
        scores = np.array([adjusted(cell) for cell in runs])
        means = np.array([fmean(cell.items.values()) if cell.items else adjusted(cell) for cell in runs])
        # If the benchmark clipped the mean of its items, draw around the unclipped mean and clip the draws as well.
        centers = np.where(np.isclose(np.clip(means, 0, 1), scores, atol=1e-6), means, scores)
        rng = np.random.default_rng([seed, _key(benchmark)])
        step = max(1, CHUNK // max(1, len(table)))
        for start in range(0, resamples, step):
            stop = min(start + step, resamples)
            drawn = _counts(len(table), stop - start, rng) @ table
            totals[start:stop] += (np.clip(centers + drawn, 0, 1) - scores) @ matrix
    return {name: totals[:, column] for column, name in enumerate(names)}


def _item_table(runs: Sequence[Cell]) -> Floats:
    """Return the contribution of one occurrence of each item to each run's score, of shape (items, runs)."""
    rows: dict[str, int] = {}
    for cell in runs:
        for item in cell.items or ():
            rows.setdefault(item, len(rows))
    table = np.zeros((len(rows), len(runs)))
    for column, cell in enumerate(runs):
        items = cell.items or {}
        count = len(items)
        if count > 1:
            values = np.fromiter(items.values(), dtype=np.float64, count=count)
            index = np.fromiter((rows[item] for item in items), dtype=np.intp, count=count)
            table[index, column] = (values - values.mean()) / count * np.sqrt(count / (count - 1))
    return table


def _counts(items: int, resamples: int, rng: np.random.Generator) -> Floats:
    """Draw items with replacement; return the count of each item, of shape (resamples, items)."""
    drawn = rng.integers(max(1, items), size=(resamples, items))
    flat = drawn + items * np.arange(resamples)[:, None]
    return np.bincount(flat.ravel(), minlength=resamples * items).reshape(resamples, items).astype(np.float64)


def _run_shrinkage(groups: Groups, share: Mapping[Key, float]) -> float:
    """Return the shrinkage factor that removes item-sampling variance from the between-seed deviations.

    The variance of scores over seeds has two parts: the runs themselves, and each run's item-level noise, which the
    draws of items contain as well. The second part is estimated from the residuals of the item scores after the effects
    of item and run (two-way analysis of variance), summed over all base models x benchmarks, and subtracted.
    """
    between_seeds = item_noise = 0.0
    for key, seeds in groups.items():
        if len(seeds) < 2:
            continue
        between_seeds += share[key] ** 2 * float(np.var(list(seed_means(seeds).values()), ddof=1)) / len(seeds)
        items = [[cell.items or {} for cell in repeats] for repeats in seeds.values()]
        names = list(items[0][0])
        if len(names) < 2 or any(scored.keys() != items[0][0].keys() for repeats in items for scored in repeats):
            continue
        scores = np.array([np.mean([[s[name] for name in names] for s in repeats], axis=0) for repeats in items])
        residuals = scores - scores.mean(axis=0) - scores.mean(axis=1, keepdims=True) + scores.mean()
        variance = float((residuals**2).sum()) / (len(seeds) - 1) / (len(names) - 1)
        item_noise += share[key] ** 2 * variance / len(names) / len(seeds)
    return float(np.sqrt(max(0.0, 1 - item_noise / between_seeds))) if between_seeds > 0 else 1.0
