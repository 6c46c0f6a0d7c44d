"""Takes a run through its stages, from wherever it stands."""

import time
from collections.abc import Callable
from pathlib import Path

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import write_json
from posttrainbench.records import Result, Stage, Status
from posttrainbench.run.apart import can_go_on, how_it_ended, solve_apart
from posttrainbench.run.audit import audit
from posttrainbench.run.collect import collect
from posttrainbench.run.directory import Run, keep
from posttrainbench.run.errors import POLICIES, cause_of, is_disk_full
from posttrainbench.run.evaluate import evaluate
from posttrainbench.run.prepare import prepare
from posttrainbench.run.settle import settle
from posttrainbench.run.watch import Watch

StageFunction = Callable[[Run, Path, Watch], None]
"""(run, the directory to write, watcher): reads finished stages, writes its directory, returns when it is whole."""

STAGES: dict[Stage, StageFunction] = {
    Stage.PREPARE: prepare,
    Stage.SOLVE: solve_apart,
    Stage.COLLECT: collect,
    Stage.AUDIT: audit,
    Stage.EVALUATE: evaluate,
}


def advance(run: Run, watch: Watch) -> Result:
    """Do every stage that is not done yet, then settle; finished stages are never repeated.

    Returns:
        The result; its status is `infrastructure_error` when a stage failed for no fault of the agent's, and then
        calling again continues at that stage.

    Raises:
        InputError: another process works on the run, or the disk is full.
        KeyboardInterrupt: the agent's tree has been ended and what it had submitted so far is kept.
    """
    with run.lock():
        try:
            _complete_journal(run)
            for stage, function in STAGES.items():
                failed = None if run.is_done(stage) else _attempt(run, stage, function, watch)
                if failed is not None:
                    return _settle_failed(run, stage, failed)
            if not run.is_done(Stage.SETTLE):
                watch.stage(Stage.SETTLE)
                run.log(Stage.SETTLE, "start")
                keep(run.root / "result.json")
                try:
                    settle(run)
                except Exception as error:
                    if is_disk_full(error):
                        raise
                    run.log(Stage.SETTLE, "failed", cause=cause_of(error), detail=one_line(error))
                    return _settle_failed(run, Stage.SETTLE, error)
                run.log(Stage.SETTLE, "done")
        except OSError as error:
            if not is_disk_full(error):
                raise
            raise InputError(
                f"The disk that holds {run.root} is full; free some space and type `ptb resume {run.root}`. "
                "Nothing finished is lost."
            ) from None
        result = run.result()
        if result is None:
            raise InputError(f"{run.root}/result.json has vanished; type `ptb resume {run.root}`.")
        return result


def _complete_journal(run: Run) -> None:
    """Add the end of a stage that came when nobody was there to write its line."""
    last = {entry.stage: entry.event for entry in run.journal()}
    for stage in Stage:
        if run.is_done(stage) and last.get(stage) != "done":
            run.log(stage, "done")
    partial = run.root / f"{Stage.SOLVE.folder}.partial"
    end = how_it_ended(partial)
    if end is not None and end.end == "failed" and last.get(Stage.SOLVE) in ("start", "attached"):
        run.log(Stage.SOLVE, "failed", cause=end.cause, detail=end.text)


def _attempt(run: Run, stage: Stage, function: StageFunction, watch: Watch) -> Exception | None:
    """Run a stage, with the retries that its failures allow; returns the failure that remained."""
    tries = 0
    while True:
        watch.stage(stage)
        started = time.monotonic()
        out = run.root / f"{stage.folder}.partial"
        attached = stage is Stage.SOLVE and can_go_on(out)
        run.log(stage, "attached" if attached else "start")
        try:
            function(run, out if attached else run.begin(stage), watch)
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
            if tries > POLICIES[cause].retries:
                return error
        else:
            run.log(stage, "done", seconds=time.monotonic() - started)
            return None


def _settle_failed(run: Run, stage: Stage, error: Exception) -> Result:
    """Record that the run counts as nothing, with why and what to do."""
    mend = POLICIES[cause_of(error)].mend
    result = Result(
        run=run.spec.run,
        status=Status.INFRASTRUCTURE_ERROR,
        score=None,
        raw_score=None,
        base_score=None,
        instruct_score=None,
        verdict={},
        reasons=[f"The stage `{stage}` failed, which is no fault of the agent: {one_line(error)} {mend}"],
        evidence=[],
    )
    keep(run.root / "result.json")
    write_json(run.root / "result.json", result)
    return result
