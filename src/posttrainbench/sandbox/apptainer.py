"""Apptainer containers, for clusters without another container engine: images are files, no daemon and no root needed.

Covers: its own pid, mount, ipc and network namespaces (no network); a read-only root file system from the image, a home
and a `/tmp` that are not the user's, and the mounts of the run; `no_new_privs`, none of the host's environment
variables; limits by control groups if these are writable, else see `Report.enforcement`; the tree ends with the
orchestrator and at the deadline.

Does not cover: GPU selection: `--nv` exposes all GPUs, and only an environment variable hides the others (a scheduler
that confines devices is stronger); kernel bugs. Only the command line is tested, not Apptainer itself.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from typing_extensions import override

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.sandbox.base import NO_LIMITS, Limits, Mount, Sandbox
from posttrainbench.sandbox.client import SupervisedProcess, confine, supervise
from posttrainbench.sandbox.gpu import nvidia_devices
from posttrainbench.sandbox.job import Job
from posttrainbench.sandbox.provenance.launch import start_recorder
from posttrainbench.sandbox.seccomp import seccomp_filter

OPTIONS = """
    --containall --cleanenv --no-umask --no-eval --no-privs --net --network none --uts --hostname sandbox
""".split()
CLIENT_VARIABLES = (
    "PATH",
    "HOME",
    "XDG_RUNTIME_DIR",
    "TMPDIR",
    "APPTAINER_CONFIGDIR",
    "APPTAINER_CACHEDIR",
    "APPTAINER_TMPDIR",
)
"""Environment variables of the host that Apptainer itself needs."""
FORBIDDEN_CHARACTERS = ":,"
"""Characters that a path in `--bind` cannot contain."""


class Apptainer(Sandbox):
    """The backend `apptainer`."""

    name = "apptainer"
    isolation: Literal["namespaces", "none"] = "namespaces"
    network: Literal["none", "host"] = "none"
    python = "python3"
    can_record = True

    def __init__(self, image: str | None = None) -> None:
        """Use `image`, a `.sif` file or a directory, as root file system."""
        self.image = image

    @override
    def check(self) -> None:
        from posttrainbench.sandbox.checks import require_isolation

        if shutil.which("apptainer") is None:
            raise InputError("`apptainer` is missing; install it (https://apptainer.org) or load its module.")
        if self.image is None or not Path(self.image).exists():
            raise InputError(f"The image `{self.image}` does not exist; give `apptainer` a .sif file or a directory.")
        require_isolation(self, "allow unprivileged user namespaces")

    @override
    def locate(self, mount: Mount) -> str:
        return f"/{mount.role}"

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
        program = shutil.which("apptainer")
        if program is None or self.image is None:
            raise InfrastructureError("sandbox_failed", "apptainer or its image is missing.")
        nvidia_devices(gpus)
        recorder = None
        if record is not None:
            recorder = start_recorder(record, mounts, self.python, connects=True, first_filter=seccomp_filter())
            argv, mounts = [*recorder.command, *argv], [*mounts, *recorder.mounts]
        job = Job(
            argv=[program, *apptainer_arguments(self.image, argv, mounts, workdir, gpus)],
            environment=client_environment() | inner_environment(environment, gpus),
            workdir=None,
            tree="descendants",
            held=[recorder.channel] if recorder is not None else [],
            deadline=deadline,
        )
        process = recorder.process if recorder is not None else None
        return supervise(job, confine(limits), mounts, limits.disk, process)


def apptainer_arguments(
    image: str, argv: list[str], mounts: list[Mount], workdir: str, gpus: Sequence[int]
) -> list[str]:
    """Return the arguments of `apptainer`.

    Raises:
        InputError: a path contains a character that `--bind` does not support.
    """
    arguments = ["--silent", "exec", *OPTIONS, *(["--nv"] if gpus else [])]
    for mount in mounts:
        if any(character in f"{mount.source}{mount.role}" for character in FORBIDDEN_CHARACTERS):
            raise InputError(f"apptainer cannot mount {mount.source}: the path contains a colon or a comma.")
        arguments += ["--bind", f"{mount.source}:/{mount.role}:{'rw' if mount.writable else 'ro'}"]
    return [*arguments, "--pwd", workdir, image, *argv]


def inner_environment(environment: dict[str, str], gpus: Sequence[int]) -> dict[str, str]:
    """Return the variables that set the command's environment; arguments would be visible to all users."""
    visible = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, gpus))} if gpus else {}
    return {f"APPTAINERENV_{name}": value for name, value in (visible | environment).items()}


def client_environment() -> dict[str, str]:
    """Return the host's variables that Apptainer itself needs."""
    return {name: os.environ[name] for name in CLIENT_VARIABLES if name in os.environ}
