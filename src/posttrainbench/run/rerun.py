"""Rerun one stage of a finished run and recompute its result. The previous files are kept."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from posttrainbench.audit.adjudication import NAME, read_adjudications
from posttrainbench.errors import InfrastructureError, InputError, shell_quoted
from posttrainbench.files import append_json, require_no_file, write_json
from posttrainbench.records import Adjudication, Result, Stage
from posttrainbench.run.audit import audit, read_audit, recompute_verdict
from posttrainbench.run.cleanup import require_workspace
from posttrainbench.run.directory import Run, is_attended
from posttrainbench.run.pipeline import advance
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.settle import result_of
from posttrainbench.run.status import require_audited


def rerun_stage(run: Run, stage: Stage, listener: ProgressListener | None = None) -> Result:
    """Rerun `stage`, then recompute the result.

    Raises:
        InputError: another process is working on the run, a run that has not been evaluated or whose workspace was
            freed is to be audited, or its adjudications are damaged.
    """
    if stage is Stage.AUDIT:
        _require_evaluated(run)
    with run.lock():
        if stage is Stage.AUDIT:
            _require_evaluated(run, locked=True)
            require_workspace(run)
        if run.is_done(stage):
            if stage is Stage.AUDIT:
                read_adjudications(run.stage(stage))
            run.set_aside(stage)
    return advance(run, listener or ProgressListener())


def audit_elsewhere(run: Run, out: Path, rules: str | None, listener: ProgressListener | None = None) -> Result:
    """Audit an evaluated run into another directory, together with the result that follows. The run is only read.

    Args:
        run: the run, which may be read-only.
        out: a directory that is empty or does not exist.
        rules: see `redecide`; None to search again.
        listener: receives the progress.

    Raises:
        InputError: the run has not been evaluated or, with `rules`, audited; or `out` is in the way.
    """
    _require_evaluated(run)
    if rules is None:
        require_workspace(run)
    if out.resolve().is_relative_to(run.root):
        raise InputError(f"{out} is inside the run, which must not change; choose another directory with --out.")
    require_no_file(out, "--out")
    listener = listener or ProgressListener()
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = any(out.iterdir())
        (partial := out / ".partial").mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another directory with --out.") from None
    if taken:
        partial.rmdir()
        raise InputError(f"{out} is not empty; choose another directory with --out.")
    listener.on_stage(Stage.AUDIT)
    try:
        if rules is None:
            audit(run, partial, listener)
        else:
            recompute_verdict(_audited(run), partial, rules, lambda folder: None)
        result = result_of(run, partial)
        write_json(partial / "result.json", result)
        for path in partial.iterdir():
            path.rename(out / path.name)
    except InfrastructureError as error:
        raise InputError(f"{run.root} cannot be audited: {error}") from None
    except PermissionError as error:
        raise InputError(f"{error.filename} cannot be read; give this user the right to read the run.") from None
    finally:
        shutil.rmtree(partial)
    return result


def redecide(run: Run, rules: str, listener: ProgressListener | None = None) -> Result:
    """Recompute the verdict under a rule set from the findings of the last audit, then recompute the result.

    Raises:
        InputError: the run was not audited, another process is working on it, or the rule set does not exist.
    """
    with run.lock():
        _redecide(run, rules)
    return advance(run, listener or ProgressListener())


def adjudicate(run: Run, adjudications: Sequence[Adjudication], listener: ProgressListener | None = None) -> Result:
    """Add adjudications, then recompute the verdict under the same rules and the result.

    Raises:
        InputError: see `redecide`.
    """
    with run.lock():
        _, _, verdict = read_audit(_audited(run))
        for adjudication in adjudications:
            append_json(run.stage(Stage.AUDIT) / NAME, adjudication)
        _redecide(run, verdict.rule_set)
    return advance(run, listener or ProgressListener())


def update_audit(run: Run, change: Callable[[Path], None], listener: ProgressListener | None = None) -> Result:
    """Change the findings of the last audit, then recompute the verdict under the same rules and the result.

    Args:
        run: an audited run.
        change: called with a copy of the audit's directory, in which it may change findings, coverage and files.
        listener: receives the progress.

    Raises:
        InputError: see `redecide`.
    """
    with run.lock():
        _, _, verdict = read_audit(_audited(run))
        _redecide(run, verdict.rule_set, change)
    return advance(run, listener or ProgressListener())


def _redecide(run: Run, rules: str, change: Callable[[Path], None] = lambda folder: None) -> None:
    last = _audited(run)
    read_adjudications(last)  # before anything is written
    recompute_verdict(last, run.begin(Stage.AUDIT), rules, change)
    run.set_aside(Stage.AUDIT)
    run.finish(Stage.AUDIT)
    run.log(Stage.AUDIT, "done", detail=f"verdict recomputed with rule set {rules} from the findings of the last audit")


def _require_evaluated(run: Run, locked: bool = False) -> None:
    """Raise InputError if a run has not been evaluated. `locked` means that this process has locked the run."""
    if run.is_done(Stage.EVALUATE):
        return
    advice = f"continue the run with `ptb resume {shell_quoted(run.root)}`"
    if not locked and is_attended(run):
        advice = f"a process is working on it; wait for its end, see `ptb status {shell_quoted(run.root)} --watch`"
    raise InputError(f"{run.root} has not been evaluated yet; {advice}.")


def _audited(run: Run) -> Path:
    require_audited(run)
    return run.stage(Stage.AUDIT)
