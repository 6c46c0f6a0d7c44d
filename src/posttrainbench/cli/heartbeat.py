"""Progress lines for output that is not a terminal, so that a long step is never silent."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.text import Text

from posttrainbench.cli.console import Console

SECONDS = 59.0
"""Maximum time without a line."""
POLL_SECONDS = 0.5


class Heartbeat:
    """Prints a line whenever nothing was printed for a minute, unless the output is a terminal, which shows it live."""

    def __init__(self, console: Console, describe: Callable[[], str], seconds: float = SECONDS) -> None:
        """Prepare the lines.

        Args:
            console: the output.
            describe: returns what is going on, in one line; empty for no line.
            seconds: maximum time without a line.
        """
        self.console = console
        self.describe = describe
        self.seconds = seconds
        self._latest = time.monotonic()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._latest = time.monotonic()
        if not self.console.is_terminal:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def print(self, text: str | Text) -> None:
        """Print a line; the next heartbeat is a minute later."""
        self._latest = time.monotonic()
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def _beat(self) -> None:
        while not self._stopped.wait(min(POLL_SECONDS, self.seconds)):
            if time.monotonic() - self._latest >= self.seconds and (text := self.describe()):
                self.print(text)
