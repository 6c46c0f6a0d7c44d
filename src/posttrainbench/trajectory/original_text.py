"""The reader for the original benchmark's text form of a trace, `solve_parsed.txt`.

A header at the beginning of a line starts a block (`Session start — ID`, `Assistant — turn 3`, `User — turn 4`, `System
event — ...`, `Result — success`); inside of it, a header after two spaces starts a call or a result. All other lines
belong to the header above them. Headers cannot be told apart from equal lines of a tool's output.
"""

import re
from textwrap import dedent
from typing import Literal, Never

from typing_extensions import override

from posttrainbench.trajectory.atif import Result, Step, ToolCall
from posttrainbench.trajectory.events import EventDecoder, parse
from posttrainbench.trajectory.lines import Line
from posttrainbench.trajectory.reader import Reader

HEADER = re.compile(r"(Session start|Assistant|User|System event|Result) — (.*)|  (Tool call|Tool result) — (.*)")
CALL = re.compile(r"(.*?) \(([^()]*)\)$")
TURN = re.compile(r"turn \d+(?: \| (.*))?")
BLOCK_CHARACTERS = 4 * 2**20
"""Characters kept of one block."""
OPEN_CALLS = 10_000
"""Most calls without a result whose ids are known."""


class OriginalText(Reader[Never]):
    """Reader for `solve_parsed.txt`."""

    decoder: EventDecoder[Never] | None = None
    text_source: Literal["agent", "system"] = "system"

    def __init__(self, prompt: str = "", text_limit: int | None = None) -> None:
        super().__init__(prompt, text_limit)
        self._kind, self._title, self._start = "", "", 0.0
        self._lines: list[str] = []
        self._size = 0
        self._calls: set[str] = set()

    @override
    def on_event(self, t: float, event: Never) -> str | None:
        """Do nothing: this form has no events."""

    @override
    def on_end(self) -> None:
        self._end_block()

    @override
    def _line(self, line: Line) -> None:
        match = HEADER.fullmatch(line.line)
        if match is None:
            self.facts.text_lines += not self._kind
            self._size += len(line.line) + 1
            if self._size <= BLOCK_CHARACTERS:
                self._lines.append(line.line)
            else:
                self.facts.omitted += len(line.line)
            return
        self._end_block()
        self.facts.events += 1
        self._kind, self._title, self._start = match[1] or match[3], match[2] or match[4] or "", line.t
        if self._kind == "Assistant":
            turn = TURN.fullmatch(self._title)
            extra = {"time": turn[1]} if turn and turn[1] else None
            self.window().begin_turn(line.t, Step(step_id=0, source="agent", message="", extra=extra))
        elif self._kind not in ("Tool call", "Tool result"):
            self.window().end_turn()

    def _end_block(self) -> None:
        text = dedent("\n".join(self._lines)).strip("\n")
        self._lines.clear()
        self._size = 0
        window, t = self.window(), self._start
        match self._kind:
            case "Assistant":
                if text:
                    self.add_text(t, window, text)
            case "Tool call":
                self._add_call(text)
            case "Tool result":
                named = re.findall(r"[^\s()]+", self._title)
                call = next((word for word in reversed(named) if word in self._calls), "")
                self._calls.discard(call)
                extra = {"title": self._title}
                self.add_result(t, window, call, Result(content=text, extra=extra))
            case "User":
                if text:
                    window.add_step(t, Step(step_id=0, source="user", message=text))
            case "":
                if text:
                    self.add_system_step(t, text)
            case kind:
                self.add_system_step(t, "\n".join(filter(None, [f"{kind} — {self._title}", text])))
        self._kind = ""

    def _add_call(self, text: str) -> None:
        named = CALL.fullmatch(self._title)
        name, call = (named[1], named[2]) if named else (self._title, "")
        arguments = parse(text)
        if arguments is None:
            arguments = {"text": text} if text else {}
        if len(self._calls) < OPEN_CALLS:
            self._calls.add(call)
        self.add_call(self._start, self.window(), ToolCall(call, name, arguments))


def is_original_text(lines: list[str]) -> bool:
    """Return True if the first lines of a file contain a header of an assistant's turn or of a session's start."""
    return any((match := HEADER.fullmatch(line)) and match[1] in ("Session start", "Assistant") for line in lines)
