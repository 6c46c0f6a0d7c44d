"""Tasks of Ray. See `job_process` for what this module may load."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.launch.job_process import ending_of, start_job

if TYPE_CHECKING:
    from posttrainbench.records import Ending

NAME = "ray"
POLL_SECONDS = 0.05
STOP_SECONDS = 30.0


def run_job(root: str, part: str, retries: int, off_target: list[str]) -> Ending:
    """Execute a part of a run in a task of Ray. Return how it ended."""
    import ray

    run, job = Path(root), str(ray.get_runtime_context().get_task_id())
    process = start_job(run, part, retries, NAME, job, off_target)
    try:
        while process.poll() is None:
            time.sleep(POLL_SECONDS)  # Ray cancels a task only between two statements
        return ending_of(run, process.returncode)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(STOP_SECONDS)


def run_check(command: list[str], seconds: float) -> tuple[str, str]:
    """Run a command in a task of Ray. Return what it printed on standard output and standard error."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except OSError as error:
        return "", f"{error.filename}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return "", f"it did not answer within {seconds:.0f} s"
    return done.stdout, done.stderr
