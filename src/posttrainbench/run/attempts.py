"""Earlier attempts at the stage `solve`. A second start gives the agent a new workspace and its whole budget again.

So that no agent gets a second try unnoticed, an agent that has worked is started over only on request, and the result
counts the earlier attempts.
"""

import glob
from pathlib import Path

from posttrainbench.errors import InputError, shell_quoted
from posttrainbench.files import read_jsonl
from posttrainbench.records import Stage
from posttrainbench.run.directory import Run, set_aside
from posttrainbench.run.solve_supervisor import NOTES, exit_note, is_alive, is_resumable
from posttrainbench.usage.calls import read_calls
from posttrainbench.usage.clients import is_good


def has_worked(out: Path) -> bool:
    """Return True if the agent has worked in an attempt.

    An agent with a model has worked if a model call succeeded; another one if it was started. If the sandbox failed
    before the agent printed anything, it counts as not started.

    Args:
        out: directory of the attempt.
    """
    if (out / "usage.jsonl").exists():
        return any(map(is_good, read_calls(out / "usage.jsonl")))
    output = out / "output.jsonl"
    if not output.exists():
        return False
    end = exit_note(out) if (out / NOTES).exists() else None
    if end is None or end.cause != "sandbox_failed":
        return True
    return any(line.get("stream") == "stdout" for line in read_jsonl(output))


def count_restarts(run: Run) -> int:
    """Return the number of earlier attempts in which the agent has worked, including those of a repeated run."""
    folders: list[Path] = []
    for earlier in run.root.parent.glob(f"{glob.escape(run.root.name)}.attempt-*"):
        folders += [earlier / Stage.SOLVE.folder, *earlier.glob(f"{Stage.SOLVE.folder}.*")]
    return count_own_restarts(run) + sum(map(has_worked, folders))


def count_own_restarts(run: Run) -> int:
    """Return the number of earlier attempts in this directory in which the agent has worked."""
    return sum(map(has_worked, run.attempts(Stage.SOLVE)))


def needs_again(run: Run) -> bool:
    """Return True if the agent has worked and would have to be started over, which no request permits yet."""
    partial = _partial(run)
    if run.is_done(Stage.SOLVE) or is_resumable(partial):
        return False
    events = [entry.event for entry in run.journal() if entry.stage is Stage.SOLVE]
    return events[-1:] != ["again"] and any(map(has_worked, [partial, *run.attempts(Stage.SOLVE)]))


def require_permission(run: Run) -> None:
    """Check that the agent may be started.

    Raises:
        InputError: it has worked before, and no request permits another start.
    """
    if needs_again(run):
        raise InputError(
            f"The agent of {run.root} has already worked; `ptb resume {shell_quoted(run.root)} --again` starts it over "
            "with a new workspace and the whole budget, keeps the earlier attempt and counts it in the result."
        )


def start_over(run: Run) -> None:
    """Permit another start of the agent. The earlier attempt is kept.

    Raises:
        InputError: the agent has finished or is running, or another process is working on the run.
    """
    partial = _partial(run)
    if run.is_done(Stage.SOLVE) or is_resumable(partial):
        running = not run.is_done(Stage.SOLVE) and is_alive(partial)
        state = "is running" if running else "has finished"
        raise InputError(f"The agent of {run.root} {state}; run `ptb resume {shell_quoted(run.root)}` without --again.")
    with run.lock():
        if needs_again(run):
            set_aside(partial)
            run.log(Stage.SOLVE, "again")


def _partial(run: Run) -> Path:
    return run.root / f"{Stage.SOLVE.folder}.partial"
