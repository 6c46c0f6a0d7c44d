"""Execute a run, or a part of it, as one job of a launcher. The whole state of a job is the directory of its run."""

import os
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from posttrainbench.errors import InfrastructureError, InputError, one_line, shell_quoted
from posttrainbench.files import append_json, read_jsonl
from posttrainbench.records import Ending, Execution, Part, Stage, Status
from posttrainbench.run.attempts import count_own_restarts, needs_again, start_over
from posttrainbench.run.directory import BusyError, Run, is_busy, now
from posttrainbench.run.pipeline import advance, work
from posttrainbench.run.progress import ProgressListener

FILE = "executions.jsonl"


def execute(
    run: Run,
    part: Part,
    retries: int,
    listener: ProgressListener,
    launcher: str = "local",
    job: str = "",
    off_target: Sequence[str] = (),
) -> Execution:
    """Execute a part of a run, once.

    An agent that worked and whose work a failure of the machine destroyed is started over, `retries` times at most.

    Args:
        run: the run.
        part: the part; `evaluation` requires that the agent has finished.
        retries: of the experiment.
        listener: receives the progress.
        launcher: name of the launcher.
        job: id of the job in its scheduler; an empty string for a random one.
        off_target: benchmarks on which the submission is evaluated after the run has its result.

    Returns:
        The line of `executions.jsonl` for its end. The journal of the run has the details.

    Raises:
        KeyboardInterrupt: re-raised after the end of the job was recorded.
    """
    line = Execution(
        time=now(),
        event="begin",
        part=part,
        launcher=launcher,
        job=job or uuid.uuid4().hex[:12],
        host=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        gpus=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )
    if is_busy(run):
        return line.model_copy(update={"event": "end", "ending": "busy", "text": f"A process works on {run.root}."})
    append_json(run.root / FILE, line)
    ending: Ending = "failed"
    text = ""
    try:
        ending, text = _execute(run, part, retries, listener)
        if ending == "done" and part != "agent" and off_target:
            from posttrainbench.run.off_target import evaluate_off_target

            evaluate_off_target(run, off_target, listener)
    except BusyError as error:
        ending, text = "busy", str(error)
    except InputError as error:
        ending, text = "refused", str(error)
    except KeyboardInterrupt:
        ending = "interrupted"
        raise
    except InfrastructureError as error:  # of an evaluation off target; those of a run are in its result
        ending, text = "failed", str(error)
    except Exception as error:
        ending, text = "failed", one_line(error)
        raise
    finally:
        changes = {"time": now(), "event": "end", "ending": ending, "text": text[:500]}
        line = line.model_copy(update=changes)
        append_json(run.root / FILE, line)
    return line


def _execute(run: Run, part: Part, retries: int, listener: ProgressListener) -> tuple[Ending, str]:
    if part == "evaluation" and not run.is_done(Stage.SOLVE):
        return "failed", "The agent has not finished."
    if needs_again(run):
        if count_own_restarts(run) >= retries:
            return (
                "refused",
                f"The agent has already worked {retries + 1} times; see `ptb resume {shell_quoted(run.root)} --again`.",
            )
        start_over(run)
    result = work(run, listener) if part == "agent" else advance(run, listener)
    if result is not None and result.status is Status.INFRASTRUCTURE_ERROR:
        return "failed", " ".join(result.reasons)
    return "done", ""


def executions(root: Path) -> list[Execution]:
    """Return the lines of a run's `executions.jsonl`, oldest first. Lines of another version are skipped."""
    lines = []
    for line in read_jsonl(root / FILE):
        try:
            lines.append(Execution.model_validate(line))
        except ValidationError:
            continue
    return lines


def may_be_queued(root: Path) -> bool:
    """Return True if a cluster may still execute a job of a run: one that waits, or was killed or failed and may retry.

    The cluster is not asked, so that this is also True for jobs that were canceled.
    """
    lines = executions(root)
    submitted = {(line.launcher, line.job) for line in lines if line.event == "submitted"}
    last = {(line.launcher, line.job): line for line in lines}
    return any(last[job].event != "end" or last[job].ending == "failed" for job in submitted)


def record_submission(run: Run, part: Part, launcher: str, job: str) -> None:
    """Record that a job was submitted."""
    line = Execution(time=now(), event="submitted", part=part, launcher=launcher, job=job)
    append_json(run.root / FILE, line)


def failures(lines: Sequence[Execution], running: bool) -> int:
    """Return the number of executions that failed or were killed.

    Args:
        lines: of `executions.jsonl`.
        running: whether a process works on the run, so that the last execution may not have ended.
    """
    failed, open_jobs = 0, 0
    for line in lines:
        if line.event == "begin":
            open_jobs += 1
        elif line.event == "end":
            open_jobs -= 1
            failed += line.ending == "failed"
    return failed + max(0, open_jobs - running)
