"""What a run is worth."""

from enum import StrEnum
from typing import Any

from pydantic import AliasChoices, ConfigDict, Field

from posttrainbench.records.audit import Evidence, RuleState
from posttrainbench.records.base import Record


class Metrics(Record):
    """`evaluate/metrics.json`: one checkpoint on one benchmark.

    Attributes:
        score: mean over evaluation seeds of the benchmark's score, a fraction 0-1.
        stderr: standard error over the items.
        items: item id -> score, mean over seeds; empty for a published score.
        seeds: evaluation seed -> the benchmark's score under it.
        eval_config: everything that may change the score: versions, template, generation settings, seeds, limits,
            engine. Called `eval-config` in the file.
        seconds: wall-clock time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)

    benchmark: str
    score: float
    stderr: float
    items: dict[str, float]
    seeds: dict[str, float]
    eval_config: dict[str, Any] = Field(
        validation_alias=AliasChoices("eval-config", "eval_config"), serialization_alias="eval-config"
    )
    seconds: float


class Status(StrEnum):
    """What a settled run counts as."""

    SCORED = "scored"
    BASE_FALLBACK = "base_fallback"
    INFRASTRUCTURE_ERROR = "infrastructure_error"
    NOT_AUDITED = "not_audited"


class Result(Record):
    """`result.json`. `ptb run --json` prints exactly this.

    Attributes:
        score: the adjusted score, which counts; None when nothing counts.
        raw_score: of the submission itself; None when it could not be evaluated.
        reasons: why `score` is not `raw_score`, or why there is none; one sentence each.
        evidence: the quotations behind the flagged rules, strongest first.
    """

    run: str
    status: Status
    score: float | None
    raw_score: float | None
    base_score: float | None
    instruct_score: float | None
    verdict: dict[str, RuleState]
    reasons: list[str]
    evidence: list[Evidence]
