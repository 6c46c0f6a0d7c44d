"""Free disk space: workspaces of finished runs, and caches that are computed again when they are needed.

Never freed: anything that a result depends on, which includes the submission, the recording of the agent, the findings
and the scores; computed baselines; and the workspace of a run that is unfinished, suspected or not audited, because it
is evidence that somebody still has to look at.
"""

import os
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from posttrainbench.errors import InfrastructureError, InputError, shell_quoted
from posttrainbench.files import append_json
from posttrainbench.records import Status
from posttrainbench.run.directory import Run, now
from posttrainbench.run.index import index_path
from posttrainbench.run.summary import RunSummary
from posttrainbench.sandbox.disk import disk_usage

RECORD = "cleanup.jsonl"
"""File in a run's directory that says what was freed."""
REMOVED = "workspace.removed"
"""Name of a workspace while it is being deleted, so that no audit reads half of it."""
FINISHED = (Status.SCORED, Status.BASE_FALLBACK)
CACHES = ("kernels-*", "evaluations/*", "runs-*.sqlite")
"""Caches below `$XDG_CACHE_HOME/posttrainbench`: compiled kernels, remains of evaluations, and indexes of runs."""


@dataclass(frozen=True)
class Freeable:
    """Something that can be freed.

    Attributes:
        run: the run whose workspace it is; None for a cache.
        size: bytes on disk.
    """

    path: Path
    size: int
    run: Run | None = None


def freeable(runs: Iterable[RunSummary], age: float) -> Iterator[Freeable]:
    """Yield what can be freed.

    Args:
        runs: summaries of the runs whose workspaces may be freed.
        age: only what has not changed for this many seconds.
    """
    for summary in runs:
        root = Path(summary.path)
        if summary.state in FINISHED and not summary.busy and _is_old(root / "result.json", age):
            for name in ("workspace", REMOVED):
                if (root / name).is_dir() and not (root / name).is_symlink():
                    yield Freeable(root / name, disk_usage([root / name]), Run(root))
    for pattern in CACHES:
        for path in sorted(index_path().parent.glob(pattern)):
            if path != index_path() and not path.is_symlink() and _is_old(path, age):
                yield Freeable(path, disk_usage([path]))


def free(item: Freeable) -> None:
    """Delete something. For a workspace, the run records that it was deleted.

    Raises:
        InputError: another process is working on the run, or its state has changed.
        InfrastructureError: it cannot be deleted completely.
    """
    if item.run is None:
        return _delete(item.path)
    with item.run.lock():
        result = item.run.result()
        if result is None or result.status not in FINISHED or result.suspected:
            raise InputError(f"{item.run.root} has changed; its workspace is kept.")
        removed = item.run.root / REMOVED
        if item.path != removed:
            append_json(item.run.root / RECORD, {"time": now(), "freed": item.path.name, "bytes": item.size})
            item.path.rename(removed)
        return _delete(removed)


def require_workspace(run: Run) -> None:
    """Require that the agent's workspace was not freed, because an audit would take it for missing evidence.

    Raises:
        InputError: it was freed.
    """
    if (run.root / RECORD).exists() and not run.workspace.is_dir():
        raise InputError(
            f"The workspace of {run.root} was freed with `ptb cleanup`, so the run cannot be audited again; "
            f"`ptb audit {shell_quoted(run.root)} --rules NAME` applies other rules to the stored findings."
        )


def _is_old(path: Path, age: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= age
    except OSError:
        return False


def _delete(path: Path) -> None:
    """Delete a tree of any depth, without leaving its file system or following links."""
    command = ["rm", "-rf", "--one-file-system", "--", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or os.path.lexists(path):
        raise InfrastructureError("unexpected", f"{path} cannot be deleted completely: {done.stderr.strip()[:200]}")
