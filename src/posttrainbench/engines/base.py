"""What an engine is to the evaluation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posttrainbench.plugins import load_plugin

ERROR_MARK = "engine error: "


@dataclass(frozen=True)
class Engine:
    """A checkpoint being served.

    Attributes:
        base_url: OpenAI-compatible, on loopback, such as `http://127.0.0.1:4711/v1`.
        api_key: random, known to this evaluation alone.
        connections: requests worth having in flight at once.
        config: what about the engine may change a score.
        log: what it prints; a line that begins with `ERROR_MARK` tells why it could not answer.
    """

    base_url: str
    api_key: str
    connections: int
    config: dict[str, Any]
    log: Path

    def last_error(self) -> str | None:
        """Why it last could not answer, in its own words; None if it always could."""
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line.removeprefix(ERROR_MARK) for line in reversed(lines) if line.startswith(ERROR_MARK)), None)


StartEngine = Callable[[Path, Path, Path, int | None], AbstractContextManager[Engine]]
"""(checkpoint directory, chat template file, log file, CPU threads) -> the running engine, stopped on leaving.

Raises `EngineLoadError` when the checkpoint cannot be loaded.
"""


class EngineLoadError(Exception):
    """The engine came up but could not load this checkpoint. Whose fault that is, the caller finds out."""


def load_engine(name: str) -> StartEngine:
    """Find an engine among the entry points `posttrainbench.engines`.

    Raises:
        InputError: no installed package registers it.
    """
    start: StartEngine = load_plugin("engines", name)
    return start
