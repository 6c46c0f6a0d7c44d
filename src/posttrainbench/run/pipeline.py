"""Run the stages of a run that are not finished."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from posttrainbench.errors import InputError, one_line, shell_quoted
from posttrainbench.files import write_json
from posttrainbench.records import Result, Stage, Status
from posttrainbench.run.attempts import count_restarts, has_worked, require_permission
from posttrainbench.run.directory import Run, set_aside
from posttrainbench.run.errors import POLICIES, cause_of, is_disk_full
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.solve_supervisor import STOP, exit_note, is_resumable, solve_in_subprocess

StageFunction = Callable[[Run, Path, ProgressListener], None]
"""Arguments: run, output directory, listener. Reads finished stages and returns when the directory is complete."""


def prepare(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `prepare`. Each stage loads its libraries itself: a job executes only a part of the stages."""
    from posttrainbench.run.prepare import prepare as work

    work(run, out, listener)


def collect(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `collect`; see `prepare`."""
    from posttrainbench.run.collect import collect as work

    work(run, out, listener)


def audit(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `audit`; see `prepare`."""
    from posttrainbench.run.audit import audit as work

    work(run, out, listener)


def evaluate(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `evaluate`; see `prepare`."""
    from posttrainbench.run.evaluate import evaluate as work

    work(run, out, listener)


def settle(run: Run) -> None:
    """Run the stage `settle`; see `prepare`."""
    from posttrainbench.run.settle import settle as work

    work(run)


STAGES: dict[Stage, StageFunction] = {
    Stage.PREPARE: prepare,
    Stage.SOLVE: solve_in_subprocess,
    Stage.COLLECT: collect,
    Stage.AUDIT: audit,
    Stage.EVALUATE: evaluate,
}


def advance(run: Run, listener: ProgressListener) -> Result:
    """Run all unfinished stages, then settle. Finished stages are never repeated.

    Returns:
        The result. Its status is `infrastructure_error` if a stage failed through no fault of the agent; calling this
        function again continues with that stage.

    Raises:
        InputError: another process is working on the run, the disk is full, or the agent has already worked and may be
            started over only on request.
        KeyboardInterrupt: re-raised. An agent that works is left running, unless the listener chose to stop it.
    """
    with run.lock(), _full_disk_reported(run):
        if failed := _run_stages(run, list(STAGES), listener):
            return failed
        if not run.is_done(Stage.SETTLE):
            listener.on_stage(Stage.SETTLE)
            run.log(Stage.SETTLE, "start")
            set_aside(run.root / "result.json")
            try:
                settle(run)
            except Exception as error:
                if is_disk_full(error):
                    raise
                run.log(Stage.SETTLE, "failed", cause=cause_of(error), detail=one_line(error))
                return _settle_failed(run, Stage.SETTLE, error)
            run.log(Stage.SETTLE, "done")
        result = run.result()
        if result is None:
            raise InputError(f"{run.root}/result.json is missing; run `ptb resume {shell_quoted(run.root)}`.")
        return result


def work(run: Run, listener: ProgressListener) -> Result | None:
    """Run the stages up to the end of the agent's work. Finished stages are never repeated.

    Returns:
        None, or the result if a stage failed through no fault of the agent.

    Raises:
        InputError, KeyboardInterrupt: see `advance`.
    """
    with run.lock(), _full_disk_reported(run):
        return _run_stages(run, [Stage.PREPARE, Stage.SOLVE], listener)


@contextmanager
def _full_disk_reported(run: Run) -> Iterator[None]:
    """Turn the error of a full disk into one that names the fix."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        raise InputError(
            f"The disk of {run.root} is full; free some space and run `ptb resume {shell_quoted(run.root)}`. "
            "Finished stages are kept."
        ) from None


def _run_stages(run: Run, stages: Sequence[Stage], listener: ProgressListener) -> Result | None:
    """Run unfinished stages. Return the result if one of them failed."""
    _complete_journal(run)
    for stage in stages:
        failure = None if run.is_done(stage) else _attempt(run, stage, STAGES[stage], listener)
        if failure is not None:
            return _settle_failed(run, stage, failure)
    return None


def _complete_journal(run: Run) -> None:
    """Add the missing journal entries of stages that ended while no orchestrator was running."""
    last = {entry.stage: entry.event for entry in run.journal()}
    for stage in Stage:
        if run.is_done(stage) and last.get(stage) != "done":
            run.log(stage, "done")
    partial = run.root / f"{Stage.SOLVE.folder}.partial"
    end = exit_note(partial)
    if end is not None and end.end == "failed" and last.get(Stage.SOLVE) in ("start", "attached"):
        run.log(Stage.SOLVE, "failed", cause=end.cause, detail=end.text)


def _attempt(run: Run, stage: Stage, function: StageFunction, listener: ProgressListener) -> Exception | None:
    """Run a stage with the retries of the failure policy. Return the last failure, or None."""
    tries = 0
    while True:
        listener.on_stage(stage)
        started = time.monotonic()
        out = run.root / f"{stage.folder}.partial"
        attached = stage is Stage.SOLVE and is_resumable(out)
        if stage is Stage.SOLVE and not attached:
            require_permission(run)
        try:
            run.log(stage, "attached" if attached else "start")
            function(run, out if attached else run.begin(stage), listener)
            run.finish(stage)
        except KeyboardInterrupt:
            run.log(stage, "interrupted", seconds=time.monotonic() - started)
            raise
        except InputError:
            raise
        except Exception as error:
            if is_disk_full(error):
                raise
            cause = cause_of(error)
            run.log(stage, "failed", seconds=time.monotonic() - started, cause=cause, detail=one_line(error))
            tries += 1
            if tries > POLICIES[cause].retries or (stage is Stage.SOLVE and (has_worked(out) or (out / STOP).exists())):
                return error
        else:
            run.log(stage, "done", seconds=time.monotonic() - started)
            return None


def _settle_failed(run: Run, stage: Stage, error: Exception) -> Result:
    """Record that the run does not count, with the reason and the remedy."""
    remedy = "" if isinstance(error, InputError) else POLICIES[cause_of(error)].remedy  # it names its own fix
    result = Result(
        run=run.spec.run,
        status=Status.INFRASTRUCTURE_ERROR,
        score=None,
        raw_score=None,
        base_score=None,
        instruct_score=None,
        verdict={},
        reasons=[f"The stage `{stage}` failed through no fault of the agent: {one_line(error)} {remedy}".rstrip()],
        evidence=[],
        restarts=count_restarts(run),
        changes=run.changes(),
    )
    set_aside(run.root / "result.json")
    write_json(run.root / "result.json", result)
    return result
