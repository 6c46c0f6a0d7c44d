"""The protocol that every sandbox backend fulfils."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

LimitHit = Literal["oom-killed", "pids-limit", "disk-full"]
"""A limit that a command ran into: a process of it was killed for memory, a process could not be started, or its
writable mounts held more than they may, for which the whole tree was ended."""
Enforcement = Literal["cgroup", "engine", "rlimit", "watch", "none"]
"""How a limit is held: by a control group of ours, by the container engine, by a resource limit of each process, by
ending the tree when it is over, or not at all."""


@dataclass(frozen=True)
class Mount:
    """A host directory or file that a sandbox shows.

    Attributes:
        role: what it is, such as `workspace` or `models/micro-base`; a backend with a file system of its own shows
            it at `/ROLE`.
        source: on the host, absolute.
    """

    role: str
    source: Path
    writable: bool = False


@dataclass(frozen=True)
class Limits:
    """What a command and all its descendants may use together; None for no limit.

    Attributes:
        memory: bytes of memory, without swap.
        processes: processes and threads at a time.
        cpus: CPU seconds a second.
        disk: bytes in all writable mounts together, deleted files that are still open included.
    """

    memory: int | None = None
    processes: int | None = None
    cpus: float | None = None
    disk: int | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Report:
    """How a command ended.

    Attributes:
        started: whether the sandbox could start the command at all.
        ended_by: `itself`; `host`: `kill` was called, or the orchestrator has died; `deadline`; `limit`.
        exit_code: of the command, 128 + N after signal N; None where the host ended it.
        limit: the limit that ended it, or else one that it ran into.
        enforcement: how each limit that was asked for was held.
    """

    started: bool
    ended_by: Literal["itself", "host", "deadline", "limit"]
    exit_code: int | None
    limit: LimitHit | None
    enforcement: dict[str, Enforcement]


@dataclass(frozen=True)
class Stats:
    """What the tree uses at the moment.

    Attributes:
        memory: bytes resident, memory that processes share counted for each.
        cpu_seconds: of the living processes since their starts, and of the ended ones that their parents have taken in.
    """

    processes: int
    memory: int
    cpu_seconds: float


class SandboxProcess(Protocol):
    """A command running in a sandbox, its three standard streams as pipes."""

    popen: subprocess.Popen[bytes]

    def kill(self, grace: float) -> None:
        """End the whole process tree: SIGTERM to each, `grace` seconds, then SIGKILL.

        Returns when no process of the tree is left, background ones, other sessions and double forks included.
        """
        ...

    def broke(self) -> bool:
        """Whether, of a tree that ended by itself, the sandbox is to blame and not the command in it."""
        ...

    def report(self) -> Report | None:
        """Wait for the end, and tell how it came about; None where the sandbox itself was killed."""
        ...

    def stats(self) -> Stats:
        """What the tree uses now; zeros before its start and after its end."""
        ...


class Sandbox(Protocol):
    """A backend.

    Attributes:
        isolation: what it promises; recorded with every run.
        network: what a process in it can reach.
        python: a Python interpreter as a process inside finds it.
    """

    name: str
    isolation: Literal["namespaces", "none"]
    network: Literal["none", "host"]
    python: str

    def check(self) -> None:
        """Prove by real attempts, in less than half a second, that the backend works and isolates here.

        Raises:
            InputError: it does not; the message says how to mend that.
        """
        ...

    def locate(self, mount: Mount) -> str:
        """The path at which a process inside sees `mount`."""
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
    ) -> SandboxProcess:
        """Start a command that sees only `mounts`, `environment` and what every program needs.

        The tree ends with the command, and with the orchestrator however that ends.

        Args:
            argv: the command, with paths as the sandbox shows them.
            mounts: what it sees; nested ones after what they lie in.
            environment: all its variables.
            workdir: as the sandbox shows it.
            limits: of the whole tree; `Report.enforcement` tells how each is held.
            gpus: indices, as `nvidia-smi` counts, of the only GPUs that it sees; there they count from 0.
            deadline: seconds since boot (`CLOCK_BOOTTIME`) at which the tree ends, orchestrator or not: SIGTERM to
                each process, `supervisor.GRACE_SECONDS`, SIGKILL.

        Raises:
            InputError: a GPU is not there, or what shows it to the sandbox is missing.
            InfrastructureError: the sandbox could not be started.
        """
        ...


def load_sandbox(name: str, image: str | None = None) -> Sandbox:
    """Find a backend among the entry points `posttrainbench.sandboxes`.

    Args:
        name: the entry point.
        image: what the sandbox's root is made of: an image's name for `podman` and `docker`, a directory for
            `bubblewrap`, a file or directory for `apptainer`. Without one, the host's `/usr` and Python, read-only.

    Raises:
        InputError: no installed package registers it, or it takes no image.
    """
    from posttrainbench.plugins import load_plugin  # here, since every supervisor waits for what this module imports

    backend: Callable[[str | None], Sandbox] = load_plugin("sandboxes", name)
    return backend(image)
