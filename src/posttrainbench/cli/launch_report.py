"""Print the plan and the outcome of `ptb launch`."""

import shlex
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.text import Text

from posttrainbench.cli.console import Console
from posttrainbench.cli.options import print_json
from posttrainbench.launch.estimate import Costs
from posttrainbench.launch.plan import Plan, concerned
from posttrainbench.launch.standing import Standing, State
from posttrainbench.records.units import short_duration
from posttrainbench.report.layout import Paragraph, columns
from posttrainbench.report.text import plain

WORDS = {
    "new": "new",
    "continue": "to be continued",
    "retry": "to be retried",
    "missing data": "missing data",
    "running": "running",
    "done": "done",
    "given up": "given up",
    "damaged": "damaged",
}
"""States in the order of the columns."""


def print_plan(plan: Plan, json: bool) -> None:
    """Print the result of a dry run."""
    if json:
        return print_json(_as_json(plan))
    console = Console(highlight=False)
    total = len(plan.standings)
    console.print(f"{total} run{'s' * (total != 1)} in {plan.root}: {_counted(plan.counts())}", soft_wrap=True)
    console.print()
    for line in columns(_table(plan), right=range(3, 3 + len(plan.counts()))):
        console.print(line, soft_wrap=True)
    console.print()
    for fact in [*_cost_lines(plan.costs), *(f"Launcher: {note}." for note in plan.notes)]:
        console.print(Paragraph(Text(plain(fact, 1000))))
    _print_reasons(console, plan.standings)
    if plan.problems:
        console.print()
        _print_problems(console, plan)
        return None
    if plan.due:
        console.print("\nReady; nothing was started. Next: the same command without --dry-run.")
    else:
        console.print("\nNothing to do.")
    return None


def print_problems(plan: Plan) -> None:
    """Print all problems on standard error."""
    _print_problems(Console(stderr=True, highlight=False), plan)


def print_states(standings: Sequence[Standing], root: Path, waits: bool) -> None:
    """Print on standard error how many runs are in each state, and the next command."""
    console = Console(stderr=True, highlight=False)
    _print_reasons(console, standings)
    given = shlex.quote(str(root))
    console.print(f"\n  {_counted(Counter(str(entry.state) for entry in standings))}", markup=False, soft_wrap=True)
    next_command = f"ptb status {given}" if not waits else f"ptb leaderboard {given}"
    console.print(f"  Next: {next_command}", markup=False, soft_wrap=True)


def _print_problems(console: Console, plan: Plan) -> None:
    keys = [entry.key for entry in plan.standings]
    rows: list[list[Text]] = [[Text("check", "bold"), Text("runs", "bold")]]
    for problem in plan.problems:
        rows.append([Text(problem.check, "red"), Text(plain(concerned(problem, keys), 300))])
    lines = columns(rows)
    console.print(lines[0], soft_wrap=True)
    for line, problem in zip(lines[1:], plan.problems, strict=True):
        console.print(line, soft_wrap=True)
        console.print(Paragraph(Text(plain(problem.text, 2000)), indent=4, head=Text("    ")))
    number = len(plan.problems)
    console.print(f"\n{number} problem{'s' * (number != 1)}; nothing was started.")


def _print_reasons(console: Console, standings: Iterable[Standing]) -> None:
    """Print once why runs failed."""
    reasons: dict[tuple[State, str], list[Standing]] = {}
    for entry in standings:
        if entry.state in (State.RETRY, State.GIVEN_UP):
            reasons.setdefault((entry.state, entry.text), []).append(entry)
    for (state, text), entries in reasons.items():
        names = entries[0].root.name if len(entries) == 1 else f"{entries[0].root.name} and {len(entries) - 1} more"
        console.print(Paragraph(Text(plain(f"{names}: {WORDS[state]}. {text}", 1000))))
    if any(state is State.GIVEN_UP for state, _ in reasons):
        console.print(
            Paragraph(
                Text("Runs that were given up: raise --retries, or repeat them with --rerun infrastructure_error.")
            )
        )


def _table(plan: Plan) -> list[list[Text]]:
    """Return one row for each agent, model and benchmark, with the number of runs in each state."""
    states = [state for state in WORDS if state in plan.counts()]
    rows = [[Text(word, "bold") for word in ("agent", "model", "benchmark", *(WORDS[state] for state in states))]]
    groups: dict[tuple[str, str, str], Counter[str]] = {}
    for entry in plan.standings:
        groups.setdefault(entry.key[:3], Counter())[plan.state(entry)] += 1
    for (agent, model, benchmark), counts in sorted(groups.items()):
        cells = [plain(agent), plain(model), plain(benchmark), *(str(counts[state] or "") for state in states)]
        rows.append([Text(cell) for cell in cells])
    return rows


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{counts[state]} {word}" for state, word in WORDS.items() if counts.get(state)) or "none"


def _cost_lines(costs: Costs) -> list[str]:
    if not costs.runs:
        return []
    evaluations = ""
    if costs.evaluation_hours is not None:
        evaluations = f", evaluations about {short_duration(costs.evaluation_hours * 3600)} (from earlier runs)"
    else:
        evaluations = ", evaluations in addition (no earlier runs to measure)"
    lines = [f"Time: agents at most {short_duration(costs.agent_hours * 3600)}{evaluations}."]
    if costs.gpus:
        lines.append(f"GPU-hours: {costs.gpu_hours:.2f}, with {costs.gpus} for each run.")
    else:
        lines.append("GPU-hours: none.")
    for agent, dollars in costs.dollars.items():
        runs = f"{dollars.earlier} earlier run{'s' * (dollars.earlier != 1)}"
        lines.append(f"{agent}: ${dollars.low:.2f} to ${dollars.high:.2f}, median ${dollars.median:.2f} ({runs}).")
    lines += [f"{agent}: dollars unknown, since no earlier run has a known price." for agent in costs.unknown]
    if not costs.dollars and not costs.unknown:
        lines.append("Dollars: none; no agent calls a paid model.")
    if costs.disk is not None:
        lines.append(f"Disk: about {costs.disk / 2**30:.2f} GiB of checkpoints, and what the agents write.")
    return lines


def _as_json(plan: Plan) -> dict[str, object]:
    costs = plan.costs
    return {
        "ready": not plan.problems,
        "experiment": str(plan.root),
        "counts": plan.counts(),
        "runs": [
            {**entry.key._asdict(), "path": str(entry.root), "state": plan.state(entry), "failures": entry.failures}
            for entry in plan.standings
        ],
        "problems": [
            {"check": problem.check, "text": problem.text, "runs": [key._asdict() for key in problem.keys]}
            for problem in plan.problems
        ],
        "costs": {
            "agent_hours": costs.agent_hours,
            "evaluation_hours": costs.evaluation_hours,
            "gpu_hours": costs.gpu_hours,
            "dollars": {
                agent: {"low": one.low, "median": one.median, "high": one.high, "earlier": one.earlier}
                for agent, one in costs.dollars.items()
            },
            "unknown": costs.unknown,
            "disk": costs.disk,
        },
    }
