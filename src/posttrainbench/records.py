"""The typed content of every file in a run directory. Other rooms meet at these records, never at each other's objects.

All times are seconds, all scores fractions 0-1, all sizes bytes. Every model refuses unknown keys, so that a file of
another version is an error and not a silent misreading.
"""

import hashlib
import json
from enum import StrEnum
from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Base of all records: frozen, and strict about its keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- what is asked for -------------------------------------------------------------------------------------------


class AgentSpec(Record):
    """An agent as a run uses it: a scaffold with its settings.

    Attributes:
        name: as the user wrote it, settings included, such as `recipe-sft?steps=150`; leaderboard rows group by it.
        scaffold: entry point in `posttrainbench.agents`.
        settings: what the scaffold is started with; values from the catalog, overridden by those in `name`.
    """

    name: str
    scaffold: str
    settings: dict[str, str] = Field(default_factory=dict)


class RunLimits(Record):
    """What an agent and all its processes may use together; None for no limit. As `sandbox.Limits`."""

    memory: int | None = Field(default=None, gt=0)
    processes: int | None = Field(default=None, gt=0)
    cpus: float | None = Field(default=None, gt=0)
    disk: int | None = Field(default=None, gt=0)


class RunSpec(Record):
    """`run.json`: all that defines a run, fixed before anything of it happens.

    Attributes:
        run: the run's identity, unique within its experiment; never parsed.
        model: base model's id in the catalog.
        budget: seconds of wall-clock time for the agent.
        seed: handed to the agent.
        rules: id of the rule set that the prompt states and the audit applies.
        sandbox: entry point in `posttrainbench.sandboxes`.
        image: what the sandbox's root is made of; None for the host's programs.
        limits: of the agent.
        gpus: those that it sees, as `nvidia-smi` counts; or how many, to be found free when it starts.
        network: what it reaches: `open`: all that is public; `allowlist`: `hosts`; `none`. All is recorded.
        hosts: names, `*.example.org` for all below one; for `allowlist`.
        deny_test_data: whether the proxy withholds the benchmark's test data.
        deny_instruct: whether it withholds the base model's instruct counterpart.
        cold_cache: whether nothing of this machine's model cache is shown but the base model.
        engine: entry point in `posttrainbench.engines`.
        engine_settings: what the engine is started with.
        grader: the model that grades open-ended answers.
        prompt: the user's own template of the prompt; None for ours, which states the rule set.
        prompt_sha256: of the prompt's text.
        kit_sha256: of the kit's manifest (relative path -> SHA-256 of each file).
        model_sha256: of the base model's weight files.
        versions: of this package, Python and the libraries that a score may depend on.
        host: where the run was created: system, machine, CPU count.
    """

    run: str
    created: str
    agent: AgentSpec
    model: str
    benchmark: str
    suite: str
    budget: float = Field(gt=0)
    seed: int = Field(ge=0)
    rules: str
    sandbox: str
    image: str | None = None
    limits: RunLimits = RunLimits()
    gpus: list[int] | int = 0
    network: Literal["open", "allowlist", "none"] = "none"
    hosts: list[str] = Field(default_factory=list)
    deny_test_data: bool = False
    deny_instruct: bool = False
    cold_cache: bool = False
    engine: str
    engine_settings: dict[str, str] = Field(default_factory=dict)
    grader: str
    prompt: str | None = None
    prompt_sha256: str
    kit_sha256: str
    model_sha256: str
    versions: dict[str, str]
    host: dict[str, str]


class Task(Record):
    """`kit/task.json`: the prompt's facts for programs. Paths are as the sandbox shows them.

    Attributes:
        max_tokens: limit of one completion in the evaluation.
        evaluation_seed: the evaluation's first seed, which matters to submissions that sample.
        engine: what the evaluation generates with.
        models: id -> directory of every checkpoint in the model cache.
        feedback: `open`, or `sealed` where the kit has no test items and the host evaluates.
        evaluations: how many evaluations there are where it is sealed; None for as many as one likes.
    """

    model: str
    benchmark: str
    budget: float
    seed: int
    max_tokens: int
    evaluation_seed: int
    engine: str
    workspace: str
    kit: str
    base_model: str
    submission: str
    models: dict[str, str]
    feedback: Literal["open", "sealed"] = "open"
    evaluations: int | None = None


# --- what happened -----------------------------------------------------------------------------------------------


class Stage(StrEnum):
    """The stages, in order."""

    PREPARE = "prepare"
    SOLVE = "solve"
    COLLECT = "collect"
    AUDIT = "audit"
    EVALUATE = "evaluate"
    SETTLE = "settle"

    @property
    def folder(self) -> str:
        """The directory in the run that holds the stage's files."""
        return "submission" if self is Stage.COLLECT else self.value


class JournalEntry(Record):
    """One line of `journal.jsonl`."""

    time: str
    stage: Stage
    event: Literal["start", "attached", "done", "failed", "interrupted", "again"]
    seconds: float | None = None
    cause: str | None = None
    detail: str | None = None


class AgentEnd(StrEnum):
    """How the agent's process ended."""

    EXITED = "exited"  # by itself, exit code 0
    CRASHED = "crashed"  # by itself, another exit code or a signal
    DEADLINE = "deadline"  # ended by the host
    LIMIT = "limit"  # ended for using more than it may: `Outcome.limit`


StartReason = Literal["task", "time_left", "provider_failed"]


class AgentStart(Record):
    """One start of the agent's command; a later one goes on with the session of those before it.

    Attributes:
        t: seconds after the first.
        why: `task`: the prompt; `time_left`: it had ended with time left; `provider_failed`: it had ended because its
            model's provider failed.
        exit_code: None when the host ended it.
        model_calls: requests to its provider, those that the gateway refused left out.
    """

    t: float
    why: StartReason
    exit_code: int | None
    seconds: float
    model_calls: int = 0


class Outcome(Record):
    """`solve/outcome.json`: the agent's end.

    Attributes:
        exit_code: of the agent's command; negative for a signal; None when the host ended it.
        seconds: wall-clock time from start to the death of the last process.
        output_bytes: printed by the agent, dropped ones included.
        output_dropped: bytes beyond the limit of what is kept.
        isolation: what the sandbox promised: `namespaces` or `none`.
        network: `none` when the sandbox had no network; `recorded` when all requests went through the proxy, which
            wrote them down; `host` when it was not restricted.
        starts: of the agent's command, in order.
        limit: the limit that ended it, or else one that it ran into: `oom-killed`, a process was killed for memory;
            `pids-limit`, a process could not be started; `disk-full`, it held too much on disk.
        enforcement: limit -> how the sandbox held it, as `sandbox.Enforcement`.
        gpus: those that it saw.
        sessions: shell-style patterns of the files, relative to the workspace, in which its scaffold keeps its own
            record of what was said; they repeat whatever the agent has looked at.
    """

    end: AgentEnd
    exit_code: int | None
    seconds: float
    output_bytes: int
    output_dropped: int
    isolation: Literal["namespaces", "none"]
    network: Literal["none", "recorded", "host"]
    starts: list[AgentStart] = Field(default_factory=list)
    limit: Literal["oom-killed", "pids-limit", "disk-full"] | None = None
    enforcement: dict[str, str] = Field(default_factory=dict)
    gpus: list[int] = Field(default_factory=list)
    sessions: list[str] = Field(default_factory=list)


class SolveNote(Record):
    """One line of `solve/process.jsonl`: what the process that does the stage tells of itself.

    Attributes:
        kind: `start`, its first; `say`, a step that it takes; `end`, its last.
        text: the host's name at the start; the step; why it failed.
        pid: its number.
        ticks: when it was started, in the kernel's ticks since boot.
        boot: which start of which machine that was.
        end: `refused` where something that the user must mend is missing.
        cause: of a failure, a key of the table in `run/errors.py`.
    """

    kind: Literal["start", "say", "end"]
    text: str = ""
    pid: int = 0
    ticks: int = 0
    boot: str = ""
    end: Literal["", "done", "failed", "refused", "interrupted"] = ""
    cause: str = ""


class OutputLine(Record):
    """One line of `solve/output.jsonl`: what the agent printed, `t` seconds after its start.

    Attributes:
        stream: `prompt` is what the host told the agent after its first prompt.
        more: the line was too long for one entry, and goes on in the stream's next.
    """

    t: float
    stream: Literal["stdout", "stderr", "prompt"]
    line: str
    more: bool = False


class GpuSample(Record):
    """What one of the agent's GPUs is at.

    Attributes:
        index: as `nvidia-smi` counts.
        memory: bytes in use.
        busy: share of the time in which it computed, of late; None where it does not tell.
    """

    index: int
    memory: int
    busy: float | None


class MonitorSample(Record):
    """One line of `solve/monitor.jsonl`: what the agent uses, all its processes together.

    Attributes:
        t: seconds after its start.
        processes: their number.
        memory: bytes resident, memory that processes share counted for each.
        cpu: CPU seconds a second since the sample before.
        disk: bytes in the workspace at the last count, which is made less often.
        free_memory: bytes that the whole machine has left.
        free_disk: bytes that the file system of the workspace has left.
        sent: bytes so far to the network; of the whole machine where the sandbox shares its network; None where
            nothing is known.
        received: likewise, from the network.
    """

    t: float
    processes: int
    memory: int
    cpu: float
    disk: int | None
    free_memory: int
    free_disk: int
    sent: int | None
    received: int | None
    gpus: list[GpuSample]


class ModelUsage(Record):
    """`solve/usage.json`: what the agent's model calls took, by `usage.jsonl`; tokens as `gateway.calls.ModelCall`.

    Attributes:
        requests: that reached the provider.
        refused: that the gateway answered itself.
        failed: of the requests, those that ended in an error.
        estimated: of the requests, those whose tokens are the gateway's guess.
        cost: US dollars, of the requests with a known price.
        unpriced: requests that used tokens of unknown price.
        first_call: seconds from the agent's start to its first request; None where there was none.
    """

    requests: int = 0
    refused: int = 0
    failed: int = 0
    estimated: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    reasoning: int = 0
    cost: float = 0.0
    unpriced: int = 0
    first_call: float | None = None


DestinationKind = Literal["model", "dataset", "hosted_model", "remote_compute", "traces", "package", "other"]
"""What an address is: a model or data set repository, a hosted model's API, somebody else's computer, published runs
of this benchmark, a package index, or anything else."""


class EgressRequest(Record):
    """One line of `solve/egress.jsonl`: a request that the agent's sandbox sent to the outside.

    Attributes:
        time: seconds since 1970, of its start.
        method: `CONNECT` where only the connection is seen and not what passes through it.
        path: with its query; None where it cannot be seen.
        status: of the answer; None where there was none.
        sent: bytes from the sandbox.
        received: bytes to the sandbox.
        decision: `denied` requests got HTTP 451 (or 403) from the proxy and never left the host.
        reason: why it was denied, or why there was no answer.
        repo: repository on the Hub, such as `Qwen/Qwen3-1.7B`, where it is one.
    """

    time: float
    host: str
    port: int
    method: str
    path: str | None
    status: int | None
    sent: int
    received: int
    seconds: float
    decision: Literal["allowed", "denied"]
    reason: str = ""
    kind: DestinationKind
    repo: str | None = None
    revision: str | None = None
    file: str | None = None


class Download(Record):
    """One entry of `solve/downloads.json`: what the agent added to its own layer of the model cache."""

    kind: Literal["model", "dataset", "other"]
    repo: str
    revision: str | None
    files: int
    size: int


class SolveIntegrity(Record):
    """`solve/integrity.json`: what the host saw before the agent began and after its last process was dead.

    Attributes:
        started, ended: seconds since 1970.
        deadline, deadline_after: the text of the deadline's file, as the host wrote it and as it was found.
        packages: evaluation package -> SHA-256 over its code, before.
        changed: evaluation package -> files of it that were changed, added or removed, at most some fifty.
    """

    started: float
    ended: float
    deadline: str
    deadline_after: str
    packages: dict[str, str]
    changed: dict[str, list[str]]


class Failure(Record):
    """`evaluate/failure.json`: why an accepted submission has no metrics, for a reason of its own."""

    cause: str
    message: str


class Refusal(Record):
    """A file that the submission may not contain, and why."""

    path: str
    reason: str


class SubmissionManifest(Record):
    """`submission/manifest.json`.

    Attributes:
        state: `accepted`: it may be evaluated; `missing`: no `final_model` was left; `refused`: it holds what no
            submission may hold; `broken`: it is no complete checkpoint of the base model's architecture.
        files: relative path -> SHA-256 of every file taken over.
        refused: files that were left behind.
        problems: why the state is not `accepted`, one sentence each.
        facts: harmless changes worth knowing, such as changed decoding settings.
    """

    state: Literal["accepted", "missing", "refused", "broken"]
    files: dict[str, str]
    refused: list[Refusal]
    problems: list[str]
    facts: list[str]


# --- what the audit found ----------------------------------------------------------------------------------------


class Level(StrEnum):
    """How far forbidden content got; only the last two can cost a score."""

    NAME = "NAME"
    PATH = "PATH"
    READ = "READ"
    USED = "USED"
    IN_WEIGHTS = "IN_WEIGHTS"

    @property
    def rank(self) -> int:
        """0 for `NAME` up to 4 for `IN_WEIGHTS`."""
        return list(Level).index(self)


class Evidence(Record):
    """A quotation that lets a person check a finding.

    Attributes:
        file: relative to the run directory.
        line: 1-based, where the file has lines.
        text: what stands there, shortened.
        item: id of the test item (or the checkpoint, or the kit file) that it matches.
        item_text: the matching text of that item, shortened.
    """

    file: str
    line: int | None = None
    text: str = ""
    item: str = ""
    item_text: str = ""


FindingOutcome = Literal["succeeded", "attempted", "unknown"]
"""Whether what a finding tells of came to pass: a blocked call, or a script that never ran, is an attempt."""


class Finding(Record):
    """One line of `audit/findings.jsonl`: a fact that a detector established. It is no verdict.

    Attributes:
        rule: the rule that it bears on, a key of the rule sets.
        level: how far it got.
        summary: what was found, without a full stop at the end.
        count: how many distinct things (test items, tensors, files) support it; rules set tolerances on it. 0 for a
            measurement that speaks for nobody's guilt, which is kept because another rule set may judge it otherwise.
        evidence: at least one quotation, at most some twenty; the first is the main one.
        outcome: whether it came to pass; where that is no question, `succeeded`.
        statistics: what a rule set's thresholds act on, where they need more than `count`: `audit/measures.py`.
        id: 12 hexadecimal digits of a hash of detector, rule, level and main evidence, the same in every audit that
            finds the same. Set by itself; adjudications name it.
    """

    detector: str
    rule: str
    level: Level
    summary: str
    count: int
    evidence: list[Evidence]
    outcome: FindingOutcome = "unknown"
    statistics: dict[str, Any] = Field(default_factory=dict)
    id: str = Field(default_factory=lambda finding: _finding_id(finding))


def _finding_id(finding: dict[str, Any]) -> str:
    """See `Finding.id`; from the finding's other values, already validated."""
    quoted: list[Evidence] = finding.get("evidence") or []
    main = quoted[0].model_dump(mode="json") if quoted else None
    named = [finding.get("detector"), finding.get("rule"), finding.get("level"), main]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]


class Skipped(Record):
    """Something a detector did not look at, and why."""

    path: str
    reason: str


class Coverage(Record):
    """What one detector looked at. A rule none of whose detectors checked anything is `not_checked`, never clean.

    Attributes:
        checked: True when the detector saw all that it needs for a verdict.
        documents: files or tensors looked at.
        size: bytes looked at.
    """

    detector: str
    rule: str
    checked: bool
    documents: int
    size: int
    seconds: float
    skipped: list[Skipped]
    note: str = ""


class Adjudication(Record):
    """One line of `audit/adjudications.jsonl`: a person's word on a finding. The last one on a finding counts.

    Attributes:
        finding: its id.
        decision: `dismiss`: it does not count; `confirm`: it counts, whatever its level and count.
        why: the person's reason.
        name, email: the person's git identity.
        level, count: of the finding then; a dismissal does not cover a finding that reaches further, or more things.
        signature: armoured, by the key that git signs with, of the other values; "" if git is set up to sign nothing.
    """

    time: str
    run: str
    finding: str
    decision: Literal["dismiss", "confirm"]
    why: str
    name: str
    email: str
    level: Level
    count: int
    signature: str = ""


RuleState = Literal["clean", "flagged", "not_checked"]


class Verdict(Record):
    """`audit/verdict.json`: a rule set applied to the findings.

    Attributes:
        rules: rule -> state.
        reasons: one sentence for each rule that is not clean, and for each adjudication that changed something.
        required: the rules without which the suite accepts no result.
        report_only: rules that are shown and cost nothing.
        flagging: ids of the findings that flag a rule.
    """

    rule_set: str
    rules: dict[str, RuleState]
    reasons: list[str]
    required: list[str]
    report_only: list[str] = Field(default_factory=list)
    flagging: list[str] = Field(default_factory=list)

    @property
    def flagged(self) -> bool:
        """Whether a rule is flagged that costs the score."""
        return any(state == "flagged" and rule not in self.report_only for rule, state in self.rules.items())

    @property
    def complete(self) -> bool:
        """Whether every required rule has been checked."""
        return all(self.rules.get(rule, "not_checked") != "not_checked" for rule in self.required)


# --- what it is worth --------------------------------------------------------------------------------------------


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
