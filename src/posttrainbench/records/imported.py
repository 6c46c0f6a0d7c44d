"""Records of runs that were imported from a results tree of the original benchmark."""

from typing import Literal

from pydantic import Field

from posttrainbench.records.base import Record

OriginalRule = Literal[
    "contamination", "disallowed_model", "disallowed_api_usage", "disallowed_ptb_lookup", "general_anomaly"
]


class OriginalJudgement(Record):
    """What the original's judges concluded about one rule. It is not a verdict of this package.

    Attributes:
        flagged: None if it is unknown; a missing judgement is unknown, not clean.
        files: the files that decided, relative to the original run.
        reason: why it is unknown.
    """

    rule: OriginalRule
    flagged: bool | None
    files: list[str]
    reason: str = ""


class Unread(Record):
    """Something in a results tree that was not read, with the reason."""

    path: str
    reason: str


class ImportedRun(Record):
    """`imported.json`: what a results tree of the original says about a run, unchanged.

    Attributes:
        source: directory of the run in the results tree, `AGENT/RUN`.
        time: time of the import, ISO 8601, UTC.
        accuracy: the original's score as a fraction 0-1; None if it is missing or unreadable.
        attempts: number of evaluation attempts (`final_eval_N.txt`).
        seconds: time that the agent took, from `time_taken.txt`.
        exit_code: of the agent, from `output.log`.
        budget_from: where the time limit was found: `path` or `task/timer.sh`.
        judgements: what the original's judges concluded.
        trace: file of the trace; empty if none could be read.
        format: output format of the trace; a key of `trajectory.FORMATS`.
        timed: whether the lines of the trace have times.
        started: time of the trace's first line, ISO 8601; None without times.
        working_directory: from the first event of the trace; empty if unknown.
        workspace_files: number of files that were copied from `task/`.
        unread: what was not read, with reasons.
    """

    source: str
    time: str
    accuracy: float | None = None
    stderr: float | None = None
    attempts: int = 0
    seconds: float | None = None
    exit_code: int | None = None
    cli_version: str = ""
    budget_from: Literal["path", "task/timer.sh"] = "path"
    judgements: list[OriginalJudgement] = Field(default_factory=list)
    trace: str = ""
    format: str = ""
    timed: bool = False
    started: str | None = None
    working_directory: str = ""
    workspace_files: int = 0
    unread: list[Unread] = Field(default_factory=list)
