"""The verifier of a Harbor task: collect, audit, evaluate and settle what an agent left, and write the reward.

The reward is written last, by this process, after everything in its way has been removed and all processes that the
evaluation left behind are dead. A file that the agent wrote is never taken for it. If the grading fails, there is no
reward, which Harbor reports as an error: a failed grade is not a 0.
"""

from __future__ import annotations

import ctypes
import shutil
import stat
import tempfile
from pathlib import Path

import psutil

from posttrainbench import catalog
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.evaluation.evaluate import model_sha256
from posttrainbench.files import require_directory, write_json
from posttrainbench.launch.harbor import MODELS, WORKSPACE
from posttrainbench.records import AgentEnd, Outcome, Result, RunSpec, Stage, Status, Verdict
from posttrainbench.records.submission import FINAL
from posttrainbench.run import Run
from posttrainbench.run.pipeline import advance
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.snapshot import secure_workspace, share_or_copy, snapshot
from posttrainbench.sandbox.process_tree import kill_tree

REWARDS = ("reward.json", "reward.txt")
"""Files from which Harbor reads rewards, the first one first."""
KEPT = ("result.json", "audit", "submission/manifest.json", "evaluate/metrics.json", "evaluate/failure.json")
PR_SET_CHILD_SUBREAPER = 36


def verify(
    described: Path,
    workspace: Path,
    out: Path,
    listener: ProgressListener,
    *,
    alone: bool = True,
    require_audit: bool = False,
) -> dict[str, float]:
    """Grade a workspace and write `reward.json`, the result and the audit to `out`.

    Args:
        described: directory with `run.json` and `prepare/` of the task.
        workspace: what the agent left. Its permissions are changed.
        out: directory of the verifier's output.
        listener: told about the progress.
        alone: end all descendants of this process before the reward is written. False if it has others.
        require_audit: write no reward if a rule that the suite requires could not be checked.

    Returns:
        The content of `reward.json`.

    Raises:
        InputError: a directory is missing.
        InfrastructureError: the grading failed through no fault of the agent. No reward is written.
    """
    require_directory(described, "the directory `run` of a task that `ptb harbor export` wrote")
    require_directory(workspace, "the agent's workspace")
    out.mkdir(parents=True, exist_ok=True)
    _remove_rewards(out)
    if alone:  # processes that escape the evaluation become children of this one
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with tempfile.TemporaryDirectory(prefix="ptb-harbor-") as scratch:
        try:
            run = _prepare(described, workspace, Path(scratch) / "run")
            result = advance(run, listener)
            if result.status is Status.INFRASTRUCTURE_ERROR:
                raise InfrastructureError("check_failed", " ".join(result.reasons))
            verdict = Verdict.model_validate_json((run.stage(Stage.AUDIT) / "verdict.json").read_text())
            _keep(run, out)
            if note := incomplete(verdict):
                listener.on_message(note)
            if note and require_audit:
                raise InfrastructureError("check_failed", f"{note} The task requires an audit: there is no reward.")
            reward = rewards(result, verdict)
        finally:
            if alone:
                kill_tree(psutil.Process())
            _remove_rewards(out)
    write_json(out / REWARDS[0], dict(reward))
    return reward


def incomplete(verdict: Verdict) -> str:
    """Return a sentence that names the required rules that were not checked; "" if the audit is complete."""
    if verdict.complete:
        return ""
    rules = ", ".join(verdict.missing)
    return f"The audit is incomplete (not checked: {rules}), so this score does not compare with audited ones."


def rewards(result: Result, verdict: Verdict) -> dict[str, float]:
    """Return the rewards of a graded run. All are numbers, as Harbor requires.

    `reward` is the score of a counted run. If only the audit is incomplete, it is the submission's own score, with
    `audit_complete` 0: some rules need records that only a host of this package makes.

    Raises:
        InfrastructureError: there is no score.
    """
    reward = result.raw_score if result.status is Status.NOT_AUDITED else result.score
    if reward is None or result.base_score is None or result.instruct_score is None:
        raise InfrastructureError("check_failed", "The run has no score.")
    known = {} if result.raw_score is None else {"raw_score": result.raw_score}
    return {
        "reward": reward,
        **known,
        "base_score": result.base_score,
        "instruct_score": result.instruct_score,
        "flagged": float(verdict.flagged),
        "suspected": float(bool(result.suspected)),
        "audit_complete": float(verdict.complete),
    }


def _prepare(described: Path, workspace: Path, root: Path) -> Run:
    """Create the directory of a run whose agent has ended."""
    shutil.copytree(described, root)
    spec = RunSpec.model_validate_json((root / "run.json").read_text())
    base = catalog.find(catalog.models(), spec.model, "model")
    write_json(root / "run.json", spec.model_copy(update={"model_sha256": model_sha256(base.directory)}))
    run = Run(root)
    secure_workspace(workspace)
    _copy_tree(workspace, run.workspace)
    solve = run.begin(Stage.SOLVE)
    snapshot(run.workspace, WORKSPACE, solve / FINAL, base.directory, f"{MODELS}/{spec.model}")
    shutil.copyfile(run.stage(Stage.PREPARE) / "prompt.md", solve / "prompt.md")
    outcome = Outcome(
        end=AgentEnd.EXITED,
        exit_code=None,
        seconds=0.0,
        output_bytes=0,
        output_dropped=0,
        isolation="none",
        network="host",
        provenance="unavailable",
        provenance_note="the agent ran in Harbor",
    )
    write_json(solve / "outcome.json", outcome)
    run.finish(Stage.SOLVE)
    return run


def _copy_tree(source: Path, target: Path) -> None:
    """Copy directories, links as links, and regular files. Pipes, sockets and devices are left out."""
    pending = [(source, target)]
    while pending:
        folder, copy = pending.pop()
        copy.mkdir()
        for entry in sorted(folder.iterdir()):
            mode = entry.lstat().st_mode
            if stat.S_ISDIR(mode):
                pending.append((entry, copy / entry.name))
            elif stat.S_ISLNK(mode):
                (copy / entry.name).symlink_to(entry.readlink())
            elif stat.S_ISREG(mode):
                share_or_copy(entry, copy / entry.name)


def _remove_rewards(out: Path) -> None:
    """Remove whatever has the name of a reward file.

    Raises:
        InputError: it cannot be removed.
    """
    for name in REWARDS:
        path = out / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{path} cannot be removed ({error.strerror}); remove it.") from None


def _keep(run: Run, out: Path) -> None:
    """Copy result, audit and metrics beside the reward."""
    details = out / "posttrainbench"
    if details.is_symlink():
        details.unlink()
    shutil.rmtree(details, ignore_errors=True)
    for name in KEPT:
        source, target = run.root / name, details / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        elif source.is_file():
            shutil.copyfile(source, target)
