"""The published tables of a suite, and their recomputation from their own columns.

Recomputed are the weights, from the published baselines of each base model, and the average of every row of Table 1,
from its benchmark columns and these weights. The standard deviations cannot be recomputed because no run-level scores
are published.

All scores are in percent, as published. Columns and averages are published to one decimal, so the recomputed average of
a correct row may differ from the published one by up to 0.1: 0.05 from the columns (the weights sum to 1) and 0.05 from
the average itself. Baseline rows are averaged from the three decimals on the website; there the bound is 0.05.
"""

from importlib import resources
from statistics import fmean
from typing import Annotated

import yaml
from pydantic import Field, ValidationError, model_validator

from posttrainbench.errors import InputError
from posttrainbench.records import Baseline, Record
from posttrainbench.scoring.weights import weights

FOLDER = resources.files("posttrainbench") / "catalog" / "published"

Percent = Annotated[float, Field(ge=0, le=100)]
Scores = Annotated[tuple[Percent, ...], Field(description="percent, in the order of `benchmarks`")]


class BaseModelEntry(Record):
    """A row of Table 4: a base model's short name, as in score tables, and the Hub ids of base and instruct model."""

    name: str
    family: str
    parameters: str
    base: str
    instruct: str

    @property
    def instruct_name(self) -> str:
        """Short name of the instruct counterpart."""
        return self.instruct.rpartition("/")[2]


class PublishedWeights(Record):
    """Table 5 as printed and as on the website, with more digits; fractions in the order of `benchmarks`."""

    printed: tuple[float, ...]
    site: tuple[float, ...]


class PublishedRow(Record):
    """A row of Table 1: an agent with its rank and runs, or, if `baseline` is set, a baseline without them."""

    method: str
    baseline: Baseline | None = None
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
    """All published tables of a suite.

    Attributes:
        baselines: kind -> base model -> scores; those of an instruct model are listed under its base model's name.
        figure3: agent -> budget in hours -> overall score.
        figure4: agent model -> overall score.
    """

    suite: str
    source: str
    benchmarks: tuple[str, ...]
    models: tuple[BaseModelEntry, ...]
    baselines: dict[Baseline, dict[str, Scores]]
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
        if set(self.baselines) != set(Baseline):
            raise ValueError(f"baselines must be {', '.join(Baseline)}")
        by_model = {f"baselines.{kind}": scores for kind, scores in self.baselines.items()}
        by_model["table6"] = {name: row.scores for name, row in self.table6.models.items()}
        for table, rows in by_model.items():
            if set(rows) != names:
                raise ValueError(f"{table} must name each base model once")
        lists = {f"{table} of {name}": scores for table, rows in by_model.items() for name, scores in rows.items()}
        lists |= {"printed weights": self.weights.printed, "weights of the site": self.weights.site}
        lists |= {f"scores of {row.method}": row.scores for row in self.table1}
        lists |= {f"scores_std of {row.method}": row.scores_std for row in self.table1 if row.scores_std}
        for name, numbers in lists.items():
            if len(numbers) != len(self.benchmarks):
                raise ValueError(f"{name} must have a number for each of {len(self.benchmarks)} benchmarks")
        return self

    def named(self, scores: Scores) -> dict[str, float]:
        """Return benchmark -> score."""
        return dict(zip(self.benchmarks, scores, strict=True))

    def baseline_means(self, kind: Baseline) -> dict[str, float]:
        """Return benchmark -> mean of a baseline over the base models, in percent."""
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
    """Table 1, recomputed: weights as fractions, scores in percent, rows by `avg`, highest first."""

    suite: str
    weights: dict[str, float]
    rows: list[RecomputedRow]


def published(suite: str = "v1") -> PublishedTables:
    """Return the published tables of a suite.

    Raises:
        InputError: that suite has no published tables, or their file is invalid.
    """
    files = {file.name.removesuffix(".yaml"): file for file in FOLDER.iterdir() if file.name.endswith(".yaml")}
    if suite not in files:
        raise InputError(f"The suite `{suite}` has no published tables; choose one of: {', '.join(sorted(files))}.")
    return parse(files[suite].read_text(encoding="utf-8"), files[suite].name)


def parse(text: str, name: str) -> PublishedTables:
    """Parse published tables from YAML.

    Args:
        text: the YAML.
        name: file name for error messages.

    Raises:
        InputError: the text is not valid.
    """
    try:
        return PublishedTables.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, ValidationError) as error:
        raise InputError(f"{name} does not contain valid published tables: {error}") from None


def suite_weights(tables: PublishedTables) -> dict[str, float]:
    """Return benchmark -> weight, from the published zero-shot and instruct baselines."""
    return weights(tables.baseline_means(Baseline.BASE), tables.baseline_means(Baseline.INSTRUCT))


def recompute(tables: PublishedTables) -> Recomputed:
    """Recompute the weights and every average of Table 1; the module docstring states the error bounds."""
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
