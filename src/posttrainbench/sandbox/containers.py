"""Containers of `podman` and `docker`, which share the command-line options used here.

Covers: its own pid, mount, ipc, uts, cgroup and network namespaces (no network); a read-only root file system from the
image, or from the host's `/usr` and this Python environment, and the mounts of the run; no capabilities,
`no_new_privs`, the engine's seccomp filter and our own (`seccomp.py`); a user id that is unused on the host and owns
the writable mounts, or the caller's if the caller is not root; limits on memory, processes and CPU by the engine; only
the requested GPUs; the tree ends with the orchestrator and at the deadline, even if the supervisor is killed, since the
container's first process exits then.

Does not cover: kernel bugs; access of other users to docker's daemon, which amounts to root; proxies that docker's own
configuration sets in all containers; file systems mounted below a read-only mount, which docker before 25 leaves
writable; a daemon on another machine, whose files and clock differ.
"""

import csv
import hashlib
import io
import os
import resource
import secrets
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from typing_extensions import override

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.sandbox import init
from posttrainbench.sandbox.base import NO_LIMITS, Enforcement, Limits, Mount, Sandbox
from posttrainbench.sandbox.cgroup import Cgroup
from posttrainbench.sandbox.client import Confinement, SupervisedProcess, supervise
from posttrainbench.sandbox.host import host_binds, host_links, python_binds
from posttrainbench.sandbox.job import Job, in_memory
from posttrainbench.sandbox.provenance.launch import start_recorder
from posttrainbench.sandbox.seccomp import seccomp_filter

UNUSED_UID = 1_900_000_000
"""User id in a container that root starts: above all ids that systems and subordinate ranges assign."""
CLIENT_VARIABLES = (
    "PATH",
    "HOME",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "TMPDIR",
    "DBUS_SESSION_BUS_ADDRESS",
)
"""Environment variables that an engine's client needs, besides its own `DOCKER_...` and `CONTAINER...`."""
INIT = "run/ptb/init.py"
ETC = Path(__file__).with_name("container_etc")
"""Files that replace those that an engine copies from the host: its name servers and the names of its network."""
OPTIONS = """
    --interactive --pull never --network none --read-only --cap-drop ALL --security-opt no-new-privileges
    --cgroupns private --hostname sandbox --log-driver none --ulimit core=0
""".split()
FOLDERS = ("dev", "etc", "proc", "run", "sys", "tmp", "usr", "var")
TEMPORARY = "/tmp:rw,exec,nosuid,nodev,mode=1777,size=1g"  # noqa: S108  (the sandbox's own)
"""`/tmp`, in memory, if it is not a mount."""
CDI_DIRS = ("/etc/cdi", "/var/run/cdi")
INSTALL = {"podman": "`apt install podman`", "docker": "`apt install docker.io`, and start its daemon"}


class ContainerEngine(Sandbox):
    """Base class of the backends `podman` and `docker`."""

    name: str
    isolation: Literal["namespaces", "none"] = "namespaces"
    network: Literal["none", "host"] = "none"
    can_record = True

    def __init__(self, image: str | None = None) -> None:
        """Use `image` as root file system, or the host's programs in an otherwise empty one."""
        self.image = image
        self.python = sys.executable if image is None else "python3"

    @override
    def check(self) -> None:
        from posttrainbench.sandbox.checks import require_isolation

        if shutil.which(self.name) is None:
            raise InputError(f"`{self.name}` is not installed; on Debian and Ubuntu: {INSTALL[self.name]}.")
        if self.image is not None and self._run_engine("image", "inspect", "--format", "{{.Id}}", self.image) is None:
            raise InputError(
                f"{self.name} cannot find the image `{self.image}`; pull or build it, and check that {self.name} works."
            )
        require_isolation(self, f"check that `{self.name} info` reports no error")

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
        if multiline := [name for name, value in environment.items() if "\n" in value]:
            raise InputError(f"{self.name} does not support multi-line environment variables such as {multiline[0]}.")
        if gpus and self.image is None:
            raise InputError(f"{self.name} needs an image to expose GPUs: it mounts the driver's files into the image.")
        devices = self.gpu_options(gpus)
        image = self.image or self._host_image()
        variables = in_memory("".join(f"{name}={value}\n" for name, value in environment.items()).encode())
        name = f"ptb-{secrets.token_hex(8)}"
        user = give_ownership(mounts)
        recorder = None
        if record is not None:
            other = (UNUSED_UID, UNUSED_UID) if os.geteuid() == 0 else None
            recorder = start_recorder(record, mounts, self.python, connects=True, user=other)
            argv, mounts = [*recorder.command, *argv], [*mounts, *recorder.mounts]
        command = [*self.client(), "create", "--name", name, *OPTIONS, *self.engine_options(), *devices]
        command += ["--env-file", f"/proc/self/fd/{variables}", "--user", user, "--workdir", workdir]
        command += [*limit_options(limits), *mount_options(self.binds(mounts)), "--entrypoint", self.python, image]
        until = "none" if deadline is None else f"{deadline:.3f}"
        command += ["-I", "-S", f"/{INIT}", until, (seccomp_filter() or b"").hex(), *argv]
        job = Job(
            argv=command,
            environment=client_environment(),
            workdir=None,
            tree="container",
            inherited=[variables],
            held=[recorder.channel] if recorder is not None else [],
            engine=self.client(),
            container=name,
            deadline=deadline,
        )
        fields = ("memory", "processes", "cpus")
        enforcement: dict[str, Enforcement] = {name: "engine" for name in fields if getattr(limits, name) is not None}
        process = recorder.process if recorder is not None else None
        return supervise(job, Confinement(Cgroup({}), {}, enforcement), mounts, limits.disk, process)

    def client(self) -> list[str]:
        """Return the command line of the engine."""
        return [shutil.which(self.name) or self.name]

    def engine_options(self) -> list[str]:
        """Return options that only this engine needs."""
        return []

    def gpu_options(self, gpus: Sequence[int]) -> list[str]:
        """Return options that expose GPUs."""
        raise NotImplementedError

    def binds(self, mounts: list[Mount]) -> list[tuple[Path, str, bool]]:
        """Return all bind mounts: source, path inside, writable. Those that may be below another mount come last."""
        binds = [(mount.source, f"/{mount.role}", mount.writable) for mount in mounts]
        binds.append((Path(init.__file__), f"/{INIT}", False))
        binds += [(path, f"/etc/{path.name}", False) for path in sorted(ETC.iterdir())]
        if self.image is not None:
            return binds
        system = [(path, str(path), False) for path in host_binds()]
        return [*system, *binds, *((path, str(path), False) for path in python_binds())]

    def _host_image(self) -> str:
        """Return the name of an image without programs, into which the host's are mounted; create it if necessary."""
        content = empty_root_tar()
        name = f"posttrainbench-host:{hashlib.sha256(content).hexdigest()[:16]}"
        if self._run_engine("image", "inspect", "--format", "{{.Id}}", name) is None:
            result = subprocess.run(
                [*self.client(), "import", "-", name],
                input=content,
                capture_output=True,
                env=client_environment(),
                check=False,
            )
            if result.returncode != 0:
                reason = " ".join(result.stderr.decode(errors="replace").split())[-500:]
                raise InfrastructureError("sandbox_failed", f"{self.name} could not create an image: {reason}")
        return name

    def _run_engine(self, *args: str) -> str | None:
        """Return the engine's output; None if it fails."""
        try:
            result = subprocess.run(
                [*self.client(), *args],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                env=client_environment(),
                check=False,
            )
        except OSError:
            return None
        return result.stdout if result.returncode == 0 else None


class Podman(ContainerEngine):
    """The backend `podman`."""

    name = "podman"

    @override
    def engine_options(self) -> list[str]:
        options = ["--http-proxy=false", "--read-only-tmpfs=false"]  # no proxies of the host, no writable tmpfs mounts
        # Podman's default limits exceed what a caller without CAP_SYS_RESOURCE can set; for processes it is pid_max.
        pid_max = int(Path("/proc/sys/kernel/pid_max").read_text())
        for name, number, bound in (
            ("nofile", resource.RLIMIT_NOFILE, 2**20),
            ("nproc", resource.RLIMIT_NPROC, pid_max),
        ):
            hard = resource.getrlimit(number)[1]
            value = bound if hard == resource.RLIM_INFINITY else min(hard, bound)
            options += ["--ulimit", f"{name}={value}:{value}"]
        return options if os.geteuid() == 0 else [*options, "--userns", "keep-id"]

    @override
    def gpu_options(self, gpus: Sequence[int]) -> list[str]:
        cdi_files = [path for folder in CDI_DIRS for path in Path(folder).glob("*") if "nvidia" in path.name]
        if gpus and not cdi_files:
            raise InputError(
                "podman cannot find this machine's GPUs; run `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
                " as root (NVIDIA Container Toolkit)."
            )
        return [option for index in sorted(set(gpus)) for option in ("--device", f"nvidia.com/gpu={index}")]


class Docker(ContainerEngine):
    """The backend `docker`."""

    name = "docker"

    @override
    def gpu_options(self, gpus: Sequence[int]) -> list[str]:
        return ["--gpus", f'"device={",".join(map(str, sorted(set(gpus))))}"'] if gpus else []


def give_ownership(mounts: list[Mount]) -> str:
    """Return `UID:GID` of the container's processes; if the caller is root, give it the writable mounts."""
    if os.geteuid() != 0:
        return f"{os.geteuid()}:{os.getegid()}"
    for mount in mounts:
        if mount.writable:
            os.chown(mount.source, UNUSED_UID, UNUSED_UID, follow_symlinks=False)
            for folder, folders, names in os.walk(mount.source):
                for name in [*folders, *names]:
                    os.chown(Path(folder, name), UNUSED_UID, UNUSED_UID, follow_symlinks=False)
    return f"{UNUSED_UID}:{UNUSED_UID}"


def limit_options(limits: Limits) -> list[str]:
    """Return the engine's options for limits."""
    options = []
    if limits.memory is not None:
        options += ["--memory", str(limits.memory), "--memory-swap", str(limits.memory)]
    options += ["--pids-limit", str(-1 if limits.processes is None else limits.processes)]
    if limits.cpus is not None:
        options += ["--cpus", f"{limits.cpus:g}"]
    return options


def mount_options(binds: list[tuple[Path, str, bool]]) -> list[str]:
    """Return the engine's options for bind mounts, quoted as CSV so that any file name works."""
    options = []
    for source, target, writable in binds:
        line = io.StringIO()
        fields = ["type=bind", f"source={source}", f"target={target}", *([] if writable else ["readonly"])]
        csv.writer(line, lineterminator="").writerow(fields)
        options += ["--mount", line.getvalue()]
    if not any(target == "/tmp" for _, target, _ in binds):  # noqa: S108  (the sandbox's own)
        options += ["--tmpfs", TEMPORARY]
    return options


def empty_root_tar() -> bytes:
    """Return a tar archive of a root file system with only directories and links; the bytes are deterministic."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in FOLDERS:
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
        for path, target in sorted(host_links().items()):
            link = tarfile.TarInfo(path.lstrip("/"))
            link.type, link.linkname = tarfile.SYMTYPE, target
            archive.addfile(link)
    return buffer.getvalue()


def client_environment() -> dict[str, str]:
    """Return the environment of an engine's client. It never contains the user's keys."""
    prefixes = ("DOCKER_", "CONTAINER")
    return {name: value for name, value in os.environ.items() if name in CLIENT_VARIABLES or name.startswith(prefixes)}
