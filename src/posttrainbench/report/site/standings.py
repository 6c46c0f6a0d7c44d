"""Content of the leaderboard page: one `Table` for each group of runs, with harmless texts and links.

Costs, hours and tokens are means over an agent's runs for which they are known, also over runs that do not count: a run
that failed has cost something too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from urllib.parse import urlencode

from posttrainbench.errors import InputError
from posttrainbench.records import Baseline
from posttrainbench.report.leaderboard_view import axis
from posttrainbench.report.site.groups import Group
from posttrainbench.report.site.runs import SiteRun
from posttrainbench.report.text import percent, plain
from posttrainbench.run.evaluate import published_baseline
from posttrainbench.scoring import Row, baselines_of
from posttrainbench.scoring.aggregate import Key, group_means, overall, per_benchmark, raw
from posttrainbench.scoring.aggregate import group as group_cells

UNFINISHED = "unfinished"
"""Status of runs without a result."""
SHADES = 8
"""Colors of the heat map, from the base score to the instruct score and above."""
MAX_DOTS = 4000
"""Runs of a group up to which each has a link of its own in the heat map; they bound the size of the page."""
BASELINES = {
    "instruct": "Instruct models",
    "few_shot": "Base models, few-shot",
    "base": "Base models",
    "trivial": "Trivial answers",
}


@dataclass(frozen=True)
class Usage:
    """Means over runs; None if unknown for all of them."""

    dollars: float | None
    seconds: float | None
    tokens: float | None


@dataclass(frozen=True)
class Dot:
    """A run in the heat map; `kind` is its CSS class."""

    href: str
    kind: str
    label: str


@dataclass(frozen=True)
class HeatCell:
    """An agent on one base model and benchmark.

    Attributes:
        score: mean over seeds; None without a counted run.
        shade: 0 to `SHADES`, the share of the base-to-instruct gap that was closed; -1 without a score.
        href: list of its runs, or its only run; empty without runs.
        marks: signs of resets `R`, suspicions `?`, runs that do not count `E`, unfinished runs `…`, and `–` for no run
            at all.
        label: the same in words.
    """

    score: float | None
    before: float | None
    shade: int
    href: str
    marks: str
    label: str
    dots: list[Dot]

    @property
    def unfinished(self) -> bool:
        """True if there is no score because runs are unfinished, and for no other reason."""
        return self.score is None and "…" in self.marks and "E" not in self.marks


@dataclass(frozen=True)
class ModelLine:
    """An agent on one base model: weighted over the benchmarks; None if one is missing."""

    model: str
    score: float | None
    raw: float | None
    counted: int
    lost: int
    unfinished: int
    resets: int
    usage: Usage


@dataclass(frozen=True)
class AgentLine:
    """One agent. `lost` are its finished runs that do not count, in words; `unfinished` is the number of the others."""

    row: Row
    agent: str
    scaffold: str
    runs_href: str
    usage: Usage
    lost: str
    unfinished: int
    models: list[ModelLine]
    heat: list[HeatCell]


@dataclass(frozen=True)
class BaselineLine:
    """A baseline: its overall score, and one score for each (benchmark, base model) of the heat map."""

    name: str
    overall: float | None
    models: list[float | None]
    heat: list[float | None]


@dataclass(frozen=True)
class Breach:
    """Runs of an agent in which the same rules are flagged or suspected."""

    agent: str
    rules: list[tuple[str, str]]
    reason: str
    runs: list[tuple[str, str, SiteRun]]

    @property
    def flagged(self) -> bool:
        """True if a rule is flagged."""
        return any(state == "flagged" for _, state in self.rules)


@dataclass(frozen=True)
class Table:
    """The leaderboard of a group. `columns` are the (benchmark, base models) of the heat map."""

    group: Group
    lines: list[AgentLine]
    baselines: list[BaselineLine]
    benchmarks: list[str]
    models: list[str]
    scaffolds: list[str]
    top: float
    ticks: list[float]
    breaches: list[Breach]
    notes: list[str]

    @property
    def base(self) -> float | None:
        """Overall score of the base models."""
        return self.group.board.baselines.base.overall if self.group.board else None

    @property
    def instruct(self) -> float | None:
        """Overall score of the instruct models."""
        return self.group.board.baselines.instruct.overall if self.group.board else None

    @property
    def resets(self) -> int:
        """Number of runs that were reset to the base score."""
        return sum(run.cell.reset for run in self.group.runs)

    @property
    def unfinished(self) -> int:
        """Number of runs without a result."""
        return sum(map(is_unfinished, self.group.runs))

    @property
    def uncounted(self) -> int:
        """Number of finished runs that do not count."""
        return sum(map(is_lost, self.group.runs))

    @property
    def suspected(self) -> int:
        """Number of counted runs that are suspected."""
        return sum(run.cell.suspected for run in self.group.runs)


def table(group: Group) -> Table:
    """Return the leaderboard of a group that can be ranked.

    Raises:
        InputError: it cannot.
    """
    board = group.board
    if board is None:
        raise InputError(group.problem)
    own: dict[str, list[SiteRun]] = {}
    for run in group.runs:
        own.setdefault(run.cell.agent, []).append(run)
    ends = [line.overall for _, line in board.baselines.named if line.overall is not None]
    for row in board.rows:
        ends += [value for value in (row.overall, row.overall_raw, *(row.overall_ci or ())) if value is not None]
    ticks = axis(max(ends, default=1.0))
    lines = [_line(group, row, own[row.agent]) for row in board.rows]
    return Table(
        group=group,
        lines=lines,
        baselines=_baselines(group),
        benchmarks=board.benchmarks,
        models=board.models,
        scaffolds=sorted({line.scaffold for line in lines}),
        top=ticks[-1],
        ticks=ticks,
        breaches=_breaches(group.runs),
        notes=[plain(note, 600) for note in board.notes],
    )


def is_unfinished(run: SiteRun) -> bool:
    """Return True if a run has no result: it waits, is in progress or was interrupted."""
    return run.cell.status is None


def is_lost(run: SiteRun) -> bool:
    """Return True if a run is finished and does not count."""
    return not run.cell.counted and not is_unfinished(run)


def usage(runs: Iterable[SiteRun]) -> Usage:
    """Return the means over runs."""
    listed = list(runs)

    def mean(value: Callable[[SiteRun], float | None]) -> float | None:
        known = [number for run in listed if (number := value(run)) is not None]
        return fmean(known) if known else None

    return Usage(mean(lambda run: run.dollars), mean(lambda run: run.seconds), mean(lambda run: run.tokens))


def runs_link(group: Group, **filters: str) -> str:
    """Return a link to the list of runs, from the top of the site, with filters in its fragment."""
    values = {name: plain(value) for name, value in filters.items()}
    return f"runs/index.html#{urlencode({'table': group.id, **values})}"


def shade(score: float | None, low: float | None, high: float | None) -> int:
    """Return the color of a score between its baselines."""
    if score is None or low is None or high is None or high <= low:
        return -1
    return round(SHADES * min(1.0, max(0.0, (score - low) / (high - low))))


def _line(group: Group, row: Row, runs: Sequence[SiteRun]) -> AgentLine:
    board = group.board
    assert board is not None  # noqa: S101 checked by the caller
    keys = [(model, benchmark) for benchmark in board.benchmarks for model in board.models]
    groups = group_cells([run.cell for run in runs], keys)
    adjusted_means, raw_means = group_means(groups), group_means(groups, raw)
    baselines = baselines_of(run.cell for run in group.runs)
    by_key: dict[Key, list[SiteRun]] = {}
    for run in runs:
        by_key.setdefault((run.cell.model, run.cell.benchmark), []).append(run)
    lost = [f"{number} {status.replace('_', ' ')}" for status, number in row.uncounted.items() if status != UNFINISHED]
    return AgentLine(
        row=row,
        agent=plain(row.agent),
        scaffold=plain(runs[0].cell.spec.agent.scaffold),
        runs_href=runs_link(group, agent=row.agent),
        usage=usage(runs),
        lost=", ".join(lost),
        unfinished=row.uncounted.get(UNFINISHED, 0),
        models=[
            ModelLine(
                model=plain(model),
                score=_of_model(adjusted_means, model, board.weights),
                raw=_of_model(raw_means, model, board.weights),
                counted=len({run.cell.seed for run in own if run.cell.counted}),
                lost=sum(map(is_lost, own)),
                unfinished=sum(map(is_unfinished, own)),
                resets=sum(run.cell.reset for run in own),
                usage=usage(own),
            )
            for model in board.models
            for own in [[run for run in runs if run.cell.model == model]]
        ],
        heat=[
            _heat(
                group,
                row.agent,
                key,
                by_key.get(key, []),
                (adjusted_means.get(key), raw_means.get(key)),
                (pair.base, pair.instruct) if (pair := baselines.get(key)) else (None, None),
            )
            for key in keys
        ],
    )


def _of_model(means: Mapping[Key, float], model: str, weights: Mapping[str, float]) -> float | None:
    """Return the weighted score on one base model."""
    if not weights:
        return None
    return overall(per_benchmark(means, list(weights), [model]), weights)


def _heat(
    group: Group,
    agent: str,
    key: Key,
    runs: Sequence[SiteRun],
    scores: tuple[float | None, float | None],
    ends: tuple[float | None, float | None],
) -> HeatCell:
    score, before = scores
    resets = sum(run.cell.reset for run in runs)
    suspected = sum(run.cell.suspected for run in runs)
    uncounted, unfinished = sum(map(is_lost, runs)), sum(map(is_unfinished, runs))
    found = {"R": resets, "?": suspected, "E": uncounted, "…": unfinished, "–": not runs}
    marks = "".join(mark for mark, number in found.items() if number)
    parts = [
        f"{plain(agent)} on {plain(key[0])}, {plain(key[1])}: {percent(score) if score is not None else 'no score'}"
    ]
    if resets:
        parts.append(f"{resets} of {len(runs)} reset to base" + (f", before {percent(before)}" if before else ""))
    if suspected:
        parts.append(f"{suspected} suspected")
    if uncounted:
        parts.append(f"{uncounted} not counted")
    if unfinished:
        parts.append(f"{unfinished} unfinished")
    if not runs:
        parts.append("never run")
    one = runs[0].href if len(runs) == 1 else ""
    several = runs_link(group, agent=agent, model=key[0], benchmark=key[1]) if runs else ""
    dots = [] if len(runs) < 2 or len(group.runs) > MAX_DOTS else [_dot(run) for run in runs]
    different = before if resets and percent(before) != percent(score) else None
    return HeatCell(score, different, shade(score, *ends), one or several, marks, "; ".join(parts), dots)


def _dot(run: SiteRun) -> Dot:
    cell = run.cell
    kind = (
        "u"
        if is_unfinished(run)
        else "x"
        if not cell.counted
        else "r"
        if cell.reset
        else "q"
        if cell.suspected
        else "s"
    )
    return Dot(run.href, kind, f"seed {cell.seed}: {status_name(run)}, {percent(cell.score)}")


def status_name(run: SiteRun) -> str:
    """Return the status of a run in words."""
    names = {"scored": "scored", "base_fallback": "reset to base"}
    status = str(run.cell.status) if run.cell.status else UNFINISHED
    return names.get(status, status.replace("_", " ")) + (", suspected" if run.cell.suspected else "")


def _baselines(group: Group) -> list[BaselineLine]:
    """Return the known baselines, highest first."""
    board = group.board
    assert board is not None  # noqa: S101 checked by the caller
    keys = [(model, benchmark) for benchmark in board.benchmarks for model in board.models]
    pairs = baselines_of(run.cell for run in group.runs)
    scores: dict[str, dict[Key, float]] = {
        "instruct": {key: pairs[key].instruct for key in keys if key in pairs},
        "base": {key: pairs[key].base for key in keys if key in pairs},
        "few_shot": few_shot(group.suite, keys),
    }
    lines = []
    for kind, known in scores.items():
        if not known:
            continue
        lines.append(
            BaselineLine(
                BASELINES[kind],
                overall(per_benchmark(known, board.benchmarks, board.models), board.weights) if board.weights else None,
                [_of_model(known, model, board.weights) for model in board.models],
                [known.get(key) for key in keys],
            )
        )
    if trivial := board.baselines.trivial:
        by_key = [trivial.benchmarks.get(benchmark) for _, benchmark in keys]
        lines.append(BaselineLine(BASELINES["trivial"], trivial.overall, [trivial.overall] * len(board.models), by_key))
    return sorted(lines, key=lambda line: -(line.overall or 0.0))


def few_shot(suite: str, keys: Iterable[Key]) -> dict[Key, float]:
    """Return the published few-shot scores of base models."""
    found = {key: published_baseline(suite, *key, Baseline.FEW_SHOT) for key in keys}
    return {key: metrics.score for key, metrics in found.items() if metrics is not None}


def _breaches(runs: Sequence[SiteRun]) -> list[Breach]:
    """Return the flagged and suspected runs by agent and rules, flagged ones first."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], list[SiteRun]] = {}
    for run in runs:
        result = run.cell.result
        if result is None:
            continue
        rules = tuple((rule, str(state)) for rule, state in result.verdict.items() if state in ("flagged", "suspected"))
        if rules:
            found.setdefault((run.cell.agent, rules), []).append(run)
    breaches = []
    for (agent, rules), own in found.items():
        reasons = own[0].cell.result.reasons if own[0].cell.result is not None else []
        breaches.append(
            Breach(
                agent=plain(agent),
                rules=[(plain(rule), state) for rule, state in rules],
                reason=plain(reasons[0], 400) if reasons else "",
                runs=[(plain(run.cell.model), plain(run.cell.benchmark), run) for run in own],
            )
        )
    return sorted(breaches, key=lambda breach: (not breach.flagged, -len(breach.runs), breach.agent))
