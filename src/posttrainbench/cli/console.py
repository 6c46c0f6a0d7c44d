"""Output that may lose its reader without changing what a command does."""

import io
import os
import sys
from typing import IO, TYPE_CHECKING, Any

from rich import console
from typing_extensions import override

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Console(console.Console):
    """Goes quiet when nobody reads it any more, so that a run goes on and the command keeps its exit code."""

    @override
    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard(self.file)


def discard(stream: IO[Any]) -> None:
    """Make a stream without a reader go to the null device, so that nothing is left to be flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Outliving(io.FileIO):
    """A file descriptor whose reader may go: what is written after that is lost."""

    @override
    def write(self, data: "Buffer", /) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
            return memoryview(data).nbytes


def outlive_reader(name: str) -> None:
    """Make writing to a standard stream succeed also when its reader has gone, as in `ptb ... | head -1`.

    Args:
        name: `stdout` or `stderr`.
    """
    stream = getattr(sys, name)
    if stream is not getattr(sys, f"__{name}__") or not isinstance(stream, io.TextIOWrapper):
        return  # absent, or replaced by a test
    stream.flush()
    raw = _Outliving(stream.fileno(), "w", closefd=False)
    buffer = io.BufferedWriter(raw)
    setattr(sys, name, io.TextIOWrapper(buffer, stream.encoding, stream.errors, line_buffering=stream.line_buffering))
