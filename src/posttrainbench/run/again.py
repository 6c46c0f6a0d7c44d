"""Does one stage of a finished run again, and settles the run anew; what was there before is kept."""

from collections.abc import Callable
from pathlib import Path

from posttrainbench.audit.adjudication import NAME
from posttrainbench.errors import InputError
from posttrainbench.files import append_json
from posttrainbench.records import Adjudication, Result, Stage
from posttrainbench.run.audit import judge_again, read_audit
from posttrainbench.run.directory import Run
from posttrainbench.run.pipeline import advance
from posttrainbench.run.watch import Watch


def repeat(run: Run, stage: Stage, watch: Watch | None = None) -> Result:
    """Repeat `stage` alone, then settle.

    Raises:
        InputError: another process works on the run.
    """
    with run.lock():
        if run.is_done(stage):
            run.again(stage)
    return advance(run, watch or Watch())


def judge(run: Run, rules: str, watch: Watch | None = None) -> Result:
    """Compute the verdict again under a rule set, from the facts of the last audit, then settle.

    Raises:
        InputError: the run was not audited, another process works on it, or there is no such rule set.
    """
    with run.lock():
        _judge(run, rules)
    return advance(run, watch or Watch())


def adjudicate(run: Run, adjudication: Adjudication, watch: Watch | None = None) -> Result:
    """Add a person's word on a finding, compute the verdict again under the same rules, then settle.

    Raises:
        InputError: as `judge`.
    """
    with run.lock():
        _, _, verdict = read_audit(_audited(run))
        append_json(run.stage(Stage.AUDIT) / NAME, adjudication)
        _judge(run, verdict.rule_set)
    return advance(run, watch or Watch())


def revise(run: Run, change: Callable[[Path], None], watch: Watch | None = None) -> Result:
    """Change the facts of the last audit, compute the verdict again under the same rules, then settle.

    Args:
        run: an audited run.
        change: is given a copy of the audit's directory, to add findings, coverage and files of its own.
        watch: told of progress.

    Raises:
        InputError: as `judge`.
    """
    with run.lock():
        _, _, verdict = read_audit(_audited(run))
        _judge(run, verdict.rule_set, change)
    return advance(run, watch or Watch())


def _judge(run: Run, rules: str, change: Callable[[Path], None] = lambda folder: None) -> None:
    judge_again(_audited(run), run.begin(Stage.AUDIT), rules, change)
    run.again(Stage.AUDIT)
    run.finish(Stage.AUDIT)
    run.log(Stage.AUDIT, "done", detail=f"judged by rule set {rules} from the facts of the last audit")


def _audited(run: Run) -> Path:
    if not run.is_done(Stage.AUDIT):
        raise InputError(f"{run.root} has not been audited; type `ptb audit {run.root}`.")
    return run.stage(Stage.AUDIT)
