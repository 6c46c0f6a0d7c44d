"""The orchestrator's side of a supervised command; all backends start theirs through here."""

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

from posttrainbench.errors import InfrastructureError
from posttrainbench.sandbox.base import Enforcement, Limits, Mount, Report, Stats
from posttrainbench.sandbox.cgroup import Cgroup, create
from posttrainbench.sandbox.job import Job, write_job
from posttrainbench.sandbox.tree import tree_members

PIPE_BYTES = 2**20
"""Of output that may wait to be read: a command that writes without blocking drops what does not fit."""


class SupervisedProcess:
    """A command under `posttrainbench.sandbox.supervisor`.

    Attributes:
        popen: the supervisor, with the command's streams and exit code.
        enforcement: see `Report.enforcement`.
    """

    def __init__(
        self, popen: subprocess.Popen[bytes], control: int, status: int, job: Job, enforcement: dict[str, Enforcement]
    ) -> None:
        self.popen = popen
        self.enforcement = enforcement
        self._control: int | None = control
        self._status = status
        self._cgroup = Cgroup(job.cgroups)
        self._said: list[dict[str, Any]] = []
        self._rest = b""
        self._open = True
        self._lock = threading.Lock()
        os.set_blocking(status, False)

    def kill(self, grace: float) -> None:
        """See `SandboxProcess.kill`: closing the control pipe makes the supervisor end the tree."""
        with self._lock:
            control, self._control = self._control, None
        if control is not None:
            with contextlib.suppress(BrokenPipeError):  # it has ended already, and with it the tree
                os.write(control, f"{grace}\n".encode())
            os.close(control)
        self._wait()

    def broke(self) -> bool:
        """See `SandboxProcess.broke`."""
        report = self.report()
        return report is None or not report.started

    def report(self) -> Report | None:
        """See `SandboxProcess.report`."""
        self._wait()
        for said in self._heard():
            if "ended_by" in said:
                return Report(**said, enforcement=self.enforcement)
        return None

    def stats(self) -> Stats:
        """See `SandboxProcess.stats`."""
        pid = next((said["pid"] for said in self._heard() if "pid" in said), None)
        if self.popen.poll() is not None or pid is None:
            return Stats(0, 0, 0.0)
        processes, memory, seconds = 0, 0, 0.0
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(pid)
            seconds += sum(root.cpu_times()[2:4])  # of children that it has taken in; itself it is none of the tree
            for process in tree_members(root):
                with contextlib.suppress(psutil.Error), process.oneshot():
                    seconds += sum(process.cpu_times()[:4])
                    memory += process.memory_info().rss
                    processes += 1
        return Stats(processes, memory, seconds)

    def _wait(self) -> None:
        self.popen.wait()
        if not any("ended_by" in said for said in self._heard()):  # the supervisor itself was killed
            self._cgroup.end()
            self._cgroup.remove()

    def _heard(self) -> list[dict[str, Any]]:
        """All that the supervisor has told so far."""
        with self._lock:
            while self._open:
                try:
                    chunk = os.read(self._status, 4096)
                except BlockingIOError:
                    break
                if not chunk:
                    os.close(self._status)
                    self._open = False
                self._rest += chunk
            *lines, self._rest = self._rest.split(b"\n")
            self._said += [json.loads(line) for line in lines]
            return self._said


@dataclass(frozen=True)
class Confinement:
    """How limits are held: `enforcement` as in `Report`, by these groups and resource limits."""

    cgroup: Cgroup
    rlimits: dict[int, int]
    enforcement: dict[str, Enforcement]


def confine(limits: Limits) -> Confinement:
    """Hold limits by control groups where they can be written; memory else by a limit of each process.

    `RLIMIT_DATA`, not `RLIMIT_AS`: CUDA reserves far more addresses than any machine has memory.
    """
    cgroup, enforcement = create(limits)
    rlimits = {}
    if limits.memory is not None and "memory" not in enforcement:
        rlimits[resource.RLIMIT_DATA] = limits.memory
        enforcement["memory"] = "rlimit"
    for name in ("processes", "cpus"):
        if getattr(limits, name) is not None:
            enforcement.setdefault(name, "none")
    return Confinement(cgroup, rlimits, enforcement)


def supervise(job: Job, confinement: Confinement, mounts: list[Mount], disk: int | None) -> SupervisedProcess:
    """Start a command under a supervisor.

    Args:
        job: all but the descriptors between the two, the groups and the disk; its descriptors are closed.
        confinement: what holds its limits.
        mounts: whose writable ones count as disk.
        disk: bytes that they may hold.

    Raises:
        InfrastructureError: the supervisor could not be started.
    """
    enforcement: dict[str, Enforcement] = {**confinement.enforcement, **({} if disk is None else {"disk": "watch"})}
    control, told = os.pipe()
    heard, status = os.pipe()
    job = replace(
        job,
        control=control,
        status=status,
        cgroups=confinement.cgroup.folders,
        rlimits=confinement.rlimits,
        disk=disk,
        places=[str(mount.source) for mount in mounts if mount.writable],
    )
    plan = write_job(job)
    passed = [control, status, plan, *job.inherited, *([job.told] if job.told >= 0 else [])]
    try:
        popen = subprocess.Popen(
            [sys.executable, "-I", "-m", "posttrainbench.sandbox.supervisor", str(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={},
            cwd="/",
            pass_fds=passed,
            start_new_session=True,  # Ctrl-C reaches the orchestrator alone, which ends the tree in order
        )
    except OSError as error:
        os.close(told)
        os.close(heard)
        confinement.cgroup.remove()
        raise InfrastructureError("sandbox_failed", f"The sandbox's supervisor did not start: {error}") from None
    finally:
        for descriptor in passed:
            os.close(descriptor)
    for stream in filter(None, (popen.stdout, popen.stderr)):
        with contextlib.suppress(OSError):  # over what the user may have
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return SupervisedProcess(popen, told, heard, job, enforcement)
