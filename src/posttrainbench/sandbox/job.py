"""The job description that the orchestrator passes to a sandbox's supervisor: JSON through an inherited descriptor."""

import json
import os
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Job:
    """A command for the supervisor and the settings for supervising it.

    Attributes:
        argv: the program that the supervisor starts: the command itself, or one that starts it in a sandbox.
        environment: the complete environment of `argv`.
        workdir: working directory; None for the supervisor's own.
        tree: location of the command's processes: `descendants` of the supervisor; a pid `namespace` that bubblewrap
            creates; a `container` of an engine.
        control: descriptor to read from: a grace period in seconds, or end of file if the orchestrator has died.
        status: descriptor that the supervisor writes status messages to.
        inherited: descriptors that `argv` inherits.
        held: descriptors that the supervisor keeps open until it exits, and nothing inherits.
        info_fd: descriptor that bubblewrap's status messages are read from; -1 for none.
        engine: command line of the container engine: `podman` or `docker` with options.
        container: name of the container.
        deadline: seconds since boot.
        cgroups: controller -> directory of the group; created by the orchestrator, removed by the supervisor.
        rlimits: number of the resource limit -> value.
        disk: bytes in `disk_paths` above which the tree is killed.
        disk_paths: host paths of the writable mounts.
    """

    argv: list[str]
    environment: dict[str, str]
    workdir: str | None
    tree: Literal["descendants", "namespace", "container"]
    control: int = -1
    status: int = -1
    inherited: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    info_fd: int = -1
    engine: list[str] = field(default_factory=list)
    container: str = ""
    deadline: float | None = None
    cgroups: dict[str, str] = field(default_factory=dict)
    rlimits: dict[int, int] = field(default_factory=dict)
    disk: int | None = None
    disk_paths: list[str] = field(default_factory=list)


def in_memory(data: bytes) -> int:
    """Return a descriptor of an anonymous in-memory file with `data`, positioned at its start."""
    descriptor = os.memfd_create("ptb")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def write_job(job: Job) -> int:
    """Return a descriptor from which a supervisor can read the job."""
    return in_memory(json.dumps(asdict(job)).encode())


def read_job(descriptor: int) -> Job:
    """Read a job that `write_job` wrote."""
    with os.fdopen(descriptor, "rb") as file:
        fields: dict[str, Any] = json.load(file)
    fields["rlimits"] = {int(number): value for number, value in fields["rlimits"].items()}
    return Job(**fields)
