"""The default backend: unprivileged Linux namespaces, created by bubblewrap.

Covers: its own user, pid, mount, ipc, uts, cgroup and network namespaces (no network, not even the host's loopback); a
root file system with only `/usr`, a few files of `/etc` and this Python environment (all read-only), or the directories
of an image, plus the mounts of the run; no capabilities, no nested user namespaces, no access to the user's keyrings, a
`/proc` that is read-only except for processes, a seccomp filter (`seccomp.py`), an empty environment; device files of
only the requested GPUs; limits, by control groups if these are writable, else see `Report.enforcement`; the whole tree
ends with the orchestrator and at the deadline. Unless it is a mount, `/tmp` is in memory and limited in size.

Does not cover: kernel bugs.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from typing_extensions import override

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.sandbox.base import NO_LIMITS, Limits, Mount, Sandbox
from posttrainbench.sandbox.client import SupervisedProcess, confine, supervise
from posttrainbench.sandbox.gpu import driver_files, gpu_sysfs_paths, nvidia_devices
from posttrainbench.sandbox.host import host_binds, host_links, kernel_files, python_binds
from posttrainbench.sandbox.job import Job, in_memory
from posttrainbench.sandbox.provenance.launch import start_recorder
from posttrainbench.sandbox.seccomp import seccomp_filter

ISOLATION = """
    --unshare-all --unshare-user --uid 1000 --gid 1000 --cap-drop ALL --disable-userns
    --die-with-parent --new-session --clearenv --hostname sandbox
""".split()
INSTALL = "install it (Debian and Ubuntu: `apt install bubblewrap`; Fedora: `dnf install bubblewrap`)"
SANDBOX_DIRS = {"proc", "dev", "sys", "tmp", "run"}
"""Directories of an image that are ignored, because the sandbox creates its own."""
DRIVER = Path("/run/nvidia")
TEMPORARY_BYTES = 2**30
"""Size of `/tmp` if it is not a mount."""


class Bubblewrap(Sandbox):
    """The backend `bubblewrap`."""

    name = "bubblewrap"
    isolation: Literal["namespaces", "none"] = "namespaces"
    network: Literal["none", "host"] = "none"
    can_record = True

    def __init__(self, image: str | None = None) -> None:
        """Use the host's programs as root file system, or the directory `image` if given."""
        self.image = Path(image).absolute() if image is not None else None
        self.python = sys.executable if image is None else "python3"

    @override
    def check(self) -> None:
        from posttrainbench.sandbox.checks import require_isolation

        if shutil.which("bwrap") is None:
            raise InputError(
                f"bubblewrap (`bwrap`) is missing; {INSTALL}, or run without isolation: --insecure-no-sandbox."
            )
        if self.image is not None and not self.image.is_dir():
            raise InputError(
                f"The image {self.image} is not a directory; unpack it, since `bubblewrap` uses it as root."
            )
        require_isolation(
            self,
            "install version 0.8 or newer and allow user namespaces (`sysctl "
            "kernel.unprivileged_userns_clone=1`, on Ubuntu also `kernel.apparmor_restrict_unprivileged_userns=0`)",
        )

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
        bwrap = shutil.which("bwrap")
        if bwrap is None:
            raise InfrastructureError("sandbox_failed", f"bubblewrap (`bwrap`) is missing; {INSTALL}.")
        options = bubblewrap_options(mounts, environment, workdir, nvidia_devices(gpus), self.image)
        recorder = start_recorder(record, mounts, self.python) if record is not None else None
        confinement = confine(limits)
        if limits.processes is not None and confinement.enforcement["processes"] == "none" and os.geteuid() != 0:
            # The kernel counts within the user namespace; it does not limit root's processes.
            argv = ["/usr/bin/prlimit", f"--nproc={limits.processes}", "--", *argv]
            confinement.enforcement["processes"] = "rlimit"
        info, status = os.pipe()
        inherited = [status]
        if recorder is not None:
            argv = [*recorder.command, *argv]
            inherited.append(recorder.channel)
        if (program := seccomp_filter()) is not None:
            inherited.append(in_memory(program))
            options += ["--seccomp", str(inherited[-1])]
        # The sandbox can read bubblewrap's environment and arguments in /proc/1. So the environment is empty, and the
        # options, which contain host paths, are passed through a descriptor.
        options_fd = in_memory(b"".join(option.encode() + b"\0" for option in options))
        job = Job(
            argv=[bwrap, "--args", str(options_fd), "--json-status-fd", str(status), "--", *argv],
            environment={},
            workdir=None,
            tree="namespace",
            info_fd=info,
            inherited=[*inherited, options_fd],
            deadline=deadline,
        )
        return supervise(job, confinement, mounts, limits.disk, recorder.process if recorder is not None else None)


def bubblewrap_options(
    mounts: list[Mount], environment: dict[str, str], workdir: str, devices: list[Path], image: Path | None = None
) -> list[str]:
    """Return bubblewrap's options without the command.

    Args:
        mounts: see `Sandbox.start`.
        environment: see `Sandbox.start`.
        workdir: see `Sandbox.start`.
        devices: device files to expose.
        image: directory to use as root file system; None for the host's programs.
    """
    options = [*ISOLATION, *(_host_options() if image is None else _image_options(image)), "--proc", "/proc"]
    for path in kernel_files():
        options += ["--ro-bind", str(path), str(path)]
    options += ["--dev", "/dev"]
    options += ["--size", str(TEMPORARY_BYTES), "--tmpfs", "/tmp"]  # noqa: S108  (the sandbox's own)
    if devices:
        for path in devices:
            options += ["--dev-bind", str(path), f"/dev/{path.name}"]
        for path in gpu_sysfs_paths():
            options += ["--ro-bind", str(path), str(path)]
        if image is not None:
            for path in driver_files():
                options += ["--ro-bind", str(path), str(DRIVER / path.name)]
            environment = environment | {
                "LD_LIBRARY_PATH": ":".join(filter(None, [str(DRIVER), environment.get("LD_LIBRARY_PATH")]))
            }
    for mount in mounts:
        options += ["--bind" if mount.writable else "--ro-bind", str(mount.source), f"/{mount.role}"]
    if image is None:
        for prefix in python_binds():  # last, since the prefix may be below a mount such as /tmp
            options += ["--ro-bind", str(prefix), str(prefix)]
    for name, value in environment.items():
        options += ["--setenv", name, value]
    return [*options, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", workdir]


def _host_options() -> list[str]:
    """Return options that mount the host's programs and libraries."""
    options = []
    for path in host_binds():
        options += ["--ro-bind", str(path), str(path)]
    for link, target in host_links().items():
        options += ["--symlink", target, link]
    return options


def _image_options(image: Path) -> list[str]:
    """Return options that mount an image's directories one by one: a read-only root could not contain mount points."""
    options = []
    for path in sorted(image.iterdir()):
        if path.is_symlink():
            options += ["--symlink", str(path.readlink()), f"/{path.name}"]
        elif path.name not in SANDBOX_DIRS:
            options += ["--ro-bind", str(path), f"/{path.name}"]
    return options
