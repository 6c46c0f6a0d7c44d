"""Start a job of a launcher as a process of its own, and read how it ended.

A worker of a scheduler imports this module before each job, while the job's GPU is idle: only the standard library is
loaded, unless a job fails.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from posttrainbench.records import Ending

PR_SET_PDEATHSIG = 1
LOG = "launch.log"
"""File in a run's directory with the output of its jobs."""
EXIT_CODES: dict[Ending, int] = {"done": 0, "failed": 1, "refused": 2, "busy": 75, "interrupted": 130}


def job_command(
    root: Path, part: str, retries: int, launcher: str, job: str = "", off_target: Sequence[str] = ()
) -> list[str]:
    """Return the command line of a job; see `posttrainbench.launch.job`."""
    words = ["job", str(root), "--part", part, "--retries", str(retries), "--launcher", launcher]
    words += [word for name in off_target for word in ("--off-target", name)]
    return [sys.executable, "-m", "posttrainbench", *words, *(["--job", job] if job else [])]


def start_job(
    root: Path,
    part: str,
    retries: int,
    launcher: str,
    job: str = "",
    off_target: Sequence[str] = (),
    variables: Mapping[str, str] | None = None,
    ignored: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a job as a child process. Its output goes to the run's `launch.log`.

    When this process dies, the job is interrupted, so that it detaches from its agent.

    Args:
        root: directory of the run.
        part: of the run; see `records.Part`.
        retries: of the experiment.
        launcher: name of the launcher.
        job: id of the job in its scheduler.
        off_target: benchmarks on which the submission is also evaluated.
        variables: additional environment variables.
        ignored: signals that the job and its agent ignore.
    """

    def prepare() -> None:
        signal.pthread_sigmask(
            signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM}
        )  # which a scheduler's worker may block
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)

    with (root / LOG).open("ab") as log:
        return subprocess.Popen(
            job_command(root, part, retries, launcher, job, off_target),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            env={**os.environ, **(variables or {})},
            start_new_session=True,  # Ctrl-C reaches only the launcher, which asks what to do
            preexec_fn=prepare,
        )


def ending_of(root: Path, code: int) -> Ending:
    """Return how a job ended, by its last line in `executions.jsonl`: a process that was killed has none."""
    if code == EXIT_CODES["busy"]:
        return "busy"
    if code == EXIT_CODES["done"]:
        return "done"
    from posttrainbench.launch.job import executions

    last = next(reversed(executions(root)), None)
    return last.ending if last is not None and last.event == "end" and last.ending else "failed"
