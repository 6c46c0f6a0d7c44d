"""The orchestrator's side of a supervised command; all backends start their commands here."""

import contextlib
import fcntl
import json
import os
import resource
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from typing import Any

import psutil
from typing_extensions import override

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.base import Enforcement, Limits, Mount, Report, SandboxProcess, Stats
from posttrainbench.sandbox.cgroup import Cgroup, create_cgroup
from posttrainbench.sandbox.job import Job, write_job
from posttrainbench.sandbox.process_tree import tree_members

RECORDER_SECONDS = 60.0
"""Time for the provenance recorder to finish its record after the last process has ended."""
PIPE_BYTES = 2**20
"""Buffer of each output pipe; large, since a command that writes without blocking loses output that does not fit."""


class SupervisedProcess(SandboxProcess):
    """A command that runs under `posttrainbench.sandbox.supervisor`.

    Attributes:
        popen: the supervisor, which has the command's streams and exit code.
        recorder: the process that records file provenance, if any; it ends after the tree.
        enforcement: see `Report.enforcement`.
    """

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        control: int,
        status: int,
        job: Job,
        enforcement: dict[str, Enforcement],
        recorder: subprocess.Popen[bytes] | None = None,
    ) -> None:
        self.popen = popen
        self.recorder = recorder
        self.enforcement = enforcement
        self._overdue = False
        self._control: int | None = control
        self._status = status
        self._cgroup = Cgroup(job.cgroups)
        self._messages: list[dict[str, Any]] = []
        self._partial_line = b""
        self._status_open = True
        self._lock = threading.Lock()
        os.set_blocking(status, False)

    def kill(self, grace: float) -> None:
        """End the tree: write the grace period to the control pipe and close it."""
        with self._lock:
            control, self._control = self._control, None
        if control is not None:
            with contextlib.suppress(BrokenPipeError):  # the supervisor has exited, and the tree with it
                os.write(control, f"{grace}\n".encode())
            os.close(control)
        self._wait()

    @override
    def report(self) -> Report | None:
        self._wait()
        for message in self._read_messages():
            if "ended_by" in message:
                return Report(**message, enforcement=self.enforcement)
        return None

    @override
    def members(self) -> list[psutil.Process]:
        root = self._root()
        return tree_members(root) if root is not None else []

    @override
    def stats(self) -> Stats:
        root = self._root()
        if root is None:
            return Stats(0, 0, 0.0)
        processes, memory, seconds = 0, 0, 0.0
        with contextlib.suppress(psutil.NoSuchProcess):
            seconds += sum(root.cpu_times()[2:4])  # of reaped children; the root itself is not part of the tree
            for process in tree_members(root):
                with contextlib.suppress(psutil.Error), process.oneshot():
                    seconds += sum(process.cpu_times()[:4])
                    memory += process.memory_info().rss
                    processes += 1
        return Stats(processes, memory, seconds)

    @override
    def recorder_died(self) -> bool:
        return self.recorder is not None and not self._overdue and self.recorder.poll() not in (None, 0)

    def _root(self) -> psutil.Process | None:
        """Return the ancestor of all processes of the tree, or None if there is none."""
        pid = next((message["pid"] for message in self._read_messages() if "pid" in message), None)
        if self.popen.poll() is not None or pid is None:
            return None
        try:
            return psutil.Process(pid)
        except psutil.NoSuchProcess:
            return None

    def _wait(self) -> None:
        self.popen.wait()
        if not any("ended_by" in message for message in self._read_messages()):  # the supervisor itself was killed
            self._cgroup.kill()
            self._cgroup.remove()
        if self.recorder is not None:
            try:
                self.recorder.wait(RECORDER_SECONDS)
            except subprocess.TimeoutExpired:
                self._overdue = True
                self.recorder.kill()  # the record then has no end, which readers notice
                self.recorder.wait()

    def _read_messages(self) -> list[dict[str, Any]]:
        """Return all messages of the supervisor so far."""
        with self._lock:
            while self._status_open:
                try:
                    chunk = os.read(self._status, 4096)
                except BlockingIOError:
                    break
                if not chunk:
                    os.close(self._status)
                    self._status_open = False
                self._partial_line += chunk
            *lines, self._partial_line = self._partial_line.split(b"\n")
            self._messages += [json.loads(line) for line in lines]
            return self._messages


@dataclass(frozen=True)
class Confinement:
    """The control groups and resource limits that enforce limits; `enforcement` as in `Report`."""

    cgroup: Cgroup
    rlimits: dict[int, int]
    enforcement: dict[str, Enforcement]


def confine(limits: Limits) -> Confinement:
    """Enforce limits with control groups if they are writable; otherwise limit the memory of each process.

    Uses `RLIMIT_DATA`, not `RLIMIT_AS`, because CUDA reserves more address space than any machine has memory.
    """
    cgroup, enforcement = create_cgroup(limits)
    rlimits = {}
    if limits.memory is not None and "memory" not in enforcement:
        rlimits[resource.RLIMIT_DATA] = limits.memory
        enforcement["memory"] = "rlimit"
    for name in ("processes", "cpus"):
        if getattr(limits, name) is not None:
            enforcement.setdefault(name, "none")
    return Confinement(cgroup, rlimits, enforcement)


def supervise(
    job: Job,
    confinement: Confinement,
    mounts: list[Mount],
    disk: int | None,
    recorder: subprocess.Popen[bytes] | None = None,
) -> SupervisedProcess:
    """Start a command under a supervisor.

    Args:
        job: the job without control and status descriptors, groups, rlimits and disk. Its descriptors are closed here.
        confinement: enforcement of the limits.
        mounts: mounts of the sandbox; the writable ones count towards `disk`.
        disk: limit in bytes; None for no limit.
        recorder: see `SupervisedProcess`.

    Raises:
        InfrastructureError: the supervisor could not be started.
    """
    enforcement: dict[str, Enforcement] = {**confinement.enforcement, **({} if disk is None else {"disk": "watch"})}
    control_read, control_write = os.pipe()
    status_read, status_write = os.pipe()
    job = replace(
        job,
        control=control_read,
        status=status_write,
        cgroups=confinement.cgroup.folders,
        rlimits=confinement.rlimits,
        disk=disk,
        disk_paths=[str(mount.source) for mount in mounts if mount.writable],
    )
    job_fd = write_job(job)
    passed = [control_read, status_write, job_fd, *job.inherited, *job.held]
    passed += [job.info_fd] if job.info_fd >= 0 else []
    try:
        popen = subprocess.Popen(
            [sys.executable, "-I", "-m", "posttrainbench.sandbox.supervisor", str(job_fd)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            pass_fds=passed,
            start_new_session=True,  # Ctrl-C reaches only the orchestrator, which then ends the tree
        )
    except OSError as error:
        os.close(control_write)
        os.close(status_read)
        confinement.cgroup.remove()
        raise InfrastructureError("sandbox_failed", f"The sandbox's supervisor did not start: {error}") from None
    finally:
        for descriptor in passed:
            os.close(descriptor)
    for stream in filter(None, (popen.stdout, popen.stderr)):
        with contextlib.suppress(OSError):  # above the user's limit
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return SupervisedProcess(popen, control_write, status_read, job, enforcement, recorder)
