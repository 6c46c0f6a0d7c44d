"""The typed content of every file in a run directory. Other rooms meet at these records, never at each other's objects.

All times are seconds, all scores fractions 0-1, all sizes bytes. Every model refuses unknown keys, so that a file of
another version is an error and not a silent misreading.
"""

from posttrainbench.records.audit import (
    Adjudication,
    Coverage,
    Evidence,
    Finding,
    FindingOutcome,
    Level,
    RuleState,
    Skipped,
    Verdict,
)
from posttrainbench.records.base import Record
from posttrainbench.records.result import Metrics, Result, Status
from posttrainbench.records.solve import (
    AgentEnd,
    AgentStart,
    DestinationKind,
    Download,
    EgressRequest,
    GpuSample,
    JournalEntry,
    ModelUsage,
    MonitorSample,
    Outcome,
    OutputLine,
    SolveIntegrity,
    SolveNote,
    Stage,
    StartReason,
)
from posttrainbench.records.spec import AgentSpec, RunLimits, RunSpec, Task
from posttrainbench.records.submission import Failure, Refusal, SubmissionManifest

__all__ = [
    "Adjudication",
    "AgentEnd",
    "AgentSpec",
    "AgentStart",
    "Coverage",
    "DestinationKind",
    "Download",
    "EgressRequest",
    "Evidence",
    "Failure",
    "Finding",
    "FindingOutcome",
    "GpuSample",
    "JournalEntry",
    "Level",
    "Metrics",
    "ModelUsage",
    "MonitorSample",
    "Outcome",
    "OutputLine",
    "Record",
    "Refusal",
    "Result",
    "RuleState",
    "RunLimits",
    "RunSpec",
    "Skipped",
    "SolveIntegrity",
    "SolveNote",
    "Stage",
    "StartReason",
    "Status",
    "SubmissionManifest",
    "Task",
    "Verdict",
]
