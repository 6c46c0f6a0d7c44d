"""Has the stage `solve` done by a process of its own, which this one may leave and find again.

The process (`solve_process`) owns the sandbox, the recorder and the gateway, so the agent works on when the
orchestrator is killed, and ends at its deadline like any other. It tells what it does in `process.jsonl`, and holds a
lock on that file as long as it lives. Where it is killed itself, the sandbox ends with it and the stage begins anew.
"""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import read_jsonl
from posttrainbench.records import SolveNote
from posttrainbench.run.directory import Run, last_line
from posttrainbench.run.recorder import clock
from posttrainbench.run.watch import Watch

NOTES = "process.jsonl"
LOG = "process.log"
POLL_SECONDS = 0.1
DISK_FULL = 28
"""Exit code of a process that could not even tell so in its file."""


def solve_apart(run: Run, out: Path, watch: Watch) -> None:
    """The stage `solve`: started where `out` is empty, else gone on with.

    Raises:
        InputError: something that the agent needs is missing, or it is at work on another machine.
        InfrastructureError: the stage failed, or its process was killed.
        OSError: the disk is full.
        KeyboardInterrupt: passed on when the agent's tree has been ended and what it had submitted is kept.
    """
    notes = out / NOTES
    started = None if notes.exists() else _start(run, out)
    if started is None and is_alive(out):
        _require_here(out)
        watch.say("going on with an agent that is at work")
    try:
        _follow(run, out, started, watch)
    except KeyboardInterrupt:
        _interrupt(out, started)
        raise
    end = how_it_ended(out)
    if end is None:
        code = None if started is None else started.returncode
        if code == DISK_FULL:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        why = "" if code is None else f" by signal {-code}" if code < 0 else f" with code {code}"
        raise InfrastructureError("solve_killed", f"The process that looks after the agent was ended{why}.")
    if end.end == "failed":
        raise InfrastructureError(end.cause, end.text)
    if end.end == "refused":
        raise InputError(end.text)
    if end.end == "interrupted":
        raise KeyboardInterrupt


def can_go_on(out: Path) -> bool:
    """Whether a process is at work on the stage, or has finished it since its orchestrator died."""
    if not (out / NOTES).exists():
        return False
    end = how_it_ended(out)
    return is_alive(out) if end is None else end.end == "done"


def is_alive(out: Path) -> bool:
    """Whether the stage's process holds its lock."""
    with (out / NOTES).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def how_it_ended(out: Path) -> SolveNote | None:
    """The process's last word; None as long as it is at work, and where it was killed."""
    return next((note for note in _notes(out) if note.kind == "end"), None)


def _notes(out: Path) -> list[SolveNote]:
    return [SolveNote.model_validate(note) for note in read_jsonl(out / NOTES)]


def _start(run: Run, out: Path) -> "subprocess.Popen[bytes]":
    """Start the process. It inherits the lock, so there is no moment at which it lives without."""
    with (out / NOTES).open("ab") as notes, (out / LOG).open("ab") as log:
        fcntl.flock(notes, fcntl.LOCK_EX)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "posttrainbench.run.solve_process", str(run.root), str(notes.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[notes.fileno()],
            start_new_session=True,  # Ctrl-C and the end of a terminal reach the orchestrator alone
        )


def _follow(run: Run, out: Path, started: "subprocess.Popen[bytes] | None", watch: Watch) -> None:
    """Tell the watcher how it goes, until the process has ended."""
    told, line = 0, ""
    while started.poll() is None if started is not None else is_alive(out):
        says = [note.text for note in _notes(out) if note.kind == "say"]
        for text in says[told:]:
            watch.say(text)
        told = len(says)
        if (newest := last_line(run)) != line:
            watch.agent(line := newest)
        if (out / "deadline").exists():
            watch.left(max(0.0, float((out / "deadline").read_text() or 0) - clock()))
        time.sleep(POLL_SECONDS)


def _interrupt(out: Path, started: "subprocess.Popen[bytes] | None") -> None:
    """Have the process end the agent, and wait until it has."""
    if started is not None:
        started.send_signal(signal.SIGTERM)
        started.wait()
        return
    if (note := _beginning(out)) is not None:
        _terminate(note)
    while is_alive(out):
        time.sleep(POLL_SECONDS)


def _terminate(note: SolveNote) -> None:
    """SIGTERM to the process that wrote the note, and never to another that has got its number since."""
    try:
        held = os.pidfd_open(note.pid)
    except ProcessLookupError:
        return
    try:
        if start_ticks(note.pid) == note.ticks:
            signal.pidfd_send_signal(held, signal.SIGTERM)
    except ProcessLookupError:
        return
    finally:
        os.close(held)


def _require_here(out: Path) -> None:
    note = _beginning(out)
    if note is not None and (note.boot != boot() or start_ticks(note.pid) != note.ticks):
        raise InputError(f"The run's agent is at work on another machine, {note.text}; type `ptb resume` there.")


def _beginning(out: Path) -> SolveNote | None:
    return next((note for note in _notes(out) if note.kind == "start"), None)


def boot() -> str:
    """What tells this start of this machine from all others."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """When a process was started, in the kernel's ticks since boot; None where there is none."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None
