"""Start the recorder beside a sandbox, and check whether recording works on this machine."""

import json
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
MAX_REASON = 300
"""Characters of a sandbox's message that are shown."""
SOCKET = "run/ptb/recorder.sock"
"""Role of the recorder's socket."""
OLDEST_KERNEL = (5, 14)


@dataclass(frozen=True)
class StartedRecorder:
    """A recorder that waits for its sandbox.

    Attributes:
        process: the recorder.
        channel: descriptor that the first process of the sandbox inherits or, with a socket, that must stay open until
            the sandbox has ended; closed by whoever starts the sandbox.
        command: start of the sandbox's command.
        mounts: the recorder's socket, if it has one.
    """

    process: subprocess.Popen[bytes]
    channel: int
    command: list[str]
    mounts: list[Mount]


@dataclass(frozen=True)
class Availability:
    """Availability of recording on this machine.

    Attributes:
        works: True if it can.
        reason: why not, or the facts of the check.
    """

    works: bool
    reason: str


def start_recorder(
    directory: Path,
    mounts: Sequence[Mount],
    python: str,
    *,
    connects: bool = False,
    user: tuple[int, int] | None = None,
    first_filter: bytes | None = None,
) -> StartedRecorder:
    """Start a recorder that writes into `directory`, which is created.

    Args:
        directory: receives `provenance.jsonl` and copies of small files.
        mounts: mounts of the sandbox; all access to files in them is recorded.
        python: Python interpreter inside the sandbox.
        connects: True if the first program of the sandbox cannot inherit descriptors. It then connects to a socket in a
            directory that only this user can enter, which is removed when it has.
        user: user id and group id of the sandbox's processes on the host; None if they are the caller's.
        first_filter: seccomp filter that the first program of the sandbox installs, if the backend does not.

    Raises:
        InputError: there is no filter for this processor, or `directory` contains a record.
        InfrastructureError: the recorder did not start.
    """
    program = notification_filter()
    if program is None:
        raise InputError(f"File provenance cannot be recorded on {platform.machine()} processors; turn recording off.")
    if (directory / NAME).exists():
        raise InputError(f"{directory} already contains a record; choose another directory.")
    options: dict[str, Any] = {
        "directory": str(directory),
        "kept": [*WRITABLE, *(f"/{mount.role}" for mount in mounts)],
        "ignored": [f"{path}/" for path in python_binds()] if python == sys.executable else [],
    }
    ours, theirs = socket.socketpair()
    with ours, _listening_socket() if connects else nullcontext() as listening:
        address = listening.getsockname() if listening is not None else None
        passed = [ours.fileno(), *([listening.fileno()] if listening is not None else [])]
        options |= {"listening": passed[-1] if listening is not None else None, "socket": address, "user": user}
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-m", str(__package__), str(ours.fileno()), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                pass_fds=passed,
                start_new_session=True,
            )
        except OSError as error:
            theirs.close()
            raise InfrastructureError("sandbox_failed", f"The provenance recorder did not start: {error}") from None
    channel = theirs.detach()
    source = Path(shim.__file__).read_text()
    arguments = [f"/{SOCKET}" if address is not None else str(channel), str(SECCOMP[platform.machine()])]
    arguments += [program.hex(), first_filter.hex() if first_filter is not None else "-"]
    return StartedRecorder(
        process,
        channel,
        [python, "-I", "-S", "-c", source, *arguments],
        [Mount(SOCKET, Path(address))] if address is not None else [],
    )


def _listening_socket() -> socket.socket:
    """Return a listening Unix socket in a directory that only this user can enter.

    Raises:
        InfrastructureError: the directory for temporary files does not support it.
    """
    path = Path(tempfile.mkdtemp(prefix="ptb-recorder-"), "socket")
    listening = socket.socket(socket.AF_UNIX)
    try:
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        path.parent.rmdir()
        text = f"The provenance recorder cannot create the socket {path} ({error}); set TMPDIR to another directory."
        raise InfrastructureError("sandbox_failed", text) from None
    path.chmod(0o666)
    listening.listen(1)
    return listening


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


@contextmanager
def _scratch_directory() -> Iterator[Path]:
    """Create a temporary directory, and afterwards remove of it what this user may remove.

    `tempfile.TemporaryDirectory` recurses until Python gives up if a directory in it cannot be opened.
    """
    folder = Path(tempfile.mkdtemp(prefix="ptb-provenance-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def recording_available(sandbox: Sandbox) -> Availability:
    """Record one command in a sandbox and return whether that worked."""
    if reason := why_unrecorded(sandbox):
        return Availability(False, reason)
    with _scratch_directory() as folder:
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
                _, errors = process.popen.communicate(timeout=CHECK_SECONDS)
            finally:
                process.kill(0)
            if (report := process.report()) is None or not report.started:
                last = errors.decode(errors="replace").strip().rpartition("\n")[2]
                if len(last) > MAX_REASON:  # its end names the cause
                    last = f"... {last[-MAX_REASON:].partition(' ')[2]}"
                return Availability(False, f"the sandbox did not start: {last}")
            lines = [json.loads(line) for line in (record / NAME).read_text().splitlines()]
        except (InputError, InfrastructureError, OSError, ValueError, subprocess.TimeoutExpired) as error:
            return Availability(False, one_line(error))
    reasons = [line["reason"] for line in lines if line["op"] == "unavailable"]
    if reasons:
        return Availability(False, reasons[0])
    written = f"{sandbox.locate(mount)}/file"
    if not any(line["op"] == "open" and line["path"] == written for line in lines):
        return Availability(False, "the record of a test command is incomplete")
    return Availability(True, f"Linux {platform.release()}, {platform.machine()}")
