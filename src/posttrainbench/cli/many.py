"""Live progress of several runs at once."""

from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from posttrainbench.plugins import load_plugin
from posttrainbench.report.tables import percent
from posttrainbench.report.text import plain
from posttrainbench.run import Run
from posttrainbench.run.directory import last_line

PARALLEL = 2


class ManyProgress:
    """Shows runs at work, and a line for each that has ended."""

    def __init__(self, total: int) -> None:
        self.console = Console(stderr=True)
        self.total = total
        self.told: set[Path] = set()
        self.active: list[Run] = []
        self.live = Live(get_renderable=self._draw, console=self.console, refresh_per_second=4, transient=True)

    def change(self, active: list[Run], ended: list[Run]) -> None:
        """Called by the launcher."""
        self.active = active
        for run in ended:
            if run.root not in self.told:
                self.told.add(run.root)
                self.console.print(self._ended(run), soft_wrap=True)

    def _ended(self, run: Run) -> Text:
        spec, result = run.spec, run.result()
        place = f"[{len(self.told)}/{self.total}] {plain(spec.agent.name)} {spec.benchmark} seed {spec.seed}: "
        if result is None:
            return Text(f"{place}ended without a result, see {run.root}/launch.log", style="magenta")
        scores = f"{percent(result.score)} (raw {percent(result.raw_score)})"
        flagged = [rule for rule, state in result.verdict.items() if state == "flagged"]
        if flagged:
            return Text(f"{place}{scores} caught: {', '.join(flagged)}", style="red")
        return Text(f"{place}{scores} {result.status.replace('_', ' ')}")

    def _draw(self) -> Group:
        lines = [Text(f"{len(self.told)} of {self.total} runs done", style="bold")]
        for run in self.active:
            spec = run.spec
            head = (
                f"  {plain(spec.agent.name):<20} {spec.benchmark:<13} seed {spec.seed}  {run.next_stage() or 'done':<9}"
            )
            lines.append(Text.assemble(head, (plain(last_line(run), 60), "dim")))
        return Group(*lines)


def run_all(runs: list[Run], experiment: Path) -> None:
    """Take all runs to their end, `PARALLEL` at a time, with live progress on standard error.

    Raises:
        KeyboardInterrupt: after everything has been stopped and the way to continue has been told.
    """
    progress = ManyProgress(len(runs))
    if progress.console.is_terminal:
        progress.live.start()
    try:
        load_plugin("launchers", "local")(runs, PARALLEL, progress.change)
    except KeyboardInterrupt:
        progress.live.stop()
        progress.console.print(
            f"ptb: stopped; nothing finished is lost. Continue with: ptb resume {experiment}",
            markup=False,
            soft_wrap=True,
        )
        raise
    finally:
        progress.live.stop()
