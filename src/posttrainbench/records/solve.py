"""What happened: stages, the agent's end, and what was recorded of its work."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from posttrainbench.records.base import Record


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
