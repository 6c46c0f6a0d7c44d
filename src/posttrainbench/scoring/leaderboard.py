"""The leaderboard: its records and its computation from cells.

Scores are aggregated as in `aggregate`, intervals as in `bootstrap`, ranks as in `ranks`. The leaderboard covers the
base models and benchmarks that occur in the runs. A missing run counts neither as zero nor as the base score: an agent
without a counted run for some base model x benchmark has no overall score and no rank, and its row lists what is
missing.

The JSON form of `Leaderboard` is a public contract. All scores are fractions 0-1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import stdev
from typing import Literal

from pydantic import Field

from posttrainbench.errors import InputError
from posttrainbench.records import Record, Status, TrivialAnswer
from posttrainbench.records.units import short_duration
from posttrainbench.scoring.aggregate import (
    Groups,
    Interval,
    Key,
    confirmed,
    group,
    group_means,
    overall,
    overall_std,
    per_benchmark,
    raw,
    seed_means,
)
from posttrainbench.scoring.cells import BaselineScores, Cell, engine_notes
from posttrainbench.scoring.flag_rates import FlagRate, flag_notes, flag_rates
from posttrainbench.scoring.luck import NOTE, luck_warning
from posttrainbench.scoring.off_target import OffTargetScore, off_target_scores
from posttrainbench.scoring.remarks import remarks
from posttrainbench.scoring.selection import require_same_conditions, unique, with_gap
from posttrainbench.scoring.weights import weights as benchmark_weights


class BoardCell(Record):
    """One run on the leaderboard. `score` is None if the run is not counted; `status` then says why.

    Attributes:
        suspected: rules that are suspected; the score counts until a person decides.
        notes: facts about the run, such as re-prompts or an early stop by a person, one sentence each.
    """

    run: str
    model: str
    benchmark: str
    seed: int
    score: float | None
    raw_score: float | None
    status: Status | Literal["unfinished"]
    suspected: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


class BenchmarkScore(Record):
    """An agent's scores on one benchmark, mean over base models.

    Attributes:
        score: adjusted score; None if a base model is missing.
        raw_score: score before resets; a submission that could not be evaluated counts with the base score.
        std: mean over base models of the sample standard deviation over seeds; None if one has fewer than two seeds.
        reset_cells: runs on this benchmark that were reset to the base score.
        suspected_cells: counted runs on this benchmark that are suspected.
    """

    score: float | None
    raw_score: float | None
    std: float | None
    reset_cells: int
    suspected_cells: int = 0


class Missing(Record):
    """A base model x benchmark for which an agent has no counted run, and the reason."""

    model: str
    benchmark: str
    why: str


class Row(Record):
    """One agent.

    Attributes:
        overall: weighted, adjusted score; None if anything is missing.
        overall_raw: the same before resets.
        overall_confirmed: the same if every suspicion is confirmed: suspected runs count with the base score.
        overall_std: sample standard deviation over the seeds that have every base model x benchmark; None for fewer
            than two such seeds.
        rank: 1 + the number of agents with a higher overall score; None without an overall score.
        rank_ci: 95% bootstrap interval of the rank, from the draws behind `overall_ci`; None if that is None.
        rank_shares: share of these draws with rank 1, 2, ...; empty if `rank_ci` is None.
        overall_ci: 95% bootstrap interval over items and runs together, see `scoring.bootstrap`; None without an
            overall score, and if no run has item scores and no base model x benchmark has two seeds.
        ci_items: the interval over items only; None also if a run has fewer than two item scores.
        ci_runs: the interval over runs only; None also if a base model x benchmark has fewer than two seeds.
        ci_cells: the interval over base models only; None also for fewer than three base models.
        runs: distinct seeds with at least one counted run.
        seeds: distinct seeds of all runs.
        reset_cells: runs that were reset to the base score.
        suspected_cells: counted runs that are suspected.
        uncounted: status -> number of runs that do not count: `infrastructure_error`, `not_audited`, `unfinished`.
        restarts: number of times that an agent which had already worked was started over, in all runs.
    """

    agent: str
    overall: float | None
    overall_raw: float | None
    overall_confirmed: float | None = None
    overall_std: float | None
    overall_ci: Interval | None = None
    ci_items: Interval | None = None
    ci_runs: Interval | None = None
    ci_cells: Interval | None = None
    rank: int | None = None
    rank_ci: tuple[int, int] | None = None
    rank_shares: list[float] = Field(default_factory=list)
    runs: int
    seeds: int = 0
    reset_cells: int
    suspected_cells: int = 0
    uncounted: dict[str, int] = Field(default_factory=dict)
    restarts: int = 0
    benchmarks: dict[str, BenchmarkScore]
    cells: list[BoardCell]
    missing: list[Missing]


class BaselineRow(Record):
    """A baseline's overall score, and benchmark -> mean over base models; None if not known."""

    overall: float | None
    benchmarks: dict[str, float | None]


class Baselines(Record):
    """The baselines.

    Attributes:
        trivial: the best score of answers that know nothing; left out if not known.
    """

    base: BaselineRow
    instruct: BaselineRow
    trivial: BaselineRow | None = Field(default=None, exclude_if=lambda row: row is None)

    @property
    def named(self) -> list[tuple[str, BaselineRow]]:
        """The known baselines with their names, in the order of tables."""
        trivial = [("trivial", self.trivial)] if self.trivial else []
        return [("instruct", self.instruct), ("base", self.base), *trivial]


class Leaderboard(Record):
    """The leaderboard. Rows are sorted by overall score, highest first, ties by name; incomplete rows come last.

    Attributes:
        weights: benchmark -> weight; empty if a baseline is not known, and then no row has an overall score.
        notes: caveats for comparing rows, one sentence each.
        flag_rates: how often a judge flags each rule, raw and corrected for its errors; empty without judged runs.
        off_target: the agents' submissions on benchmarks that they were not trained for, without effect on the other
            fields; left out if there are no such evaluations.
    """

    suite: str
    weights: dict[str, float]
    benchmarks: list[str]
    models: list[str]
    rows: list[Row]
    baselines: Baselines
    notes: list[str]
    flag_rates: list[FlagRate] = Field(default_factory=list)
    off_target: list[OffTargetScore] = Field(default_factory=list, exclude_if=lambda scores: not scores)


def leaderboard(
    cells: Sequence[Cell],
    baselines: Mapping[Key, BaselineScores],
    trivial: Mapping[str, Mapping[TrivialAnswer, float]] | None = None,
) -> Leaderboard:
    """Rank the agents of an experiment.

    Args:
        cells: all runs, including unfinished ones.
        baselines: (base model, benchmark) -> baselines, usually `baselines_of(cells)`.
        trivial: benchmark -> scores of trivial answers, where they are known.

    Raises:
        InputError: no runs were found, they belong to several suites, those of an agent were made under different
            conditions, no benchmark has a base-to-instruct gap, or the judgement of a run cannot be read.
    """
    if not cells:
        raise InputError("No runs to rank; name a directory that contains runs.")
    cells, copies = unique(cells)
    require_same_conditions(cells)
    cells, without = with_gap(cells, baselines)
    models = sorted({cell.model for cell in cells})
    benchmarks = sorted({cell.benchmark for cell in cells})
    keys = [(model, benchmark) for benchmark in benchmarks for model in models]
    base = {key: baselines[key].base for key in keys if key in baselines}
    instruct = {key: baselines[key].instruct for key in keys if key in baselines}
    weights: dict[str, float] = {}
    if len(base) == len(keys):
        means = (per_benchmark(scores, benchmarks, models) for scores in (base, instruct))
        weights = benchmark_weights(*({b: s for b, s in scores.items() if s is not None} for scores in means))
    rates = flag_rates(cell.path for cell in cells if cell.path)
    return Leaderboard(
        suite=cells[0].spec.suite,
        weights=weights,
        benchmarks=benchmarks,
        models=models,
        rows=_rows(cells, keys, weights),
        baselines=Baselines(
            base=_baseline_row(base, benchmarks, models, weights),
            instruct=_baseline_row(instruct, benchmarks, models, weights),
            trivial=_trivial_row(trivial or {}, benchmarks, weights),
        ),
        notes=[
            *copies,
            *without,
            *_notes(cells, [key for key in keys if key not in base]),
            *_luck_notes(trivial or {}, benchmarks, instruct),
            *flag_notes(rates),
        ],
        flag_rates=rates,
        off_target=off_target_scores(cells),
    )


def uncounted_note(row: Row) -> str:
    """Return the uncounted runs and the restarts of an agent, such as `2 of 3 seeds counted; 1 infrastructure error`.

    Empty if every run counts and none was started over.
    """
    parts = [f"{number} {_plural(status, number)}" for status, number in row.uncounted.items()]
    if row.restarts:
        parts.append(f"{row.restarts} restart{'' if row.restarts == 1 else 's'}")
    if not parts:
        return ""
    return "; ".join([f"{row.runs} of {row.seeds} seed{'' if row.seeds == 1 else 's'} counted", *parts])


def _plural(status: str, number: int) -> str:
    """Return a status in words, for a number of runs."""
    text = status.replace("_", " ") if status == Status.INFRASTRUCTURE_ERROR else f"{status.replace('_', ' ')} run"
    return text if number == 1 else f"{text}s"


def missing(key: Key, cells: Iterable[Cell]) -> Missing:
    """Explain why an agent with these runs has no counted run of a base model and benchmark."""
    reasons = []
    for cell in cells:
        if (cell.model, cell.benchmark) == key:
            details = " ".join(cell.result.reasons) if cell.result else ""
            status = (cell.status or "unfinished").replace("_", " ")
            reasons.append(f"seed {cell.seed}: {status}{f' ({details})' if details else ''}")
    return Missing(model=key[0], benchmark=key[1], why="; ".join(reasons) or "never run")


def _rows(cells: Sequence[Cell], keys: Sequence[Key], weights: Mapping[str, float]) -> list[Row]:
    """Return one row per agent; rows of incomplete agents lack rank and intervals."""
    # Importing numpy takes as long as importing everything else here.
    from posttrainbench.scoring.bootstrap import draw, interval
    from posttrainbench.scoring.ranks import rank, rankings

    runs: dict[str, list[Cell]] = {}
    for cell in cells:
        runs.setdefault(cell.agent, []).append(cell)
    groups = {agent: group(own, keys) for agent, own in sorted(runs.items())}
    rows = [_row(agent, runs[agent], own, weights) for agent, own in groups.items()]
    rows.sort(key=lambda row: (row.overall is None, -(row.overall or 0.0), row.agent))
    scores = {row.agent: row.overall for row in rows if row.overall is not None}
    draws = draw({agent: groups[agent] for agent in scores}, weights)
    ranks = dict(zip(scores, rank(list(scores.values())), strict=True))
    ranked_draws = rankings({agent: own.total for agent, own in draws.items()})
    return [
        row.model_copy(
            update={
                "rank": ranks[row.agent],
                "rank_ci": ranked_draws[row.agent].interval if draws[row.agent].known else None,
                "rank_shares": ranked_draws[row.agent].shares if draws[row.agent].known else [],
                "overall_ci": interval(draws[row.agent].total) if draws[row.agent].known else None,
                "ci_items": interval(draws[row.agent].items),
                "ci_runs": interval(draws[row.agent].runs),
                "ci_cells": interval(draws[row.agent].cells),
            }
        )
        if row.agent in scores
        else row
        for row in rows
    ]


def _row(agent: str, cells: Sequence[Cell], groups: Groups, weights: Mapping[str, float]) -> Row:
    """Return a row without rank and intervals, which depend on the other agents."""
    models = sorted({model for model, _ in groups})
    benchmarks = sorted({benchmark for _, benchmark in groups})
    deviations = {key: stdev(seed_means(seeds).values()) for key, seeds in groups.items() if len(seeds) > 1}
    means, raw_means, confirmed_means, stds = (
        per_benchmark(values, benchmarks, models)
        for values in (group_means(groups), group_means(groups, raw), group_means(groups, confirmed), deviations)
    )
    return Row(
        agent=agent,
        overall=overall(means, weights),
        overall_raw=overall(raw_means, weights),
        overall_confirmed=overall(confirmed_means, weights),
        overall_std=overall_std(groups, weights, models),
        runs=len({cell.seed for cell in cells if cell.counted}),
        seeds=len({cell.seed for cell in cells}),
        reset_cells=sum(cell.reset for cell in cells),
        suspected_cells=sum(cell.suspected for cell in cells),
        uncounted=dict(sorted(Counter(cell.status or "unfinished" for cell in cells if not cell.counted).items())),
        restarts=sum(cell.result.restarts for cell in cells if cell.result),
        benchmarks={
            benchmark: BenchmarkScore(
                score=means[benchmark],
                raw_score=raw_means[benchmark],
                std=stds[benchmark],
                reset_cells=sum(cell.reset for cell in cells if cell.benchmark == benchmark),
                suspected_cells=sum(cell.suspected for cell in cells if cell.benchmark == benchmark),
            )
            for benchmark in benchmarks
        },
        cells=[_board_cell(c) for c in sorted(cells, key=lambda c: (c.benchmark, c.model, c.seed, c.run))],
        missing=[missing(key, cells) for key, seeds in groups.items() if not seeds],
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
        suspected=cell.result.suspected if cell.result else [],
        notes=remarks(cell.result) if cell.result else [],
    )


def _baseline_row(
    scores: Mapping[Key, float],
    benchmarks: Sequence[str],
    models: Sequence[str],
    weights: Mapping[str, float],
) -> BaselineRow:
    means = per_benchmark(scores, benchmarks, models)
    return BaselineRow(overall=overall(means, weights), benchmarks=means)


def _trivial_row(
    trivial: Mapping[str, Mapping[TrivialAnswer, float]], benchmarks: Sequence[str], weights: Mapping[str, float]
) -> BaselineRow | None:
    """Return the best score of trivial answers on each benchmark; None if it is known for no benchmark."""
    best = {name: max(trivial[name].values()) if trivial.get(name) else None for name in benchmarks}
    if all(score is None for score in best.values()):
        return None
    return BaselineRow(overall=overall(best, weights), benchmarks=best)


def _luck_notes(
    trivial: Mapping[str, Mapping[TrivialAnswer, float]], benchmarks: Sequence[str], instruct: Mapping[Key, float]
) -> list[str]:
    """Explain the row of trivial answers, and name the benchmarks on which they score high."""
    if not any(trivial.get(name) for name in benchmarks):
        return []
    warnings = [
        luck_warning(name, trivial.get(name, {}), {model: s for (model, b), s in instruct.items() if b == name})
        for name in benchmarks
    ]
    return [NOTE, *filter(None, warnings)]


def _notes(cells: Sequence[Cell], unknown: Sequence[Key]) -> list[str]:
    """Return caveats for comparing the rows, one sentence each.

    Args:
        cells: all runs.
        unknown: (base model, benchmark) whose baselines are in no run.
    """
    result = []
    if unknown:
        pairs = ", ".join(f"{model} on {benchmark}" for model, benchmark in unknown)
        result.append(f"Weights and overall scores are missing because no run has the baselines of {pairs}.")
    budgets = sorted({cell.spec.budget for cell in cells})
    if len(budgets) > 1:
        result.append(f"The runs had different time budgets: {', '.join(map(short_duration, budgets))}.")
    rules = sorted({cell.rules for cell in cells})
    if len(rules) > 1:
        result.append(f"The runs were audited under different rule sets: {', '.join(rules)}.")
    result += engine_notes(cells)
    copies: dict[Key, set[tuple[float, float]]] = {}
    repeats: dict[tuple[str, str, str, int], int] = {}
    for cell in cells:
        if cell.base and cell.instruct:
            copies.setdefault((cell.model, cell.benchmark), set()).add((cell.base.score, cell.instruct.score))
        if cell.counted:
            run = (cell.agent, cell.model, cell.benchmark, cell.seed)
            repeats[run] = repeats.get(run, 0) + 1
    for (model, benchmark), baselines in copies.items():
        if len(baselines) > 1:
            result.append(
                f"The runs of {model} on {benchmark} have {len(baselines)} different baselines; their means are used."
            )
    for (agent, model, benchmark, seed), times in repeats.items():
        if times > 1:
            result.append(
                f"{agent} has {times} runs of {model} on {benchmark} with seed {seed}; "
                "they are averaged and count as one."
            )
    return result + _omitted_variance(cells)


def _omitted_variance(cells: Sequence[Cell]) -> list[str]:
    """Warn about intervals that omit a source of variance."""
    seeds: dict[tuple[str, str, str], set[int]] = {}
    without_items: set[str] = set()
    for cell in cells:
        if cell.counted:
            seeds.setdefault((cell.agent, cell.model, cell.benchmark), set()).add(cell.seed)
            if len(cell.items or {}) < 2:
                without_items.add(cell.agent)
    result = []
    if single := {agent for (agent, _, _), own in seeds.items() if len(own) < 2}:
        agents = len({cell.agent for cell in cells})
        whose = "The agent has" if agents == 1 else f"{len(single)} of {agents} agents have"
        result.append(
            f"{whose} a single seed on some base model and benchmark. "
            "With a single seed, intervals reflect only item sampling and are too narrow."
        )
    if without_items:
        result.append(
            f"Some runs of {', '.join(sorted(without_items))} have no item scores. Their scores are treated as exact, "
            "so the intervals are too narrow."
        )
    return result
