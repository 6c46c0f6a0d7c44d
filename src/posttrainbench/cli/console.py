"""Output that may lose its reader without changing what a command does."""

import os
from typing import IO, Any

from rich import console
from typing_extensions import override


class Console(console.Console):
    """Goes quiet when nobody reads it any more, so that a run goes on and the command keeps its exit code."""

    @override
    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard(self.file)


def discard(stream: IO[Any]) -> None:
    """Make a stream without a reader go to the null device, so that nothing is left to be flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
