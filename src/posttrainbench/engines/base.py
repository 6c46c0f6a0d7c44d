"""What an engine is to the evaluation."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from posttrainbench.errors import InputError


@dataclass(frozen=True)
class Engine:
    """A checkpoint being served.

    Attributes:
        base_url: OpenAI-compatible, on loopback, such as `http://127.0.0.1:4711/v1`.
        api_key: random, known to this evaluation alone.
        connections: requests worth having in flight at once.
        config: what about the engine may change a score.
    """

    base_url: str
    api_key: str
    connections: int
    config: dict[str, Any]


StartEngine = Callable[[Path, Path, Path], AbstractContextManager[Engine]]
"""(checkpoint directory, chat template file, log file) -> the running engine, stopped on leaving the context.

Raises `EngineLoadError` when the checkpoint cannot be loaded.
"""


class EngineLoadError(Exception):
    """The engine came up but could not load this checkpoint. Whose fault that is, the caller finds out."""


def load_engine(name: str) -> StartEngine:
    """Find an engine among the entry points `posttrainbench.engines`.

    Raises:
        InputError: no installed package registers it.
    """
    points = entry_points(group="posttrainbench.engines")
    if name not in points.names:
        raise InputError(f"There is no engine `{name}`; choose one of: {', '.join(sorted(points.names))}.")
    start: StartEngine = points[name].load()
    return start
