"""Supervise one sandboxed command from outside: `python -m posttrainbench.sandbox.supervisor FD`; FD contains a `Job`.

The supervisor ends the process tree when the command exits; when a grace period (seconds) arrives on the control pipe;
when that pipe closes because the orchestrator died; at the deadline, by the clock that counts suspended time; and when
the tree exceeds its disk limit. It is a separate process, so killing or stopping the orchestrator prevents none of
this. As a child subreaper it also adopts double-forked and setsid descendants.
"""

import contextlib
import ctypes
import json
import os
import platform
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Literal

from posttrainbench.sandbox.disk import DiskWatch
from posttrainbench.sandbox.job import Job, read_job
from posttrainbench.sandbox.process_tree import tree_members
from posttrainbench.sandbox.tree_kinds import ENGINE_SECONDS, TREES, Tree

GRACE_SECONDS = 3.0
"""Seconds between SIGTERM and SIGKILL at the deadline and at the disk limit."""
POLL_SECONDS = 0.2
"""Maximum sleep. Short, because timers do not advance while the machine is suspended."""
DISK_SECONDS = 0.1
PR_SET_CHILD_SUBREAPER = 36
KEYCTL_JOIN_SESSION_KEYRING = 1
KEYCTL = {"x86_64": 250, "aarch64": 219}
"""Number of the system call; the C library has no function for it."""

Reason = Literal["itself", "host", "deadline", "limit"]


def clock() -> float:
    """Return the seconds since boot, including suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def main() -> int:
    """Run the job and return the command's exit code, 128 + N after signal N."""
    job = read_job(int(sys.argv[1]))
    for descriptor in (job.control, job.status, *job.held, *([job.info_fd] if job.info_fd >= 0 else [])):
        os.set_inheritable(descriptor, False)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopped = threading.Event()
    if job.tree != "container":  # a container's monitor belongs to the engine and must outlive the supervisor
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    _join_new_session_keyring()
    tree = TREES[job.tree](job)
    argv = job.argv if job.tree != "container" else _create_container(job)
    child = Child(job, argv) if argv else None
    reason: Reason = "itself"
    if child is not None:
        devnull = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):  # so that the pipes close when the command's processes close them
            os.dup2(devnull, descriptor)
        reason, grace = _watch(job, tree, child, stopped)
        tree.end(grace)
        child.reap()
    report: dict[str, object] = {
        "started": child is not None and tree.started(),
        "ended_by": reason,
        "exit_code": tree.exit_code(child.code) if child is not None and reason == "itself" else None,
        "limit": "disk-full" if reason == "limit" else next(iter(tree.limit_hits()), None),
    }
    tree.clean_up()
    _send(job, report)
    code = report["exit_code"]
    return code if isinstance(code, int) else 1 if child is None else child.code


class Child:
    """The process that the supervisor starts.

    Attributes:
        pid: process id.
        code: exit code, 128 + N after signal N; 0 while the process runs.
        ended: True once the process has been reaped.
    """

    def __init__(self, job: Job, argv: list[str]) -> None:
        gate, gate_write = os.pipe()
        self.code = 0
        self.ended = False
        self.pid = os.fork()
        if self.pid == 0:
            os.close(gate_write)
            _exec(job, argv, gate)
        os.close(gate)
        with contextlib.suppress(ProcessLookupError):
            for folder in set(job.cgroups.values()):
                Path(folder, "cgroup.procs").write_text(str(self.pid))
        os.write(gate_write, b"g")
        os.close(gate_write)
        for descriptor in job.inherited:
            os.close(descriptor)

    def reap(self) -> None:
        """Reap exited processes, including orphans of the tree, which would otherwise fill the process table."""
        with contextlib.suppress(ChildProcessError):
            while (reaped := os.waitpid(-1, os.WNOHANG))[0]:
                if reaped[0] == self.pid:
                    code = os.waitstatus_to_exitcode(reaped[1])
                    self.code = code if code >= 0 else 128 - code
                    self.ended = True


def _exec(job: Job, argv: list[str], gate: int) -> None:
    """In the new process: wait until it has been moved into its control groups, then execute the command."""
    try:
        if not os.read(gate, 1):  # the supervisor is dead
            return
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        for limit, value in job.rlimits.items():
            hard = resource.getrlimit(limit)[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(limit, (value, value))
        for descriptor in job.inherited:
            os.set_inheritable(descriptor, True)
        if job.workdir is not None:
            os.chdir(job.workdir)
        os.execvpe(argv[0], argv, job.environment)  # noqa: S606
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _create_container(job: Job) -> list[str]:
    """Create the container and return the command that starts it; an empty list if the engine failed."""
    try:
        result = subprocess.run(
            job.argv,
            env=job.environment,
            pass_fds=job.inherited,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            timeout=ENGINE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        os.write(2, f"{error}\n".encode())
        return []
    return [*job.engine, "start", "--attach", "--interactive", job.container] if result.returncode == 0 else []


def _watch(job: Job, tree: Tree, child: Child, stopped: threading.Event) -> tuple[Reason, float]:
    """Wait until the tree has to end. Return the reason and the grace period in seconds."""
    disk_full = threading.Event()
    if job.disk is not None:
        threading.Thread(target=_watch_disk, args=(job, tree, disk_full), daemon=True).start()
    pid_sent = False
    poll = select.poll()
    poll.register(job.control, select.POLLIN)
    ended = os.pidfd_open(child.pid)
    poll.register(ended, select.POLLIN)
    while True:
        left = job.deadline - clock() if job.deadline is not None else POLL_SECONDS
        ready = dict(poll.poll(1000 * max(0.0, min(POLL_SECONDS, left))))
        if not pid_sent and (root := tree.root()) is not None:
            _send(job, {"pid": root.pid})
            pid_sent = True
        tree.limit_hits()
        child.reap()
        if child.ended and tree.has_ended():
            return "itself", 0.0
        if ended in ready:
            poll.unregister(ended)
            ended = -1
        if job.control in ready or stopped.is_set():
            return "host", float((os.read(job.control, 64) if job.control in ready else b"") or 0)
        if disk_full.is_set():
            return "limit", GRACE_SECONDS
        if job.deadline is not None and clock() >= job.deadline:
            return "deadline", GRACE_SECONDS


def _watch_disk(job: Job, tree: Tree, disk_full: threading.Event) -> None:
    """Set `disk_full` when the disk limit is exceeded.

    Runs in its own thread, since counting a large directory must not delay the deadline.
    """
    watch = DiskWatch(map(Path, job.disk_paths), job.disk or 0)

    def pids() -> list[int]:
        root = tree.root()
        return [process.pid for process in tree_members(root)] if root is not None else []

    while not disk_full.wait(DISK_SECONDS):
        try:
            if watch.exceeds_limit(pids):
                disk_full.set()
        except OSError:
            continue


def _join_new_session_keyring() -> None:
    """Join a new session keyring, so that children do not inherit the user's keys."""
    number = KEYCTL.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, KEYCTL_JOIN_SESSION_KEYRING, None)


def _send(job: Job, message: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):  # the orchestrator has died
        os.write(job.status, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
