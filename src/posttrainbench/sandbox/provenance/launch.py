"""Start the recorder beside a sandbox, and check whether recording works on this machine."""

import json
import platform
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.sandbox.base import Mount, Sandbox
from posttrainbench.sandbox.host import python_binds
from posttrainbench.sandbox.provenance import shim
from posttrainbench.sandbox.provenance.filter import notification_filter
from posttrainbench.sandbox.provenance.record import NAME
from posttrainbench.sandbox.provenance.syscalls import SECCOMP

WRITABLE = ("/tmp/", "/dev/", "/run/")  # noqa: S108  (the sandbox's own)
"""Starts of paths that every sandbox can write to, beside its mounts."""
CHECK_SECONDS = 30.0
OLDEST_KERNEL = (5, 14)


@dataclass(frozen=True)
class StartedRecorder:
    """A recorder that waits for its sandbox.

    Attributes:
        process: the recorder.
        channel: descriptor that the first process of the sandbox inherits; closed by whoever starts the sandbox.
        command: start of the sandbox's command.
    """

    process: subprocess.Popen[bytes]
    channel: int
    command: list[str]


@dataclass(frozen=True)
class Availability:
    """Availability of recording on this machine.

    Attributes:
        works: True if it can.
        reason: why not, or the facts of the check.
    """

    works: bool
    reason: str


def start_recorder(directory: Path, mounts: Sequence[Mount], python: str) -> StartedRecorder:
    """Start a recorder that writes into `directory`, which is created.

    Args:
        directory: receives `provenance.jsonl` and copies of small files.
        mounts: mounts of the sandbox; all access to files in them is recorded.
        python: Python interpreter inside the sandbox.

    Raises:
        InputError: there is no filter for this processor, or `directory` contains a record.
        InfrastructureError: the recorder did not start.
    """
    program = notification_filter()
    if program is None:
        raise InputError(f"File provenance cannot be recorded on {platform.machine()} processors; turn recording off.")
    if (directory / NAME).exists():
        raise InputError(f"{directory} already contains a record; choose another directory.")
    options = {
        "directory": str(directory),
        "kept": [*WRITABLE, *(f"/{mount.role}" for mount in mounts)],
        "ignored": [f"{path}/" for path in python_binds()] if python == sys.executable else [],
    }
    ours, theirs = socket.socketpair()
    with ours:
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", f"{__package__}.recorder", str(ours.fileno()), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=[ours.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            theirs.close()
            raise InfrastructureError("sandbox_failed", f"The provenance recorder did not start: {error}") from None
    channel = theirs.detach()
    source = Path(shim.__file__).read_text()
    arguments = [str(channel), str(SECCOMP[platform.machine()]), program.hex()]
    return StartedRecorder(process, channel, [python, "-I", "-S", "-c", source, *arguments])


def why_unrecorded(sandbox: Sandbox) -> str:
    """Return why file provenance cannot be recorded, by facts that need no test; empty if it probably can.

    Whether the kernel agrees shows at the start: if it does not, the record says `unavailable`.
    """
    if not sandbox.can_record:
        return f"the backend `{sandbox.name}` cannot do it"
    if notification_filter() is None:
        return f"there is no filter for {platform.machine()} processors"
    release = platform.release()
    numbers = re.match(r"(\d+)\.(\d+)", release)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST_KERNEL:
        return f"the kernel {release} is older than {'.'.join(map(str, OLDEST_KERNEL))}"
    return ""


def recording_available(sandbox: Sandbox) -> Availability:
    """Record one command in a sandbox and return whether that worked."""
    if reason := why_unrecorded(sandbox):
        return Availability(False, reason)
    with tempfile.TemporaryDirectory(prefix="ptb-provenance-") as folder:
        record, workspace = Path(folder, "record"), Path(folder, "workspace")
        workspace.mkdir()
        mount = Mount("workspace", workspace, writable=True)
        try:
            process = sandbox.start(
                ["/bin/sh", "-c", "echo x > file"],
                [mount],
                {"PATH": "/usr/bin:/bin"},
                sandbox.locate(mount),
                record=record,
            )
            try:
                process.popen.communicate(timeout=CHECK_SECONDS)
            finally:
                process.kill(0)
            lines = [json.loads(line) for line in (record / NAME).read_text().splitlines()]
        except (InputError, InfrastructureError, OSError, ValueError, subprocess.TimeoutExpired) as error:
            return Availability(False, one_line(error))
    reasons = [line["reason"] for line in lines if line["op"] == "unavailable"]
    if reasons:
        return Availability(False, reasons[0])
    if not any(line["op"] == "open" and line["path"].endswith("/file") for line in lines):
        return Availability(False, "the record of a test command is incomplete")
    return Availability(True, f"Linux {platform.release()}, {platform.machine()}")
