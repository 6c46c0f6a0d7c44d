"""Simulated agents with known true scores, and the coverage of intervals and tests on them.

An item is answered correctly if `ability + easiness + noise > 0`. The ability is the sum of those of the base model x
benchmark and of the run; the easiness of an item is the same for all runs of a benchmark and all agents; everything
except the mean ability is normal. So every true score is a value of the normal distribution function.

`python tests/unit/scoring/simulated.py [SIMULATIONS]` prints the figures of docs/statistics.md.
"""

import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from statistics import fmean

import numpy as np
from scoring_runs import build_cell

from posttrainbench.records import RunSpec
from posttrainbench.scoring import Cell
from posttrainbench.scoring.aggregate import group
from posttrainbench.scoring.bootstrap import Draws, Floats, draw, interval
from posttrainbench.scoring.permutation import Block, permutation_test
from posttrainbench.scoring.ranks import rank, rankings

ERF = np.frompyfunc(math.erf, 1, 1)
KINDS = ("items", "runs", "cells", "total")


@dataclass(frozen=True)
class World:
    """Numbers of units and their standard deviations, in units of the noise.

    `model_sd` applies to the ability of a base model on all benchmarks, `cell_sd` to its ability on each benchmark.
    """

    benchmarks: int = 7
    models: int = 4
    seeds: int = 3
    items: int = 60
    item_sd: float = 1.0
    run_sd: float = 0.2
    cell_sd: float = 0.5
    model_sd: float = 0.0


@dataclass(frozen=True)
class Simulated:
    """An agent's runs, and for each source of variance its expected score when that source is resampled."""

    cells: list[Cell]
    truth: dict[str, float]


TEMPLATE = build_cell()


def simulate(world: World, abilities: Sequence[float], rng: np.random.Generator) -> list[Simulated]:
    """One agent for each mean ability. All agents meet the same items; base models differ for each agent."""
    noise, items, runs = 1.0, world.item_sd**2, world.run_sd**2
    ease = rng.normal(0, world.item_sd, (world.benchmarks, world.items))
    agents = []
    for number, ability in enumerate(abilities):
        of_model = rng.normal(0, world.model_sd, world.models)
        cells: list[Cell] = []
        arguments: dict[str, list[Floats]] = {kind: [] for kind in KINDS}
        for b in range(world.benchmarks):
            for m in range(world.models):
                own = ability + of_model[m] + rng.normal(0, world.cell_sd)
                run = own + rng.normal(0, world.run_sd, world.seeds)
                right = run[:, None] + ease[b] + rng.normal(0, 1, (world.seeds, world.items)) > 0
                deviation = math.sqrt(noise + runs + world.cell_sd**2 + world.model_sd**2)
                arguments["items"].append(run / math.sqrt(noise + items))
                arguments["runs"].append((own + ease[b]) / math.sqrt(noise + runs))
                arguments["cells"].append((ability + ease[b]) / deviation)
                arguments["total"].append(np.array([own / math.sqrt(noise + runs + items)]))
                cells += [_cell(f"agent {number}", f"m{m}", f"b{b}", s, right[s]) for s in range(world.seeds)]
        agents.append(Simulated(cells, {kind: _mean_phi(np.array(values)) for kind, values in arguments.items()}))
    return agents


def _mean_phi(arguments: Floats) -> float:
    """Return the mean of the normal distribution function."""
    return float((1 + ERF(arguments / math.sqrt(2)).astype(np.float64)).mean() / 2)


@cache
def _spec(agent: str, model: str, benchmark: str, seed: int) -> RunSpec:
    spec = TEMPLATE.spec
    return spec.model_copy(
        update={
            "agent": spec.agent.model_copy(update={"name": agent}),
            "model": model,
            "benchmark": benchmark,
            "seed": seed,
        }
    )


def _cell(
    agent: str, model: str, benchmark: str, seed: int, right: "np.ndarray[tuple[int], np.dtype[np.bool_]]"
) -> Cell:
    assert TEMPLATE.result is not None
    return replace(
        TEMPLATE,
        spec=_spec(agent, model, benchmark, seed),
        result=TEMPLATE.result.model_copy(update={"score": float(right.mean())}),
        raw_items=dict(enumerate(right.astype(float).tolist())),  # type: ignore[arg-type]
    )


def draws_of(agents: Sequence[Simulated], resamples: int, seed: int) -> list[Draws]:
    """Return the bootstrap draws with equal weights of the benchmarks."""
    keys = sorted({(cell.model, cell.benchmark) for cell in agents[0].cells})
    names = sorted({benchmark for _, benchmark in keys})
    groups = {agent.cells[0].agent: group(agent.cells, keys) for agent in agents}
    return list(draw(groups, {name: 1 / len(names) for name in names}, resamples=resamples, seed=seed).values())


def interval_coverage(world: World, simulations: int, seed: int = 0, resamples: int = 600) -> dict[str, float]:
    """Return kind -> share of 95% intervals that contain the true score; kinds without an interval are left out."""
    rng = np.random.default_rng(seed)
    hits: dict[str, list[bool]] = {}
    for number in range(simulations):
        agents = simulate(world, [rng.uniform(-0.5, 0.5)], rng)
        drawn = draws_of(agents, resamples, number)[0]
        for kind in KINDS:
            if (ends := interval(getattr(drawn, kind))) is not None:
                hits.setdefault(kind, []).append(ends[0] <= agents[0].truth[kind] <= ends[1])
    return {kind: fmean(values) for kind, values in hits.items()}


def rank_coverage(world: World, abilities: Sequence[float], simulations: int, seed: int = 0) -> float:
    """Return the share of 95% rank intervals that contain the rank by true scores, over all agents."""
    rng = np.random.default_rng(seed)
    hits = []
    for number in range(simulations):
        agents = simulate(world, abilities, rng)
        true_ranks = rank([agent.truth["total"] for agent in agents])
        drawn = {str(index): own.total for index, own in enumerate(draws_of(agents, 600, number))}
        for true_rank, ranking in zip(true_ranks, rankings(drawn).values(), strict=True):
            hits.append(ranking.interval[0] <= true_rank <= ranking.interval[1])
    return fmean(hits)


def permutation_rates(
    cells: int,
    runs: tuple[int, int],
    simulations: int,
    *,
    gap: float = 0.0,
    noise: tuple[float, float] = (0.05, 0.05),
    heterogeneity: float = 0.0,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the rate of p <= 0.05, and the share of intervals that contain the true difference.

    Args:
        cells: number of base models x benchmarks, with unequal weights.
        runs: number of runs of A and of B in each cell.
        simulations: number of experiments.
        gap: the true difference, on average over all possible cells.
        noise: standard deviation of a run of A and of B.
        heterogeneity: standard deviation of the difference between cells.
        seed: seed of the generator.
    """
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.5, 2, cells)
    weights /= weights.sum()
    rejected, covered = [], []
    for number in range(simulations):
        own = gap + rng.normal(0, heterogeneity, cells)
        blocks = [
            Block(weight, *(list(rng.normal(at, sd, n)) for at, sd, n in zip((0.5 + d, 0.5), noise, runs, strict=True)))
            for weight, d in zip(weights, own, strict=True)
        ]
        result = permutation_test(blocks, drawn=2000, seed=number)
        rejected.append(result.p_value <= 0.05)
        if result.ci is not None:
            covered.append(result.ci[0] <= gap <= result.ci[1])
    return fmean(rejected), fmean(covered) if covered else math.nan


def main(simulations: int) -> None:
    """Print the figures of docs/statistics.md."""
    worlds = {
        "7 benchmarks x 4 models x 3 seeds": World(),
        "7 x 4 x 2": World(seeds=2),
        "7 x 4 x 1": World(seeds=1),
        "7 x 4 x 3, runs differ only by item-level noise": World(run_sd=0.0),
        "7 x 4 x 3, runs differ three times as much": World(run_sd=0.6),
        "7 x 4 x 3, models weak or strong at everything": World(cell_sd=0.2, model_sd=0.5),
        "4 x 1 x 3": World(benchmarks=4, models=1),
        "1 x 1 x 3": World(benchmarks=1, models=1),
        "1 x 1 x 1": World(benchmarks=1, models=1, seeds=1),
        "7 x 12 x 1": World(models=12, seeds=1),
    }
    for name, world in worlds.items():
        start = time.monotonic()
        rates = interval_coverage(world, simulations)
        print(f"{name:45}", {k: round(v, 3) for k, v in rates.items()}, f"{time.monotonic() - start:.0f} s", flush=True)
    for name, abilities in {
        "8 agents, well separated": [0.1 * n for n in range(8)],
        "8 agents, similar": [0.02 * n for n in range(8)],
    }.items():
        print(f"{name:45}", round(rank_coverage(World(cell_sd=0), abilities, simulations // 4), 3), flush=True)
    for name, (cells, runs, options) in {
        "28 cells, 3 and 3 runs, no difference": (28, (3, 3), {}),
        "28 cells, 3 and 3, noise 0.10 and 0.02": (28, (3, 3), {"noise": (0.10, 0.02)}),
        "28 cells, 3 and 1, noise 0.02 and 0.10": (28, (3, 1), {"noise": (0.02, 0.10)}),
        "28 cells, 1 and 1": (28, (1, 1), {}),
        "28 cells, 1 and 1, cells differ by 0.1": (28, (1, 1), {"heterogeneity": 0.1}),
        "28 cells, 3 and 3, cells differ by 0.1": (28, (3, 3), {"heterogeneity": 0.1}),
        "28 cells, 3 and 3, difference 0.02": (28, (3, 3), {"gap": 0.02}),
        "4 cells, 3 and 3": (4, (3, 3), {}),
        "4 cells, 2 and 2": (4, (2, 2), {}),
        "4 cells, 1 and 1": (4, (1, 1), {}),
    }.items():
        level, coverage = permutation_rates(cells, runs, simulations, **options)  # type: ignore[arg-type]
        print(f"{name:45} p <= 0.05: {level:.3f}  interval contains it: {coverage:.3f}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
