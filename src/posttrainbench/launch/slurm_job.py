"""Execute a part of a run in a job of Slurm, called by submitit. See `job_process` for what this module may load."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from posttrainbench.launch.job_process import ending_of, start_job

NAME = "slurm"
TIMEOUT = 60.0
REQUEUE_ATTEMPTS = 5
REQUEUE_PAUSE = 10.0


def run_job(root: str, part: str, retries: int, off_target: list[str]) -> str:
    """Execute a part of a run in a job of Slurm. Called by submitit.

    After a failure of the machine, the job is queued again, up to the number of retries.

    Returns:
        How it ended.

    Raises:
        RuntimeError: the part is not done, so that jobs that depend on this one do not start.
    """
    import submitit

    run, job = Path(root), submitit.JobEnvironment().job_id
    signals = (signal.SIGUSR1, signal.SIGUSR2)
    process = start_job(run, part, retries, NAME, job, off_target, ignored=signals)
    ending = ending_of(run, process.wait())
    if ending == "done":
        return ending
    from posttrainbench.launch.job import executions, failures

    if ending == "failed" and failures(executions(run), running=False) <= retries:
        _requeue(job)
    raise RuntimeError(f"{root}: the job {ending}; see launch.log and executions.jsonl in the run.")


def _requeue(job: str) -> None:
    """Queue the job of this process again. Slurm then ends this process.

    A controller that is busy or absent is asked again. If it never answers, the next launch submits the run.
    """
    from posttrainbench.launch.slurm_messages import explain

    for attempt in range(REQUEUE_ATTEMPTS):
        time.sleep(REQUEUE_PAUSE * bool(attempt))
        try:
            done = subprocess.run(
                ["scontrol", "requeue", job], capture_output=True, text=True, check=False, timeout=TIMEOUT
            )
        except subprocess.TimeoutExpired:
            print(f"`scontrol requeue {job}` does not answer.", file=sys.stderr)
            continue
        if done.returncode == 0:
            return
        print(explain("scontrol", done.stderr), file=sys.stderr)
