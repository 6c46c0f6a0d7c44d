"""End a run's agent early and keep its work."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from posttrainbench.errors import InfrastructureError, InputError, shell_quoted
from posttrainbench.records import Stage
from posttrainbench.run.directory import LOCK, Run, is_busy
from posttrainbench.run.solve_supervisor import NOTES, POLL_SECONDS, STOP, exit_note, is_alive, is_resumable

LAUNCHER_SECONDS = 120.0
"""Time that a launcher may take to detach from its runs."""


def stop_agent(run: Run) -> bool:
    """Request the agent's early end and wait until its stage has ended.

    Returns:
        True if another process is working on the run and continues with the next stage.

    Raises:
        InputError: the agent is not running.
        InfrastructureError: the stage failed and left nothing to collect, so continuing would start the agent over.
    """
    partial = _partial(run)
    if run.result() is not None:
        raise InputError(f"{run.root} has finished; see its result with `ptb status {shell_quoted(run.root)}`.")
    if run.is_done(Stage.SOLVE) and is_busy(run):
        raise InputError(f"The agent of {run.root} has finished, and another process runs the remaining stages.")
    if run.is_done(Stage.SOLVE):
        raise InputError(
            f"The agent of {run.root} has finished; `ptb resume {shell_quoted(run.root)}` runs the remaining stages."
        )
    if not (partial / NOTES).exists() or not is_alive(partial):
        raise InputError(
            f"The agent of {run.root} is not running; `ptb resume {shell_quoted(run.root)}` continues the run."
        )
    request_stop(run)
    while (partial / NOTES).exists() and is_alive(partial):
        time.sleep(POLL_SECONDS)
    if is_busy(run):
        return True
    if not run.is_done(Stage.SOLVE) and not is_resumable(partial):
        end = exit_note(partial) if (partial / NOTES).exists() else None
        reason = end.text if end is not None and end.text else "Its process was killed."
        cause = end.cause if end is not None and end.cause else "solve_killed"
        raise InfrastructureError(cause, f"The agent of {run.root} left nothing to collect: {reason}")
    return False


def stop_experiment(path: Path, runs: Sequence[Run], canceled: int = 0) -> list[Run]:
    """Make the process that launches runs of an experiment start no others, and end all agents. Their work is kept.

    A launcher on another machine is not ended, but its agents are.

    Args:
        path: directory of the experiment.
        runs: its runs.
        canceled: number of waiting jobs that were canceled before.

    Returns:
        The runs whose agents were stopped.

    Raises:
        InputError: no agent is running, and nothing launches runs.
    """
    interrupted = _interrupt_launcher(path)
    working = [run for run in runs if _is_working(run)]
    if not working and not interrupted and not canceled:
        raise InputError(f"No agent in {path} is running; `ptb status {shell_quoted(path)}` shows the runs.")
    for run in working:
        request_stop(run)
    while any(map(_is_working, working)):
        time.sleep(POLL_SECONDS)
    return working


def _is_working(run: Run) -> bool:
    try:
        return (_partial(run) / NOTES).exists() and is_alive(_partial(run))
    except FileNotFoundError:  # the stage has just finished, and its directory was renamed
        return False


def _interrupt_launcher(path: Path) -> bool:
    """Send SIGUSR1 to the process that locked an experiment, and wait until it has detached from its runs."""
    lock = path / LOCK
    with contextlib.suppress(OSError, ValueError, psutil.Error):
        process = psutil.Process(int(lock.read_text()))
        held = [file.path for file in process.open_files()]  # the number may be that of a process on another machine
        if str(lock.resolve()) in held and process.pid != os.getpid():
            process.send_signal(signal.SIGUSR1)  # like SIGINT, but `ptb` asks nothing
            process.wait(LAUNCHER_SECONDS)
            return True
    return False


def request_stop(run: Run) -> None:
    """Make the run's agent end early, if it is working."""
    partial = _partial(run)
    with contextlib.suppress(FileNotFoundError):  # the stage has just finished, and its directory was renamed
        if (partial / NOTES).exists() and is_alive(partial):
            (partial / STOP).touch()


def _partial(run: Run) -> Path:
    return run.root / f"{Stage.SOLVE.folder}.partial"
