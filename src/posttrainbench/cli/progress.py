"""Live progress of a run on standard error: drawn on a terminal, as plain lines elsewhere.

Elsewhere, there is one line for each stage, its messages, and a line every minute with the time left and the agent's
last output.
"""

import re
import time
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text
from typing_extensions import override

from posttrainbench.cli.console import Console
from posttrainbench.cli.heartbeat import Heartbeat
from posttrainbench.cli.interrupt import ask
from posttrainbench.records import Stage
from posttrainbench.records.units import short_duration
from posttrainbench.report.text import plain
from posttrainbench.run.progress import InterruptChoice, ProgressListener

LINE = 100
MESSAGE = 400
COUNT = re.compile(r"\b\d+ of \d+\b")
"""In messages that count items or detectors."""


class Progress(ProgressListener):
    """Shows the stages of one run, the time left, and the agent's last output line."""

    def __init__(self, title: str) -> None:
        self.console = Console(stderr=True)
        self.title = title
        self.current: Stage | None = None
        self.began = time.monotonic()
        self.done: list[tuple[Stage, float]] = []
        self.message = ""
        self.line = ""
        self.seconds_left: float | None = None
        self.heartbeat = Heartbeat(self.console, self._describe)
        self.live = Live(get_renderable=self._draw, console=self.console, refresh_per_second=5, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        self.heartbeat.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()
        self.heartbeat.__exit__(kind, error, trace)

    @override
    def on_stage(self, stage: Stage) -> None:
        moment = time.monotonic()
        if self.current is None and not self.console.is_terminal:
            self.heartbeat.print(self.title)
        if not self.console.is_terminal:
            self.heartbeat.print(f"  {stage}")
        if self.current is not None:
            self.done.append((self.current, moment - self.began))
        self.current, self.began = stage, moment
        self.message, self.line, self.seconds_left = "", "", None

    @override
    def on_message(self, text: str) -> None:
        repeated = text == self.message or COUNT.search(text)
        self.message = text
        if not self.console.is_terminal and not repeated:
            self.heartbeat.print(f"  {self.current}: {plain(text, MESSAGE)}")

    @override
    def on_agent_output(self, line: str) -> None:
        self.line = line

    @override
    def on_time_left(self, seconds: float) -> None:
        self.seconds_left = seconds

    @override
    def on_interrupt(self) -> InterruptChoice:
        return ask(self.live)

    def _describe(self) -> str:
        """Return the stage, its time, the time left, and the agent's last line or the latest message."""
        if self.current is None:
            return ""
        left = "" if self.seconds_left is None else f", {short_duration(self.seconds_left)} left"
        text = plain(self.line or self.message, LINE)
        return f"  {self.current} {short_duration(time.monotonic() - self.began)}{left}{': ' if text else ''}{text}"

    def _draw(self) -> Group:
        lines: list[Text | Spinner] = [Text(self.title, style="bold")]
        lines += [Text(f"  ✓ {stage:<9}{short_duration(seconds):>7}", style="green") for stage, seconds in self.done]
        if self.current is not None:
            now = Text(f"{self.current:<9}{short_duration(time.monotonic() - self.began):>7}  ")
            if self.seconds_left is not None:
                now.append(f"{short_duration(self.seconds_left)} left  ", style="cyan")
            now.append(self.message)  # last, because long lines are cut
            lines.append(Spinner("dots", now))
        if self.line:
            lines.append(Text(f"    {plain(self.line, LINE)}", style="dim"))
        return Group(*lines)
