"""Typed models of every file in a run directory. Packages exchange these records, never each other's objects.

Times are in seconds, scores are fractions 0-1, sizes are in bytes. All models reject unknown keys, so that a file of
another version raises an error instead of being misread.
"""

from posttrainbench.records.audit import (
    Adjudication,
    Coverage,
    Finding,
    FindingKind,
    FindingOutcome,
    Level,
    Quote,
    RuleState,
    Skipped,
    Verdict,
)
from posttrainbench.records.base import Record
from posttrainbench.records.bundle import (
    BundleCheck,
    BundledFile,
    BundleManifest,
    CheckState,
    Verification,
    WithheldFile,
)
from posttrainbench.records.canaries import CanaryScore, CanaryScores
from posttrainbench.records.certificate import Certificate, RuleAccuracy
from posttrainbench.records.experiment import Ending, Execution, Experiment, Part, Placement, RunKey
from posttrainbench.records.imported import ImportedRun, OriginalJudgement, OriginalRule, Unread
from posttrainbench.records.provenance import PathStep, ProvenancePath
from posttrainbench.records.result import Baseline, Change, EngineChoice, Metrics, OffTarget, Result, Status
from posttrainbench.records.solve import (
    AgentEnd,
    AgentStart,
    DestinationKind,
    Download,
    EgressRequest,
    GpuSample,
    JournalEntry,
    LivingProcess,
    ModelUsage,
    MonitorSample,
    Outcome,
    OutputLine,
    SolveIntegrity,
    SolveNote,
    Stage,
    StartReason,
)
from posttrainbench.records.spec import AgentSpec, CanaryDraw, RunLimits, RunSpec, Task
from posttrainbench.records.submission import Failure, Refusal, SubmissionManifest
from posttrainbench.records.trivial import TrivialAnswer, TrivialScores

__all__ = [
    "Adjudication",
    "AgentEnd",
    "AgentSpec",
    "AgentStart",
    "Baseline",
    "BundleCheck",
    "BundleManifest",
    "BundledFile",
    "CanaryDraw",
    "CanaryScore",
    "CanaryScores",
    "Certificate",
    "Change",
    "CheckState",
    "Coverage",
    "DestinationKind",
    "Download",
    "EgressRequest",
    "Ending",
    "EngineChoice",
    "Execution",
    "Experiment",
    "Failure",
    "Finding",
    "FindingKind",
    "FindingOutcome",
    "GpuSample",
    "ImportedRun",
    "JournalEntry",
    "Level",
    "LivingProcess",
    "Metrics",
    "ModelUsage",
    "MonitorSample",
    "OffTarget",
    "OriginalJudgement",
    "OriginalRule",
    "Outcome",
    "OutputLine",
    "Part",
    "PathStep",
    "Placement",
    "ProvenancePath",
    "Quote",
    "Record",
    "Refusal",
    "Result",
    "RuleAccuracy",
    "RuleState",
    "RunKey",
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
    "TrivialAnswer",
    "TrivialScores",
    "Unread",
    "Verdict",
    "Verification",
    "WithheldFile",
]
