"""How an agent stands, in a word, and what it used, in a line."""

from pydantic import ValidationError

from posttrainbench.records import AgentEnd, Outcome, Stage
from posttrainbench.run.apart import NOTES, how_it_ended, is_alive
from posttrainbench.run.directory import Run
from posttrainbench.run.monitor import peaks

UNIT = 2**20


def agent_state(run: Run) -> str:
    """How it ended; else `not started`, `at work`, `killed`, how it failed, or `finished` and not taken over yet."""
    outcome = _outcome(run)
    if outcome is not None:
        return outcome.limit if outcome.end is AgentEnd.LIMIT and outcome.limit else str(outcome.end)
    partial = run.root / f"{Stage.SOLVE.folder}.partial"
    if not (partial / NOTES).exists():
        return "not started"
    if is_alive(partial):
        return "at work"
    end = how_it_ended(partial)
    return "killed" if end is None else "finished" if end.end == "done" else end.cause or end.end


def agent_line(run: Run) -> str:
    """How it ended and what it used at most; empty before its end."""
    outcome = _outcome(run)
    if outcome is None:
        return ""
    said = {
        AgentEnd.EXITED: "ended by itself",
        AgentEnd.CRASHED: f"crashed with exit code {outcome.exit_code}",
        AgentEnd.DEADLINE: "was ended at its deadline",
        AgentEnd.LIMIT: f"was ended for using more than it may ({outcome.limit})",
    }[outcome.end]
    if outcome.limit and outcome.end is not AgentEnd.LIMIT:
        said += f", having met a limit ({outcome.limit})"
    if outcome.isolation == "none":
        said += ", and ran without a sandbox"
    most = peaks(run.stage(Stage.SOLVE) / "monitor.jsonl")
    if not most.processes:
        return f"The agent {said}."
    used = f"{most.memory / UNIT:.0f} MiB memory, {most.processes} processes, {most.disk / UNIT:.0f} MiB disk"
    if most.gpu_busy is not None:
        used += f", {most.gpu_memory / UNIT:.0f} MiB GPU memory; GPUs {100 * most.gpu_busy:.0f} % busy"
    return f"The agent {said}. It used up to {used}; {most.cpu:.1f} CPUs on average."


def _outcome(run: Run) -> Outcome | None:
    try:
        return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
    except (OSError, ValidationError):
        return None
