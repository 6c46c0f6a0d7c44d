"""One-word agent status and a one-line resource summary."""

from pydantic import ValidationError

from posttrainbench.errors import InputError, shell_quoted
from posttrainbench.records import AgentEnd, Outcome, Stage
from posttrainbench.run.directory import Run, is_busy
from posttrainbench.run.imported import IMPORTED
from posttrainbench.run.monitor import peak_usage
from posttrainbench.run.solve_supervisor import NOTES, exit_note, is_alive

UNIT = 2**20


def agent_state(run: Run) -> str:
    """Return how the agent ended, or `not started`, `running`, `killed`, `finished` or the cause of a failure.

    Of an imported run, return `imported`.
    """
    outcome = _outcome(run)
    if outcome is not None:
        return outcome.limit if outcome.end is AgentEnd.LIMIT and outcome.limit else str(outcome.end)
    if (run.root / IMPORTED).is_file():
        return "imported"
    partial = run.root / f"{Stage.SOLVE.folder}.partial"
    try:
        if not (partial / NOTES).exists():
            return "not started"
        if is_alive(partial):
            return "running"
        end = exit_note(partial)
    except FileNotFoundError:  # the stage has just finished, and its directory was renamed
        return "finished"
    return "killed" if end is None else "finished" if end.end == "done" else end.cause or end.end


def require_collected(run: Run) -> None:
    """Raise InputError with the next step if there is nothing to audit yet, because the submission is not collected."""
    if run.is_done(Stage.COLLECT):
        return
    advice = f"continue the run with `ptb resume {shell_quoted(run.root)}`"
    if agent_state(run) == "running" or is_busy(run):
        advice = f"wait until its agent has finished, or end it with `ptb stop {shell_quoted(run.root)}`"
    raise InputError(f"{run.root} has nothing to audit yet; {advice}.")


def require_audited(run: Run) -> None:
    """Raise InputError with the next step if a run has not been audited."""
    if run.is_done(Stage.AUDIT):
        return
    require_collected(run)
    raise InputError(f"{run.root} has not been audited; run `ptb audit {shell_quoted(run.root)}`.")


def agent_summary(run: Run) -> str:
    """Return how the agent ended and its peak resource usage; empty if it has not ended.

    An early end by a person is left out, because the result's notes say it.
    """
    outcome = _outcome(run)
    if outcome is None:
        return ""
    text = {
        AgentEnd.EXITED: "exited",
        AgentEnd.CRASHED: f"crashed with exit code {outcome.exit_code}",
        AgentEnd.DEADLINE: "was stopped at its deadline",
        AgentEnd.STOPPED: "",  # said in the notes of the result
        AgentEnd.LIMIT: f"was stopped because it exceeded a limit ({outcome.limit})",
    }[outcome.end]
    if outcome.limit and outcome.end is not AgentEnd.LIMIT:
        text += f"{'' if text else 'was stopped'} after reaching a limit ({outcome.limit})"
    if outcome.isolation == "none":
        text += f"{', and ' if text else ''}ran without a sandbox"
    ended = f"The agent {text}. " if text else ""
    peak = peak_usage(run.stage(Stage.SOLVE) / "monitor.jsonl")
    if not peak.processes:
        return ended.rstrip()
    processes = f"{peak.processes} process{'' if peak.processes == 1 else 'es'}"
    used = f"{peak.memory / UNIT:.0f} MiB memory, {processes}, {peak.disk / UNIT:.0f} MiB disk"
    if peak.gpu_busy is not None:
        used += f", {peak.gpu_memory / UNIT:.0f} MiB GPU memory; {100 * peak.gpu_busy:.0f}% GPU utilization"
    return f"{ended}Peak usage: {used}. Average: {peak.cpu:.1f} CPUs."


def _outcome(run: Run) -> Outcome | None:
    try:
        return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
    except (OSError, ValidationError):
        return None
