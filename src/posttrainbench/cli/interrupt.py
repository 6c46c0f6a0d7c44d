"""The question that Ctrl-C asks while agents work."""

import os
import select
import sys
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.live import Live

from posttrainbench.run.progress import InterruptChoice

if TYPE_CHECKING:
    from posttrainbench.run import Run

CHOICES: dict[str, InterruptChoice] = {"d": "detach", "s": "stop", "c": "cancel"}
ANSWER_SECONDS = 60.0
"""Without an answer in this time, the run goes on, since nothing is collected while the question is open."""

TERMINATED = threading.Event()
"""Set once the process has received SIGTERM, after which nobody is asked."""
STOPPED = threading.Event()
"""Set once `ptb stop` has asked the process to start no other runs, after which nobody is asked."""
LAST_MOMENTS = 1.0
"""Seconds in which an agent that is about to end may do so before a message says that it keeps working."""


def ask(live: Live, working: Sequence[str] | None = None) -> InterruptChoice:
    """Ask on the terminal; detach if nobody can answer, and on a second Ctrl-C or the end of input.

    Args:
        live: the display, which is hidden while the question is open.
        working: of a command that launches several runs, descriptions of those whose agents work. None for a command
            with a single run, whose agent works.
    """
    if TERMINATED.is_set() or STOPPED.is_set() or not (live.console.is_terminal and _in_foreground()):
        return "detach"
    live.stop()
    try:
        choice = _answer(question(working))
    except KeyboardInterrupt:
        choice = "detach"
    if choice != "detach":
        live.start()
    return choice


def agents_at_work(runs: "Sequence[Run]") -> "list[Run]":
    """Return the runs whose agents keep working after an interruption; see `LAST_MOMENTS`."""
    from posttrainbench.run.status import agent_state

    end = time.monotonic() + LAST_MOMENTS
    while (working := [run for run in runs if agent_state(run) == "running"]) and time.monotonic() < end:
        time.sleep(LAST_MOMENTS / 10)
    return working


def question(working: Sequence[str] | None) -> str:
    """Return the question. Arguments as for `ask`."""
    others = "" if working is None else "; start no other runs"
    if working is None or len(working) == 1:
        state = f"An agent is at work{f': {working[0]}' if working else ''}."
        detach, stop = "it keeps working, and this command ends", f"stop it now and keep what it has{others}"
    elif working:
        state = f"{len(working)} agents are at work: {'; '.join(working)}."
        detach, stop = "they keep working, and this command ends", f"stop them now and keep what they have{others}"
    else:
        state = "No agent is at work at the moment."
        detach, stop = "this command ends; finished stages are kept", "finish the active runs; start no others"
    return (
        f"\n{state} Type one letter and Enter:\n  d  detach: {detach}\n  s  {stop}\n  c  continue as before\n[d/s/c] "
    )


def _answer(text: str) -> InterruptChoice:
    while True:
        sys.stderr.write(text)
        sys.stderr.flush()
        if not select.select([sys.stdin], [], [], ANSWER_SECONDS)[0]:
            return "cancel"
        typed = os.read(sys.stdin.fileno(), 4096).decode(errors="replace")
        if not typed:
            return "detach"
        for line in typed.splitlines():
            if choice := CHOICES.get(line.strip().lower()[:1]):
                return choice
        sys.stderr.write("Please answer d, s or c.\n")


def _in_foreground() -> bool:
    """Return True if standard input is a terminal that this process may read."""
    try:
        if not sys.stdin.isatty():
            return False
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError:  # a terminal, but not the one that controls this process, so that reading is not restricted
        return True
    except ValueError:  # closed
        return False
