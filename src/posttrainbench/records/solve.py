"""Records of the run's stages, the agent's end, and its activity."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from posttrainbench.records.base import Record


class Stage(StrEnum):
    """The stages of a run, in order."""

    PREPARE = "prepare"
    SOLVE = "solve"
    COLLECT = "collect"
    AUDIT = "audit"
    EVALUATE = "evaluate"
    SETTLE = "settle"

    @property
    def folder(self) -> str:
        """Name of the stage's directory in the run directory."""
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
    """Ways in which the agent's process can end."""

    EXITED = "exited"  # exit code 0
    CRASHED = "crashed"  # another exit code, or a signal
    DEADLINE = "deadline"  # ended by the host at the deadline
    LIMIT = "limit"  # ended for exceeding the limit `Outcome.limit`
    STOPPED = "stopped"  # ended early by a person, with `ptb stop`


StartReason = Literal["task", "time_left", "provider_failed"]


class AgentStart(Record):
    """One start of the agent's command. Later starts resume the session of the earlier ones.

    Attributes:
        t: seconds after the first start.
        why: `task`: the first start; `time_left`: the agent had stopped with time left; `provider_failed`: it had
            stopped because its model provider failed.
        exit_code: None if the host ended it.
        model_calls: requests to the provider, without those that the gateway refused.
    """

    t: float
    why: StartReason
    exit_code: int | None
    seconds: float
    model_calls: int = 0


class LivingProcess(Record):
    """A process of the agent that was ended.

    Attributes:
        command: command line, redacted, escaped and cut.
        seconds: age.
        cpu_seconds: CPU time.
        memory: resident bytes.
        gpu_memory: bytes on the agent's GPUs; None if it uses none, or if the driver does not report it.
        background: whether it ran outside of the scaffold's process group.
    """

    command: str
    seconds: float
    cpu_seconds: float
    memory: int
    background: bool
    gpu_memory: int | None = None


class Outcome(Record):
    """`solve/outcome.json`: how the agent ended.

    Attributes:
        exit_code: of the last start; negative for a signal; None if the host ended it.
        seconds: wall-clock time from the start to the death of the last process.
        output_bytes: bytes printed by the agent, including dropped ones.
        output_dropped: bytes that were not recorded because they exceeded the limit.
        isolation: isolation of the sandbox: `namespaces` or `none`.
        network: `none`: no network; `recorded`: all requests went through the proxy, which recorded them; `host`:
            unrestricted.
        starts: starts of the agent's command, in order.
        limit: the limit that ended the agent, else one that it reached: `oom-killed`: a process was killed for memory;
            `pids-limit`: a process could not be started; `disk-full`: too much data on disk.
        enforcement: limit -> mechanism that enforced it; see `sandbox.Enforcement`.
        gpus: indices of the visible GPUs.
        sessions: shell-style patterns, relative to the workspace, of the scaffold's own session logs, which repeat
            everything that the agent has read.
        clients: beginnings of the user agents of the scaffold's own model calls; see `agents.Launch`.
        provider_away_seconds: time without a working model provider: from each failed model call until the next good
            one, or the end.
        processes: processes that were alive at most a few seconds before the host ended the agent, or background
            processes that were alive during the last model call of an agent that exited; at most 50.
        given_back_seconds: time by which the host moved the deadline, because it waited for the model provider.
        trajectory_warning: one sentence if many events of the agent's output are unknown to its reader.
        provenance: file provenance: `recorded` in `provenance/`, `off`, or `unavailable` on this machine.
        provenance_note: why it is off, unavailable or incomplete; empty if the record is complete.
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
    clients: list[str] = Field(default_factory=list)
    provider_away_seconds: float = 0.0
    processes: list[LivingProcess] = Field(default_factory=list)
    trajectory_warning: str = ""
    given_back_seconds: float = 0.0
    provenance: Literal["recorded", "off", "unavailable"] = "off"
    provenance_note: str = ""


class SolveNote(Record):
    """One line of `solve/process.jsonl`: a status note of the solve process.

    Attributes:
        kind: `start`: the first note; `say`: a progress message; `end`: the last note.
        text: the host name (`start`), the message (`say`), or the reason of a failure (`end`).
        pid: id of the process.
        ticks: start time of the process, in clock ticks since boot.
        boot: the kernel's boot id of the machine.
        end: how the stage ended; `refused`: something is missing that the user must provide.
        cause: cause of a failure, a key of the table in `run/errors.py`.
    """

    kind: Literal["start", "say", "end"]
    text: str = ""
    pid: int = 0
    ticks: int = 0
    boot: str = ""
    end: Literal["", "done", "failed", "refused", "interrupted"] = ""
    cause: str = ""


class OutputLine(Record):
    """One line of `solve/output.jsonl`: a line that the agent printed `t` seconds after its start.

    Attributes:
        stream: `prompt` for a prompt that the host sent after the first one.
        more: the line was too long for one entry and continues in the next entry of the stream.
    """

    t: float
    stream: Literal["stdout", "stderr", "prompt"]
    line: str
    more: bool = False


class GpuSample(Record):
    """Utilization sample of one of the agent's GPUs.

    Attributes:
        index: as in `nvidia-smi`.
        memory: bytes in use.
        busy: recent utilization, 0-1; None if the GPU does not report it.
    """

    index: int
    memory: int
    busy: float | None


class MonitorSample(Record):
    """One line of `solve/monitor.jsonl`: resource usage of all the agent's processes.

    Attributes:
        t: seconds after the agent's start.
        processes: number of processes.
        memory: resident bytes; memory shared by processes is counted for each.
        cpu: CPU seconds per second since the previous sample.
        disk: bytes in the workspace at the last count, which is taken less often.
        free_memory: available bytes of the machine.
        free_disk: free bytes of the workspace's file system.
        sent: total bytes sent to the network; of the whole machine if the sandbox shares its network; None if unknown.
        received: total bytes received from the network, likewise.
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
    """`solve/usage.json`: totals of the agent's model calls in `usage.jsonl`. See `usage.calls.ModelCall` for tokens.

    Attributes:
        requests: number of requests sent to the provider.
        refused: number of requests that the gateway refused.
        failed: number of `requests` that ended in an error.
        estimated: number of `requests` whose tokens are estimated by the gateway.
        cost: US dollars, of the requests with a known price.
        unpriced: number of requests with tokens of unknown price.
        first_call: seconds from the agent's start to its first request; None if there was none.
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
"""Kind of a destination: a model or dataset repository, the API of a hosted model, a remote compute service, published
runs of this benchmark, a package index, or anything else."""


class EgressRequest(Record):
    """One line of `solve/egress.jsonl`: a network request from the agent's sandbox.

    Attributes:
        time: start of the request, seconds since 1970.
        method: `CONNECT` for a tunnel whose content is not visible.
        path: path with query; None if not visible.
        status: status of the response; None if there was none.
        sent: bytes from the sandbox.
        received: bytes to the sandbox.
        decision: the proxy answers `denied` requests with HTTP 451 or 403; they never leave the host.
        reason: why the request was denied, or why there was no response.
        repo: repository on the Hub, such as `Qwen/Qwen3-1.7B`, if the destination is one.
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
    """One entry of `solve/downloads.json`: a repository that the agent added to its layer of the model cache."""

    kind: Literal["model", "dataset", "other"]
    repo: str
    revision: str | None
    files: int
    size: int


class SolveIntegrity(Record):
    """`solve/integrity.json`: state of the evaluation code and the deadline before and after the agent's work.

    Attributes:
        started, ended: seconds since 1970.
        deadline, deadline_after: content of the deadline file as the host wrote it, and after the agent's end.
        packages: evaluation package -> SHA-256 of its code before the agent's start.
        changed: evaluation package -> its changed, added or removed files, at most 50.
    """

    started: float
    ended: float
    deadline: str
    deadline_after: str
    packages: dict[str, str]
    changed: dict[str, list[str]]
