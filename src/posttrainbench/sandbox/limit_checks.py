"""Check by real attempts that a sandbox enforces its limits and its deadline and that other users are kept out.

Used by `ptb sandbox check`.
"""

import os
import subprocess
import tempfile
import time
from pathlib import Path

from posttrainbench.files import close_to_others
from posttrainbench.sandbox.base import Limits, Mount, Report, Sandbox
from posttrainbench.sandbox.checks import AttemptResult
from posttrainbench.sandbox.disk import disk_usage
from posttrainbench.sandbox.supervisor import GRACE_SECONDS, clock

MEMORY_BYTES = 128 * 2**20
DISK_BYTES = 32 * 2**20
PROCESSES = 64
DEADLINE_SECONDS = 1.5
NOBODY = 65534
"""User and group id without rights."""

FORK = """
import os, time
made = 0
try:
    while made < {count}:
        if os.fork() == 0:
            time.sleep(60)
        made += 1
except OSError:
    time.sleep(1)
print(made)
"""
ALLOCATE = """
held = []
for _ in range({count}):
    held.append(bytes([1]) * 2**20)
print(len(held))
"""
FILL = """
import time
with open("file", "wb") as file:
    for _ in range({count}):
        file.write(bytes(2**20))
        file.flush()
        time.sleep(0.002)
print({count})
"""
SHARE = """
import os
open("shared", "w").close()
os.chmod("shared", 0o666)
os.chmod(".", 0o777)
"""
OUTLIVE = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(60)
    os._exit(0)
print("up", flush=True)
time.sleep(60)
"""


def check_limits(sandbox: Sandbox) -> list[AttemptResult]:
    """Try to exceed each limit and the deadline, and to let other users in, and return the results."""
    return [_processes(sandbox), _memory(sandbox), _disk(sandbox), _deadline(sandbox), _other_users(sandbox)]


def _processes(sandbox: Sandbox) -> AttemptResult:
    made, report, _ = _run(sandbox, FORK.format(count=3 * PROCESSES), Limits(processes=PROCESSES))
    blocked = made.isdecimal() and int(made) < PROCESSES
    return AttemptResult(
        f"start more than {PROCESSES} processes",
        blocked,
        f"{made or 'no'} processes started, {_enforcement(report, 'processes')}",
    )


def _memory(sandbox: Sandbox) -> AttemptResult:
    count = 4 * MEMORY_BYTES // 2**20
    got, report, _ = _run(sandbox, ALLOCATE.format(count=count), Limits(memory=MEMORY_BYTES))
    return AttemptResult(
        f"use more than {MEMORY_BYTES >> 20} MiB of memory", got != str(count), _enforcement(report, "memory")
    )


def _disk(sandbox: Sandbox) -> AttemptResult:
    count = 40 * DISK_BYTES // 2**20
    wrote, report, used = _run(sandbox, FILL.format(count=count), Limits(disk=DISK_BYTES))
    detail = f"ended at {used >> 20} MiB, {_enforcement(report, 'disk')}"
    return AttemptResult(f"write more than {DISK_BYTES >> 20} MiB to disk", wrote != str(count), detail)


def _deadline(sandbox: Sandbox) -> AttemptResult:
    began = time.monotonic()
    _, report, _ = _run(sandbox, OUTLIVE, Limits(), clock() + DEADLINE_SECONDS)
    late = time.monotonic() - began - DEADLINE_SECONDS
    blocked = report is not None and report.ended_by == "deadline"
    detail = f"all dead {late:.1f} s after the deadline, including {GRACE_SECONDS:g} s grace period"
    return AttemptResult("outlive the deadline", blocked, detail)


def _other_users(sandbox: Sandbox) -> AttemptResult:
    """Let the agent open its files to everybody, and then write to one as another user, which only root can do."""
    with tempfile.TemporaryDirectory(prefix="ptb-check-") as folder:
        Path(folder).chmod(0o755)
        run = Path(folder, "run")
        workspace = Mount("workspace", run / "workspace", writable=True)
        workspace.source.mkdir(parents=True)
        close_to_others(run)
        _output(sandbox, SHARE, workspace, Limits())
        shared = workspace.source / "shared"
        made = shared.is_file() and shared.stat().st_mode & 0o006 == 0o006
        detail = "the directory of the run is closed to them" if made else "the sandbox keeps the files closed"
        if os.geteuid() == 0:
            write = ["/bin/sh", "-c", ': >> "$1"', "sh", str(shared)]
            tried = subprocess.run(write, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, check=False)
            blocked = tried.returncode != 0
        else:
            blocked = run.stat().st_mode & 0o077 == 0
            detail += ", not tried as another user"
        return AttemptResult("let other users of this machine write its files", blocked, detail if blocked else "done")


def _run(sandbox: Sandbox, code: str, limits: Limits, deadline: float | None = None) -> tuple[str, Report | None, int]:
    """Run Python code in a sandbox. Return its output, its report and the bytes in its workspace."""
    with tempfile.TemporaryDirectory(prefix="ptb-check-") as folder:
        workspace = Mount("workspace", Path(folder, "workspace"), writable=True)
        workspace.source.mkdir()
        out, report = _output(sandbox, code, workspace, limits, deadline)
        return out, report, disk_usage([workspace.source])


def _output(
    sandbox: Sandbox, code: str, workspace: Mount, limits: Limits, deadline: float | None = None
) -> tuple[str, Report | None]:
    """Run Python code in a sandbox, in a workspace. Return its output and its report."""
    process = sandbox.start(
        [sandbox.python, "-I", "-S", "-c", code],
        [workspace],
        {"PATH": "/usr/bin:/bin"},
        sandbox.locate(workspace),
        limits=limits,
        deadline=deadline,
    )
    try:
        out, _ = process.popen.communicate()
    finally:
        process.kill(0)
    return out.decode(errors="replace").strip(), process.report()


def _enforcement(report: Report | None, limit: str) -> str:
    if report is None:
        return "the supervisor was killed"
    return f"enforced by: {report.enforcement.get(limit, 'none')}, reported as: {report.limit or 'nothing'}"
