"""From cells to a leaderboard.

How scores are put together: the runs of one seed are averaged (a seed that was run twice does not count
twice, and no run is dropped), then the seeds of a base model x benchmark, then the base models of a
benchmark; the overall score is the weighted sum over benchmarks. The leaderboard covers the base models and
benchmarks that occur in the runs.

What is missing is neither a zero nor a base score: an agent without a counted run for some base model x
benchmark has no overall score, and its row says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import fmean, stdev

from posttrainbench.errors import InputError
from posttrainbench.scoring.board import (
    BaselineRow,
    Baselines,
    BenchmarkScore,
    BoardCell,
    Leaderboard,
    Missing,
    Row,
)
from posttrainbench.scoring.cells import Baseline, Cell, adjusted
from posttrainbench.scoring.notes import notes
from posttrainbench.scoring.weights import weights as benchmark_weights

Key = tuple[str, str]
"""(base model, benchmark)"""

Seeds = dict[int, list[Cell]]


def leaderboard(cells: Sequence[Cell], baselines: Mapping[Key, Baseline]) -> Leaderboard:
    """Rank the agents of an experiment.

    Args:
        cells: all runs, unfinished ones included.
        baselines: (base model, benchmark) -> baselines, usually `baselines_of(cells)`.

    Raises:
        InputError: there are no runs, they are of several suites, or a benchmark has no gap to weigh it by.
    """
    if not cells:
        raise InputError("There are no runs to rank; name a directory that holds runs.")
    suites = sorted({cell.spec.suite for cell in cells})
    if len(suites) > 1:
        raise InputError(f"Runs of several suites ({', '.join(suites)}) cannot be ranked together; name one suite's.")
    models = sorted({cell.model for cell in cells})
    benchmarks = sorted({cell.benchmark for cell in cells})
    keys = [(model, benchmark) for benchmark in benchmarks for model in models]
    base = {key: baselines[key].base for key in keys if key in baselines}
    instruct = {key: baselines[key].instruct for key in keys if key in baselines}
    weights: dict[str, float] = {}
    if len(base) == len(keys):
        known = (_per_benchmark(scores, benchmarks, models) for scores in (base, instruct))
        weights = benchmark_weights(*({b: s for b, s in scores.items() if s is not None} for scores in known))
    agents = sorted({cell.agent for cell in cells})
    rows = [_row(agent, [c for c in cells if c.agent == agent], keys, weights) for agent in agents]
    rows.sort(key=lambda row: (row.overall is None, -(row.overall or 0.0), row.agent))
    return Leaderboard(
        suite=suites[0],
        weights=weights,
        benchmarks=benchmarks,
        models=models,
        rows=rows,
        baselines=Baselines(
            base=_baseline_row(base, benchmarks, models, weights),
            instruct=_baseline_row(instruct, benchmarks, models, weights),
        ),
        notes=notes(cells, [key for key in keys if key not in base]),
    )


def _row(
    agent: str,
    cells: Sequence[Cell],
    keys: Sequence[Key],
    weights: Mapping[str, float],
) -> Row:
    # numpy takes as long to import as everything else here together
    from posttrainbench.scoring.bootstrap import overall_ci

    def raw(cell: Cell) -> float:  # where nothing could be evaluated, the base score that it was reset to
        return adjusted(cell) if cell.raw_score is None else cell.raw_score

    counted: dict[Key, Seeds] = {key: {} for key in keys}
    for cell in cells:
        if cell.counted:
            counted[cell.model, cell.benchmark].setdefault(cell.seed, []).append(cell)
    models = sorted({model for model, _ in keys})
    benchmarks = sorted({benchmark for _, benchmark in keys})
    score = {key: _mean(seeds, adjusted) for key, seeds in counted.items() if seeds}
    raw_score = {key: _mean(seeds, raw) for key, seeds in counted.items() if seeds}
    spread = {key: stdev(_seed_means(s, adjusted).values()) for key, s in counted.items() if len(s) > 1}
    means, raw_means, stds = (_per_benchmark(values, benchmarks, models) for values in (score, raw_score, spread))
    overall = _overall(means, weights)
    return Row(
        agent=agent,
        overall=overall,
        overall_raw=_overall(raw_means, weights),
        overall_std=_overall_std(counted, weights, models),
        overall_ci=None
        if overall is None
        else overall_ci({key: list(seeds.values()) for key, seeds in counted.items()}, weights),
        runs=len({cell.seed for cell in cells if cell.counted}),
        reset_cells=sum(cell.reset for cell in cells),
        benchmarks={
            benchmark: BenchmarkScore(
                score=means[benchmark],
                raw_score=raw_means[benchmark],
                std=stds[benchmark],
                reset_cells=sum(cell.reset for cell in cells if cell.benchmark == benchmark),
            )
            for benchmark in benchmarks
        },
        cells=[_board_cell(c) for c in sorted(cells, key=lambda c: (c.benchmark, c.model, c.seed, c.run))],
        missing=[_missing(key, cells) for key, seeds in counted.items() if not seeds],
    )


def _board_cell(cell: Cell) -> BoardCell:
    return BoardCell(
        run=cell.run,
        model=cell.model,
        benchmark=cell.benchmark,
        seed=cell.seed,
        score=cell.score,
        raw_score=cell.raw_score,
        status=cell.status or "unfinished",
    )


def _missing(key: Key, cells: Iterable[Cell]) -> Missing:
    whys = []
    for cell in cells:
        if (cell.model, cell.benchmark) == key:
            reasons = " ".join(cell.result.reasons) if cell.result else ""
            status = (cell.status or "unfinished").replace("_", " ")
            whys.append(f"seed {cell.seed}: {status}{f' ({reasons})' if reasons else ''}")
    return Missing(model=key[0], benchmark=key[1], why="; ".join(whys) or "never run")


def _seed_means(seeds: Seeds, value: Callable[[Cell], float]) -> dict[int, float]:
    return {seed: fmean(value(cell) for cell in repeats) for seed, repeats in seeds.items()}


def _mean(seeds: Seeds, value: Callable[[Cell], float]) -> float:
    return fmean(_seed_means(seeds, value).values())


def _per_benchmark(
    scores: Mapping[Key, float], benchmarks: Sequence[str], models: Sequence[str]
) -> dict[str, float | None]:
    """Benchmark -> mean over base models; None where one has no score."""
    found = {b: [scores[m, b] for m in models if (m, b) in scores] for b in benchmarks}
    return {b: fmean(values) if len(values) == len(models) else None for b, values in found.items()}


def _overall(means: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    parts = [weight * mean for b, weight in weights.items() if (mean := means[b]) is not None]
    return sum(parts) if parts and len(parts) == len(means) else None


def _overall_std(
    counted: Mapping[Key, Seeds],
    weights: Mapping[str, float],
    models: Sequence[str],
) -> float | None:
    complete = set.intersection(*(set(seeds) for seeds in counted.values()))
    if not weights or len(complete) < 2:
        return None
    by_seed = {key: _seed_means(seeds, adjusted) for key, seeds in counted.items()}
    return stdev(sum(weights[b] / len(models) * by_seed[m, b][seed] for m, b in by_seed) for seed in complete)


def _baseline_row(
    scores: Mapping[Key, float],
    benchmarks: Sequence[str],
    models: Sequence[str],
    weights: Mapping[str, float],
) -> BaselineRow:
    means = _per_benchmark(scores, benchmarks, models)
    return BaselineRow(overall=_overall(means, weights), benchmarks=means)
