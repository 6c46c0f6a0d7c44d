"""The output formats of scaffolds and their readers."""

from typing import Any, Literal, Never

from posttrainbench.errors import InputError
from posttrainbench.trajectory.claude_code import ClaudeCode
from posttrainbench.trajectory.codex import Codex
from posttrainbench.trajectory.events import EventDecoder
from posttrainbench.trajectory.gemini_cli import GeminiCli
from posttrainbench.trajectory.opencode import OpenCode
from posttrainbench.trajectory.original_text import OriginalText
from posttrainbench.trajectory.reader import Reader


class Plain(Reader[Never]):
    """Reader for plain text, such as recipes print: each burst of output is a step of the agent."""

    decoder: EventDecoder[Never] | None = None
    text_source: Literal["agent", "system"] = "agent"

    def on_event(self, t: float, event: Never) -> None:
        """Do nothing: plain text has no events."""


FORMATS: dict[str, type[Reader[Any]]] = {
    "plain": Plain,
    "claude-code": ClaudeCode,
    "codex": Codex,
    "gemini-cli": GeminiCli,
    "opencode": OpenCode,
    "original-text": OriginalText,
}


def reader_for(format: str, prompt: str = "", text_limit: int | None = None) -> Reader[Any]:
    """Return a new reader.

    Args:
        format: a key of `FORMATS`.
        prompt: the prompt of the agent.
        text_limit: maximum number of characters kept from lines that are not events; None for no limit.

    Raises:
        InputError: the format is unknown.
    """
    if format not in FORMATS:
        raise InputError(f"Unknown output format `{format}`; choose from {', '.join(FORMATS)}.")
    return FORMATS[format](prompt, text_limit)
