"""No isolation: the command runs as the user, on the user's files, with the user's network.

Only for machines where no other backend works, and only with `--insecure-no-sandbox`. Covers: an environment without
the host's variables; no access to keys in the user's keyrings; ending the whole process tree at the deadline and when
the orchestrator is killed; limits, if control groups are writable. Does not cover anything else: the agent can read and
change all files that the user can, an environment variable is all that hides other GPUs, and without control groups an
agent that kills its supervisor escapes the end of the tree. Every result records this.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from typing_extensions import override

from posttrainbench.errors import InputError
from posttrainbench.sandbox.base import NO_LIMITS, Limits, Mount, Sandbox, refuse_recording
from posttrainbench.sandbox.client import SupervisedProcess, confine, supervise
from posttrainbench.sandbox.gpu import nvidia_devices
from posttrainbench.sandbox.job import Job


class Process(Sandbox):
    """The backend `process`."""

    name = "process"
    isolation: Literal["namespaces", "none"] = "none"
    network: Literal["none", "host"] = "host"
    python = sys.executable

    def __init__(self, image: str | None = None) -> None:
        """Create the backend.

        Raises:
            InputError: an image is given.
        """
        if image is not None:
            raise InputError("The backend `process` does not use images; choose another sandbox or omit the image.")

    def check(self) -> None:
        """Do nothing: this backend has no requirements."""

    def locate(self, mount: Mount) -> str:
        """Return the host path: the command sees the host's file system."""
        return str(mount.source)

    @override
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
    ) -> SupervisedProcess:
        refuse_recording(self.name, record)
        nvidia_devices(gpus)
        variables = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))}
        job = Job(
            argv=argv, environment=variables | environment, workdir=workdir, tree="descendants", deadline=deadline
        )
        return supervise(job, confine(limits), mounts, limits.disk)
