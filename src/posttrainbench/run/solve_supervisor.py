"""Run the solve stage in a detached process that survives the orchestrator and can be re-attached.

The process (`solve_process`) owns the sandbox, the recorder and the gateway, so the agent keeps running if the
orchestrator is killed, and ends at its deadline as usual. It writes its status to `process.jsonl` and holds a lock on
that file while it runs. If the process itself is killed, the sandbox ends too, and the stage starts over.
"""

import errno
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import read_jsonl
from posttrainbench.records import SolveNote
from posttrainbench.run.directory import Run, last_output_line
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.recorder import clock

NOTES = "process.jsonl"
LOG = "process.log"
STOP = "stop"
"""File in the stage's directory that makes the agent end early; see `stop`."""
POLL_SECONDS = 0.1
DISK_FULL_EXIT_CODE = 28
"""Exit code if the disk is so full that not even the status note can be written."""


def solve_in_subprocess(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `solve`, or attach to the process that already runs it in `out`.

    Raises:
        InputError: something that the agent needs is missing, or the agent runs on another machine.
        InfrastructureError: the stage failed, or its process was killed.
        OSError: the disk is full.
        KeyboardInterrupt: the user left the agent running, or a signal stopped the process that runs it.
    """
    notes = out / NOTES
    started = None
    if not notes.exists():
        from posttrainbench.run.preflight import require_ready  # slow to import, and listing runs needs this module

        require_ready(run)
        started = _start(run, out)
    if started is None and is_alive(out):
        _require_here(out)
        listener.on_message("attaching to the running agent")
    while True:
        try:
            _follow(run, out, started, listener)
            break
        except KeyboardInterrupt:
            choice = listener.on_interrupt()
            if choice == "detach":
                raise
            if choice == "stop":
                (out / STOP).touch()
                listener.on_message("stopping the agent")
    end = exit_note(out)
    if end is None:
        code = None if started is None else started.returncode
        if code == DISK_FULL_EXIT_CODE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        why = "" if code is None else f" by signal {-code}" if code < 0 else f" with code {code}"
        raise InfrastructureError("solve_killed", f"The process that supervises the agent was ended{why}.")
    if end.end == "failed":
        raise InfrastructureError(end.cause, end.text)
    if end.end == "refused":
        raise InputError(end.text)
    if end.end == "interrupted":
        raise KeyboardInterrupt


def is_resumable(out: Path) -> bool:
    """Return True if a process runs the stage, or finished it after its orchestrator had died."""
    if not (out / NOTES).exists():
        return False
    end = exit_note(out)
    return is_alive(out) if end is None else end.end == "done"


def is_alive(out: Path) -> bool:
    """Return True if the solve process is running, which means that it holds its lock."""
    with (out / NOTES).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def exit_note(out: Path) -> SolveNote | None:
    """Return the last note of the solve process; None if it is running or was killed."""
    return next((note for note in _notes(out) if note.kind == "end"), None)


def _notes(out: Path) -> list[SolveNote]:
    return [SolveNote.model_validate(note) for note in read_jsonl(out / NOTES)]


def _start(run: Run, out: Path) -> "subprocess.Popen[bytes]":
    """Start the process. It inherits the lock, so it never runs without holding it."""
    with (out / NOTES).open("ab") as notes, (out / LOG).open("ab") as log:
        fcntl.flock(notes, fcntl.LOCK_EX)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "posttrainbench.run.solve_process", str(run.root), str(notes.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[notes.fileno()],
            start_new_session=True,  # Ctrl-C and the end of a terminal reach only the orchestrator
        )


def _follow(run: Run, out: Path, started: "subprocess.Popen[bytes] | None", listener: ProgressListener) -> None:
    """Report progress until the process has ended."""
    reported, line = 0, ""
    while started.poll() is None if started is not None else is_alive(out):
        messages = [note.text for note in _notes(out) if note.kind == "say"]
        for text in messages[reported:]:
            listener.on_message(text)
        reported = len(messages)
        if (newest := last_output_line(run)) != line:
            listener.on_agent_output(line := newest)
        if (out / "deadline").exists():
            listener.on_time_left(max(0.0, float((out / "deadline").read_text() or 0) - clock()))
        time.sleep(POLL_SECONDS)


def _require_here(out: Path) -> None:
    note = _start_note(out)
    if note is not None and not _is_here(note):
        raise InputError(f"The run's agent is running on another machine, {note.text}; run `ptb resume` there.")


def runs_here(out: Path) -> bool:
    """Return True if the solve process was started on this machine since it booted."""
    note = _start_note(out)
    return note is not None and _is_here(note)


def _is_here(note: SolveNote) -> bool:
    return note.boot == boot_id() and start_ticks(note.pid) == note.ticks


def _start_note(out: Path) -> SolveNote | None:
    return next((note for note in _notes(out) if note.kind == "start"), None)


def boot_id() -> str:
    """Return the kernel's id of the current boot of this machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """Return the start time of a process, in clock ticks since boot; None if it does not exist."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None
