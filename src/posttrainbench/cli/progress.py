"""Live progress on standard error: drawn on a terminal, a line per stage elsewhere."""

import time
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from posttrainbench.records import Stage
from posttrainbench.report.text import plain
from posttrainbench.run.watch import Watch

LINE = 100


class Progress(Watch):
    """Shows one run: its stages, the time left, the agent's last line."""

    def __init__(self, title: str) -> None:
        self.console = Console(stderr=True)
        self.title = title
        self.current: Stage | None = None
        self.began = time.monotonic()
        self.done: list[tuple[Stage, float]] = []
        self.saying = ""
        self.line = ""
        self.seconds_left: float | None = None
        self.live = Live(get_renderable=self._draw, console=self.console, refresh_per_second=5, transient=True)

    def __enter__(self) -> "Progress":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def stage(self, stage: Stage) -> None:
        """See `Watch.stage`."""
        moment = time.monotonic()
        if self.current is None and not self.console.is_terminal:
            self.console.print(self.title, markup=False, highlight=False)
        if self.current is not None:
            self.done.append((self.current, moment - self.began))
        self.current, self.began = stage, moment
        self.saying, self.line, self.seconds_left = "", "", None

    def say(self, text: str) -> None:
        """See `Watch.say`."""
        self.saying = text
        if not self.console.is_terminal:
            self.console.print(f"  {self.current}: {text}", markup=False, highlight=False)

    def agent(self, line: str) -> None:
        """See `Watch.agent`."""
        self.line = line

    def left(self, seconds: float) -> None:
        """See `Watch.left`."""
        self.seconds_left = seconds

    def _draw(self) -> Group:
        lines: list[Text | Spinner] = [Text(self.title, style="bold")]
        lines += [Text(f"  ✓ {stage:<9}{seconds:6.1f} s", style="green") for stage, seconds in self.done]
        if self.current is not None:
            now = Text(f"{self.current:<9}{time.monotonic() - self.began:6.1f} s  {self.saying}")
            if self.seconds_left is not None:
                now.append(f"  {self.seconds_left:.0f} s left", style="cyan")
            lines.append(Spinner("dots", now))
        if self.line:
            lines.append(Text(f"    {plain(self.line, LINE)}", style="dim"))
        return Group(*lines)
