"""Runs several runs on this machine, `parallel` at a time, each in a process of its own.

A run that dies takes no other with it, and each can be continued alone with `ptb resume`.
"""

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from posttrainbench.run.directory import Run

POLL_SECONDS = 0.2
STOP_SECONDS = 30.0
PR_SET_PDEATHSIG = 1


def launch(runs: list[Run], parallel: int, on_change: Callable[[list[Run], list[Run]], None]) -> None:
    """Take every run to its end.

    Args:
        on_change: called several times a second with (runs at work, runs ended).

    Raises:
        KeyboardInterrupt: passed on after every run at work has been stopped in order; all can be continued.
    """
    waiting, ended = list(runs), []
    active: list[tuple[Run, subprocess.Popen[bytes]]] = []
    try:
        while waiting or active:
            while waiting and len(active) < parallel:
                run = waiting.pop(0)
                active.append((run, _start(run)))
            for pair in [pair for pair in active if pair[1].poll() is not None]:
                active.remove(pair)
                ended.append(pair[0])
            on_change([run for run, _ in active], ended)
            time.sleep(POLL_SECONDS)
    finally:
        for _, process in active:
            process.send_signal(signal.SIGINT)
        for _, process in active:
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _interrupt_with_parent() -> None:
    """When the launcher is killed, its runs stop in order, so that they can be continued at once."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)


def _start(run: Run) -> subprocess.Popen[bytes]:
    with (run.root / "launch.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "posttrainbench", "resume", str(run.root), "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # Ctrl-C reaches the launcher alone, which stops its runs in order
            preexec_fn=_interrupt_with_parent,
        )
