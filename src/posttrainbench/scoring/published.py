"""The published tables of a suite, and their recomputation from their own columns.

What is recomputed: the weights, from the published baselines of each base model, and the average of every row of
Table 1, from its benchmark columns and these weights. What cannot be, since no run-level scores are published: the
standard deviations.

All scores are per cent, as published. Columns and averages are published to one decimal, so the recomputed average of a
correct row may differ from the published one by up to 0.1: 0.05 from the columns, since the weights sum to 1, and 0.05
from the average itself. Rows that are a baseline are averaged from the site's three decimals; there the bound is 0.05.
"""

from importlib import resources
from statistics import fmean
from typing import Annotated, Literal, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from posttrainbench.errors import InputError
from posttrainbench.records import Record
from posttrainbench.scoring.weights import weights

FOLDER = resources.files("posttrainbench") / "catalog" / "published"

Percent = Annotated[float, Field(ge=0, le=100)]
Scores = Annotated[tuple[Percent, ...], Field(description="per cent, in the order of `benchmarks`")]
Kind = Literal["zero_shot", "few_shot", "instruct"]


class BaseModelEntry(Record):
    """A row of Table 4: a base model's short name, as in score tables, and the Hub ids of it and its counterpart."""

    name: str
    family: str
    parameters: str
    base: str
    instruct: str

    @property
    def instruct_name(self) -> str:
        """The counterpart's short name."""
        return self.instruct.rpartition("/")[2]


class PublishedWeights(Record):
    """Table 5 as printed, and the same to the site's digits; fractions in the order of `benchmarks`."""

    printed: tuple[float, ...]
    site: tuple[float, ...]


class PublishedRow(Record):
    """A row of Table 1: an agent with its rank and runs, or, with `baseline`, one of the baselines without them."""

    method: str
    baseline: Kind | None = None
    rank: int | None = None
    agent_model: str | None = None
    scaffold: str | None = None
    runs: int | None = None
    avg: Percent
    avg_std: Percent | None = None
    scores: Scores
    scores_std: Scores | None = None


class Effort(Record):
    """A row of Tables 2 and 3; times as printed."""

    runs: int | None = None
    score: Percent
    std: Percent
    tokens_per_run: int
    time: str
    time_std: str


class EffortTable(Record):
    """One agent at several reasoning efforts."""

    agent: str
    efforts: dict[str, Effort]


class FewShotRow(Record):
    """A row of Table 6."""

    average: Percent
    scores: Scores


class FewShotTable(Record):
    """Table 6: the few-shot baseline of each base model, and how it was sampled."""

    temperature: float
    top_p: float
    models: dict[str, FewShotRow]


class PublishedTables(Record):
    """All that is published of a suite.

    Attributes:
        baselines: kind -> base model -> scores; those of an instruct model stand under its base model's name.
        figure3: agent -> budget in hours -> overall score.
        figure4: agent model -> overall score.
    """

    suite: str
    source: str
    benchmarks: tuple[str, ...]
    models: tuple[BaseModelEntry, ...]
    baselines: dict[Kind, dict[str, Scores]]
    weights: PublishedWeights
    table1: tuple[PublishedRow, ...]
    table2: EffortTable
    table3: EffortTable
    table6: FewShotTable
    figure3: dict[str, dict[int, Percent]]
    figure4: dict[str, Percent]

    @model_validator(mode="after")
    def _complete(self) -> "PublishedTables":
        names = {model.name for model in self.models}
        if set(self.baselines) != set(get_args(Kind)):
            raise ValueError(f"baselines must be {', '.join(get_args(Kind))}")
        by_model: dict[str, dict[str, Scores]] = dict(self.baselines.items())
        by_model["table6"] = {name: row.scores for name, row in self.table6.models.items()}
        for table, rows in by_model.items():
            if set(rows) != names:
                raise ValueError(f"{table} must name each base model once")
        lists = {f"{table} of {name}": scores for table, rows in by_model.items() for name, scores in rows.items()}
        lists |= {"printed weights": self.weights.printed, "weights of the site": self.weights.site}
        lists |= {f"scores of {row.method}": row.scores for row in self.table1}
        lists |= {f"scores_std of {row.method}": row.scores_std for row in self.table1 if row.scores_std}
        for what, numbers in lists.items():
            if len(numbers) != len(self.benchmarks):
                raise ValueError(f"{what} must have a number for each of {len(self.benchmarks)} benchmarks")
        return self

    def named(self, scores: Scores) -> dict[str, float]:
        """Benchmark -> score."""
        return dict(zip(self.benchmarks, scores, strict=True))

    def baseline_means(self, kind: Kind) -> dict[str, float]:
        """Benchmark -> mean of a baseline over the base models, per cent."""
        columns = zip(*self.baselines[kind].values(), strict=True)
        return self.named(tuple(fmean(column) for column in columns))


class RecomputedRow(Record):
    """A row of Table 1. `avg` is recomputed from `scores`; `avg_published` and `avg_std` are as published."""

    method: str
    scaffold: str | None
    avg: float
    avg_published: float
    avg_std: float | None
    scores: dict[str, float]


class Recomputed(Record):
    """Table 1, recomputed: weights as fractions, scores in per cent, rows by `avg`, highest first."""

    suite: str
    weights: dict[str, float]
    rows: list[RecomputedRow]


def published(suite: str = "v1") -> PublishedTables:
    """The published tables of a suite.

    Raises:
        InputError: nothing is published of that suite, or the file does not have the form above.
    """
    files = {file.name.removesuffix(".yaml"): file for file in FOLDER.iterdir() if file.name.endswith(".yaml")}
    if suite not in files:
        raise InputError(
            f"There are no published tables of suite `{suite}`; choose one of: {', '.join(sorted(files))}."
        )
    return parse(files[suite].read_text(encoding="utf-8"), files[suite].name)


def parse(text: str, name: str) -> PublishedTables:
    """Published tables from YAML; `name` is for messages. Raises InputError as `published`."""
    try:
        return PublishedTables.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{name} holds no valid published tables: {error}") from None


def suite_weights(tables: PublishedTables) -> dict[str, float]:
    """Benchmark -> weight, from the published zero-shot and instruct baselines."""
    return weights(tables.baseline_means("zero_shot"), tables.baseline_means("instruct"))


def recompute(tables: PublishedTables) -> Recomputed:
    """Compute the weights and every average of Table 1 again; the module's docstring says how exact that can be."""
    by_benchmark = suite_weights(tables)
    rows = []
    for row in tables.table1:
        scores = tables.baseline_means(row.baseline) if row.baseline else tables.named(row.scores)
        rows.append(
            RecomputedRow(
                method=row.method,
                scaffold=row.scaffold,
                avg=sum(by_benchmark[benchmark] * score for benchmark, score in scores.items()),
                avg_published=row.avg,
                avg_std=row.avg_std,
                scores=scores,
            )
        )
    return Recomputed(
        suite=tables.suite, weights=by_benchmark, rows=sorted(rows, key=lambda row: row.avg, reverse=True)
    )
