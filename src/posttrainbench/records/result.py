"""Records of scores and results."""

from enum import StrEnum
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field

from posttrainbench.records.audit import Quote, RuleState
from posttrainbench.records.base import Record


class Metrics(Record):
    """`evaluate/metrics.json`: the score of one checkpoint on one benchmark.

    Attributes:
        score: the benchmark's score, mean over the evaluation seeds, a fraction 0-1.
        stderr: standard error over the items.
        items: item id -> score, mean over the seeds; empty for a published score.
        seeds: evaluation seed -> the benchmark's score with this seed.
        eval_config: everything that can affect the score: versions, template, generation settings, seeds, limits,
            engine. The key in the file is `eval-config`.
        seconds: wall-clock time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True, defer_build=True)

    benchmark: str
    score: float
    stderr: float
    items: dict[str, float]
    seeds: dict[str, float]
    eval_config: dict[str, Any] = Field(
        validation_alias=AliasChoices("eval-config", "eval_config"), serialization_alias="eval-config"
    )
    seconds: float


class Baseline(StrEnum):
    """The reference scores that a run is measured against."""

    BASE = "base"  # the base model, zero-shot
    FEW_SHOT = "few_shot"  # the base model with worked examples and no chat template
    INSTRUCT = "instruct"  # the base model's instruct counterpart, zero-shot


class Status(StrEnum):
    """Final status of a run."""

    SCORED = "scored"
    BASE_FALLBACK = "base_fallback"
    INFRASTRUCTURE_ERROR = "infrastructure_error"
    NOT_AUDITED = "not_audited"


class EngineChoice(Record):
    """An engine with its settings."""

    engine: str
    settings: dict[str, str] = Field(default_factory=dict)

    def __str__(self) -> str:
        """Return `NAME` or `NAME (key=value, ...)`."""
        pairs = ", ".join(f"{key}={value}" for key, value in sorted(self.settings.items()))
        return f"{self.engine} ({pairs})" if pairs else self.engine


class Change(Record):
    """A line of `changes.jsonl`: a person changed the engine of the evaluation after the agent had ended.

    Attributes:
        time: ISO 8601, UTC.
        old: engine before the change.
        new: engine after it.
    """

    time: str
    old: EngineChoice
    new: EngineChoice


class OffTarget(Record):
    """`off_target/BENCHMARK.json`: the score of a submission on a benchmark that it was not trained for.

    Attributes:
        score: None if the submission could not be evaluated.
        base_score: of the base model; `score - base_score` is what the submission gained or forgot.
        instruct_score: of the base model's instruct counterpart.
        text: reason for the missing score; empty if there is a score.
    """

    benchmark: str
    score: float | None
    base_score: float
    instruct_score: float
    text: str = ""


class Result(Record):
    """`result.json`. `ptb run --json` prints exactly this.

    Attributes:
        score: the adjusted score, used by the leaderboard; None if the run does not count.
        raw_score: the score of the submission itself; None if it could not be evaluated.
        suspected: the rules that are suspected and would cost the score if a person confirms it.
        reasons: why `score` differs from `raw_score` or is missing, one sentence each.
        evidence: quotations that support the flagged and the suspected rules, most severe first.
        provider_away_seconds: time during the agent's work without a working model provider; see `Outcome`.
        restarts: number of earlier attempts in which the agent worked and after which it was started over.
        reprompts: how often the session of an agent that had stopped early was resumed.
        notes: other facts worth knowing, such as background work that ended with the agent, one sentence each.
        changes: changes of the evaluation's engine after the agent had ended, oldest first.
        off_target: scores on benchmarks that the submission was not trained for. They have no effect on `score`.
    """

    run: str
    status: Status
    score: float | None
    raw_score: float | None
    base_score: float | None
    instruct_score: float | None
    verdict: dict[str, RuleState]
    reasons: list[str]
    evidence: list[Quote]
    suspected: list[str] = Field(default_factory=list)
    provider_away_seconds: float = 0.0
    restarts: int = 0
    reprompts: int = 0
    notes: list[str] = Field(default_factory=list)
    changes: list[Change] = Field(default_factory=list)
    off_target: list[OffTarget] = Field(default_factory=list)
