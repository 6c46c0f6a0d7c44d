"""The protocol that every sandbox backend fulfils."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from posttrainbench.plugins import load_plugin


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


class Sandbox(Protocol):
    """A backend.

    Attributes:
        isolation: what it promises; recorded with every run.
        network: what a process in it can reach.
    """

    name: str
    isolation: Literal["namespaces", "none"]
    network: Literal["none", "host"]

    def check(self) -> None:
        """Prove by a real attempt that the backend works here.

        Raises:
            InputError: it does not; the message says how to mend that.
        """
        ...

    def locate(self, mount: Mount) -> str:
        """The path at which a process inside sees `mount`."""
        ...

    def start(self, argv: list[str], mounts: list[Mount], environment: dict[str, str], workdir: str) -> SandboxProcess:
        """Start a command that sees only `mounts`, `environment` and what every program needs.

        Raises:
            InfrastructureError: the sandbox could not be started.
        """
        ...


def load_sandbox(name: str) -> Sandbox:
    """Find a backend among the entry points `posttrainbench.sandboxes`.

    Raises:
        InputError: no installed package registers it.
    """
    backend: type[Sandbox] = load_plugin("sandboxes", name)
    return backend()
