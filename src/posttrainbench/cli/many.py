"""Live progress of several concurrent runs."""

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text
from typing_extensions import override

from posttrainbench.cli.console import Console
from posttrainbench.cli.heartbeat import Heartbeat
from posttrainbench.cli.interrupt import STOPPED, agents_at_work, ask
from posttrainbench.errors import shell_quoted
from posttrainbench.launch.base import LaunchOrder, Watch, last_log_line, load_launcher
from posttrainbench.launch.job_process import LOG
from posttrainbench.records import Placement, Status
from posttrainbench.records.units import short_duration
from posttrainbench.report.text import percent, plain
from posttrainbench.run import Run
from posttrainbench.run.directory import last_output_line
from posttrainbench.run.progress import InterruptChoice
from posttrainbench.run.status import agent_state
from posttrainbench.run.summary import seconds_left

LISTED = 3
"""Active runs that a line lists."""
LAST_LINE = 60
"""Characters of an agent's last line that a line shows."""


class ManyProgress(Watch):
    """Shows the active runs, and prints a line for each run that has ended."""

    def __init__(self, total: int) -> None:
        self.console = Console(stderr=True)
        self.total = total
        self.reported: set[Path] = set()
        self.stages: dict[Path, str] = {}
        self.active: Sequence[Run] = ()
        self.heartbeat = Heartbeat(self.console, self._describe)
        self.live = Live(get_renderable=self._draw, console=self.console, refresh_per_second=4, transient=True)

    @override
    def on_change(self, active: Sequence[Run], ended: Sequence[Run]) -> None:
        self.active = active
        if not self.console.is_terminal:
            for run in active:
                self._print_stage(run)
        for run in ended:
            if run.root not in self.reported:
                self.reported.add(run.root)
                self.heartbeat.print(self._ended(run))

    @override
    def on_message(self, text: str) -> None:
        self.console.print(plain(text, 1000), markup=False, highlight=False, soft_wrap=True)

    @override
    def on_interrupt(self) -> InterruptChoice:
        return ask(self.live, self.working())

    def _print_stage(self, run: Run) -> None:
        """Print a line if a run has reached another stage."""
        stage = str(run.next_stage() or "settle")
        if self.stages.get(run.root) != stage:
            self.stages[run.root] = stage
            self.heartbeat.print(f"  {_named(run)}: {stage}")

    def _ended(self, run: Run) -> Text:
        result = run.result()
        prefix = f"[{len(self.reported)}/{self.total}] {_named(run)}: "
        if result is None:
            return Text(f"{prefix}{_reason(run)} See {run.root / LOG}.", style="magenta")
        if result.score is None:
            return Text(f"{prefix}{result.status.replace('_', ' ')}: {plain(' '.join(result.reasons), 400)}", "magenta")
        scores = f"{percent(result.score)} (raw {percent(result.raw_score)})"
        flagged = [rule for rule, state in result.verdict.items() if state == "flagged"]
        if flagged:
            return Text(f"{prefix}{scores} flagged: {', '.join(flagged)}", style="red")
        if result.suspected:
            return Text(f"{prefix}{scores} suspected: {', '.join(result.suspected)}", style="yellow")
        return Text(f"{prefix}{scores} {result.status.replace('_', ' ')}")

    def working(self) -> list[str]:
        """Return a description of each active run whose agent works."""
        return [
            f"{plain(run.spec.agent.name)} on {run.spec.benchmark}, seed {run.spec.seed}"
            for run in self.active
            if agent_state(run) == "running"
        ]

    def _describe(self) -> str:
        """Return the number of runs that have ended, and what the active ones do."""
        active = [_activity(run) for run in self.active[:LISTED]]
        if len(self.active) > LISTED:
            active.append(f"{len(self.active) - LISTED} more")
        text = "; ".join(active)
        return f"{len(self.reported)} of {self.total} runs done{', active: ' if text else ''}{text}"

    def _draw(self) -> Group:
        lines = [Text(f"{len(self.reported)} of {self.total} runs done", style="bold")]
        for run in self.active:
            spec = run.spec
            head = (
                f"  {plain(spec.agent.name):<20} {spec.benchmark:<13} seed {spec.seed}  {run.next_stage() or 'done':<9}"
            )
            lines.append(Text.assemble(head, (plain(last_output_line(run), 60), "dim")))
        return Group(*lines)


def _named(run: Run) -> str:
    """Return the agent, benchmark and seed of a run."""
    return f"{plain(run.spec.agent.name)} {run.spec.benchmark} seed {run.spec.seed}"


def _activity(run: Run) -> str:
    """Return the stage of a run, and for a running agent its time left and its last line."""
    text = f"{_named(run)} in {run.next_stage() or 'settle'}"
    if agent_state(run) != "running":
        return text
    left = seconds_left(run)
    line = plain(last_output_line(run), LAST_LINE)
    return text + ("" if left is None else f", {short_duration(left)} left") + (f": {line}" if line else "")


def _reason(run: Run) -> str:
    """Return one sentence on why a run's process ended without a result."""
    line = plain(last_log_line(run), 400)
    if line.startswith("ptb: "):
        return f"ended without a result: {line.removeprefix('ptb: ').rstrip('.')}."
    return f"ended without a result after printing: {line}." if line else "ended without a result."


def require_all(runs: Sequence[Run], command: str) -> None:
    """Exit with 1 if a run ended without a result, or by a failure of the machine.

    Args:
        runs: the runs.
        command: continues them.

    Raises:
        typer.Exit: after a sentence that says how to continue.
    """
    failed = 0
    for run in runs:
        result = run.result()
        failed += result is None or result.status is Status.INFRASTRUCTURE_ERROR
    if failed:
        line = f"ptb: {failed} of {len(runs)} runs have no result. Continue with: {command}"
        Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1)


def run_all(runs: Sequence[Run], experiment: Path) -> None:
    """Execute runs of an experiment without a definition on this machine; see `execute`."""
    order = LaunchOrder(runs, experiment, Placement(), retries=0, gpus=0, budget=0)
    execute(order, f"ptb resume {shell_quoted(experiment)}")


def execute(order: LaunchOrder, command: str) -> None:
    """Execute runs by the launcher of their experiment, with live progress on standard error.

    Args:
        order: the runs.
        command: continues them.

    Raises:
        KeyboardInterrupt: re-raised after a message that says how to continue. Agents that work are left running.
    """
    progress = ManyProgress(len(order.runs))
    launcher = load_launcher(order.placement.launcher)
    if progress.console.is_terminal and launcher.waits:
        progress.live.start()
    try:
        with progress.heartbeat:
            launcher.launch(order, progress)
    except KeyboardInterrupt:
        progress.live.stop()
        why = "interrupted; finished stages are kept"
        if STOPPED.is_set():
            why = "ended by `ptb stop`, which also ends the agents; their work is kept"
        else:
            for run in agents_at_work(progress.active):
                progress.console.print(f"ptb: the agent of {run.root} keeps working", markup=False, soft_wrap=True)
        progress.console.print(f"ptb: {why}. Continue with: {command}", markup=False, soft_wrap=True)
        raise
    finally:
        progress.live.stop()
