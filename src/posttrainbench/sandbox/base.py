"""The protocol that every sandbox backend implements."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:  # these imports would delay each provenance recorder
    import subprocess

    import psutil

LimitHit = Literal["oom-killed", "pids-limit", "disk-full"]
"""A limit that a command exceeded: the kernel killed one of its processes for memory, a process could not be started,
or the writable mounts exceeded the disk limit, for which the whole tree was killed."""
Enforcement = Literal["cgroup", "engine", "rlimit", "watch", "none"]
"""Mechanism that enforces a limit: our own control group, the container engine, a resource limit of each process,
killing the tree when it exceeds the limit, or none."""


@dataclass(frozen=True)
class Mount:
    """A host directory or file that is visible in a sandbox.

    Attributes:
        role: name such as `workspace` or `models/micro-base`; a backend with its own file system mounts it at `/ROLE`.
        source: absolute path on the host.
        writable: False for a read-only mount.
    """

    role: str
    source: Path
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """Resource limits of a command and all its descendants together; None for no limit.

    Attributes:
        memory: bytes of memory, without swap.
        processes: concurrent processes and threads.
        cpus: CPU seconds per second.
        disk: bytes in all writable mounts together, including deleted files that are still open; every file and
            directory counts at least 4 KiB.
    """

    memory: int | None = None
    processes: int | None = None
    cpus: float | None = None
    disk: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Report:
    """The end of a command.

    Attributes:
        started: True if the sandbox could start the command.
        ended_by: `itself`; `host`: `kill` was called, or the orchestrator died; `deadline`; `limit`.
        exit_code: exit code of the command, 128 + N after signal N; None if the command did not end by itself.
        limit: the limit that ended the command, or else the first limit that it exceeded.
        enforcement: how each requested limit was enforced: field of `Limits` -> mechanism.
    """

    started: bool
    ended_by: Literal["itself", "host", "deadline", "limit"]
    exit_code: int | None
    limit: LimitHit | None
    enforcement: dict[str, Enforcement]


@dataclass(frozen=True)
class Stats:
    """Current resource use of a process tree.

    Attributes:
        processes: number of live processes.
        memory: resident bytes; shared memory counts once for each process.
        cpu_seconds: CPU time of live processes, and of exited ones that their parents have reaped.
    """

    processes: int
    memory: int
    cpu_seconds: float


class SandboxProcess(Protocol):
    """A command that runs in a sandbox, with pipes for its three standard streams."""

    popen: "subprocess.Popen[bytes]"

    def kill(self, grace: float) -> None:
        """End the whole process tree: send SIGTERM to each process, wait `grace` seconds, then send SIGKILL.

        Returns when no process of the tree is left, including background processes, other sessions and double forks.
        """
        ...

    def report(self) -> Report | None:
        """Wait for the command to end and return its report; None if the supervisor itself was killed."""
        ...

    def members(self) -> "list[psutil.Process]":
        """Return the live processes of the tree."""
        ...

    def stats(self) -> Stats:
        """Return the current resource use of the tree; zeros before it starts and after it ends."""
        ...

    def recorder_died(self) -> bool:
        """Return True if the recorder of file provenance failed or was killed; False if there is none."""
        ...


class Sandbox(Protocol):
    """A sandbox backend.

    Attributes:
        name: the backend's entry point name.
        isolation: isolation from the host; recorded with every run.
        network: network access of a process in the sandbox.
        python: path or name of a Python interpreter inside the sandbox.
        can_record: whether it can record file provenance.
    """

    name: str
    isolation: Literal["namespaces", "none"]
    network: Literal["none", "host"]
    python: str
    can_record: bool = False

    def check(self) -> None:
        """Check by real attempts, in less than half a second, that the backend works and isolates on this machine.

        Raises:
            InputError: the check failed; the message says how to fix it.
        """
        ...

    def locate(self, mount: Mount) -> str:
        """Return the path of `mount` inside the sandbox."""
        ...

    def start(
        self,
        argv: list[str],
        mounts: list[Mount],
        environment: dict[str, str],
        workdir: str,
        *,
        limits: Limits = NO_LIMITS,
        gpus: Sequence[int] = (),
        deadline: float | None = None,
        record: Path | None = None,
    ) -> SandboxProcess:
        """Start a command that sees only `mounts`, `environment` and the files that every program needs.

        The process tree ends when the command exits or when the orchestrator ends, even by SIGKILL.

        Args:
            argv: the command, with paths inside the sandbox.
            mounts: visible files and directories; a nested mount comes after the one that contains it.
            environment: the complete environment of the command.
            workdir: working directory inside the sandbox.
            limits: limits of the whole tree; see `Report.enforcement` for how each is enforced.
            gpus: `nvidia-smi` indices of the visible GPUs; inside they are numbered from 0.
            deadline: time in seconds since boot (`CLOCK_BOOTTIME`) at which the tree is ended even if the orchestrator
                has died: SIGTERM to each process, `supervisor.GRACE_SECONDS`, SIGKILL.
            record: directory for a record of which process opens which file, see `sandbox.provenance`; it must not
                contain one. None for no record.

        Raises:
            InputError: a GPU does not exist, the tool that exposes it to the sandbox is missing, or the backend cannot
                record.
            InfrastructureError: the sandbox could not be started.
        """
        ...


def refuse_recording(backend: str, record: Path | None) -> None:
    """Refuse to start a command whose file provenance is to be recorded.

    Raises:
        InputError: a record was requested.
    """
    if record is not None:
        from posttrainbench.errors import InputError  # imported late, as in `load_sandbox`

        raise InputError(f"The backend `{backend}` cannot record file provenance; use one that isolates.")


def load_sandbox(name: str, image: str | None = None) -> Sandbox:
    """Load a backend from the entry points `posttrainbench.sandboxes`.

    Args:
        name: name of the entry point.
        image: root file system of the sandbox: an image name for `podman` and `docker`, a directory for `bubblewrap`,
            a file or directory for `apptainer`. None for the host's `/usr` and Python, read-only.

    Raises:
        InputError: no installed package registers the backend, or the backend does not accept an image.
    """
    from posttrainbench.plugins import load_plugin  # imported late: this module's imports delay each supervisor

    backend: Callable[[str | None], Sandbox] = load_plugin("sandboxes", name)
    return backend(image)
