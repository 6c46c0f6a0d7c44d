"""Render steps and recorded lines as text that is safe for a terminal."""

import json
import math
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from posttrainbench.trajectory.atif import Result, Step, ToolCall
from posttrainbench.trajectory.lines import Line
from posttrainbench.trajectory.terminal import excerpt, printable, printable_lines
from posttrainbench.trajectory.window import TimedStep

SHELL_TOOLS = frozenset({"bash", "shell", "run_shell_command", "command_execution", "exec_command", "local_shell"})
"""Names of shell tools; the filters `bash` and `shell` match all of them."""
HEAD, TAIL = 12, 6
"""Number of first and last lines shown of a long result, argument or prompt."""
AUTHORS_WIDTH = 60
"""A line of prose with fewer characters was not wrapped by its author but ends there."""
BLOCK = re.compile(r"\s*(?:[-*+#>|…]|\d+[.)]\s|\w+:\s)")
"""A line that begins a list item, a heading, a quotation, a table row, an omission or a field."""
MAX_PENDING_CALLS = 10_000
"""Maximum number of remembered calls whose results arrive after their steps."""


@dataclass(frozen=True)
class Selection:
    """Filter of steps and lines.

    Attributes:
        tools: names of tools in lower case; empty for all.
        grep: pattern that the text must match; None for any text.
        start, end: seconds since the agent's start.
    """

    tools: frozenset[str] = frozenset()
    grep: re.Pattern[str] | None = None
    start: float = 0.0
    end: float = math.inf

    def matches_line(self, line: Line) -> bool:
        """Return True if a line matches."""
        return self.start <= line.t <= self.end and (self.grep is None or self.grep.search(line.line) is not None)

    def matches_tool(self, name: str) -> bool:
        """Return True if calls of a tool match."""
        name = name.lower()
        names = self.tools | SHELL_TOOLS if self.tools & {"bash", "shell"} else self.tools
        return not names or name in names

    def matches(self, timed: TimedStep, names: dict[str, str]) -> bool:
        """Return True if a step matches.

        Args:
            timed: the step.
            names: call -> tool, for calls in earlier steps whose results are pending.
        """
        step = timed.step
        if not self.start <= timed.t <= self.end:
            return False
        if self.tools:
            called = [call.function_name for call in step.tool_calls or ()]
            called += [names[call] for result in _results(step) if (call := _pending_call(result)) in names]
            if not any(map(self.matches_tool, called)):
                return False
        return self.grep is None or any(self.grep.search(text) for text in _texts(step))


@dataclass
class View:
    """Renderer of steps.

    Attributes:
        selection: the filter.
        full: True to show long results, arguments and prompts completely.
        prompt: True to show the first step, which is the prompt, completely.
        subagents: thread -> description of the subagent.
        width: at which lines of prose (prompts, messages, reasoning) are wrapped between words; None for no limit.
            Calls and results are never wrapped.
        names: call -> tool, for calls whose results are pending.
    """

    selection: Selection
    full: bool = False
    prompt: bool = False
    width: int | None = None
    subagents: dict[str, dict[str, Any]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def select(self, timed: TimedStep) -> bool:
        """Return True if a step is to be shown. Must be called for every step, in order."""
        selected = self.selection.matches(timed, self.names)
        answered = {result.source_call_id for result in _results(timed.step)}
        for call in timed.step.tool_calls or ():
            if call.tool_call_id not in answered and len(self.names) < MAX_PENDING_CALLS:
                self.names[call.tool_call_id] = call.function_name
        return selected

    def render(self, timed: TimedStep) -> Iterator[Text]:
        """Yield the lines of a step; the last line is empty."""
        step = timed.step
        yield self._header(timed)
        if not self.selection.tools:
            if step.reasoning_content:
                yield from self._block(step.reasoning_content, "  ", "dim italic", whole=True, prose=True)
            style = "cyan" if step.source == "user" else "yellow" if step.source == "system" else ""
            whole = step.source != "user" or (self.prompt and step.step_id == 1)
            if step.message:
                yield from self._block(step.message, "  ", style, whole=whole, prose=True)
            if step.extra and "event" in step.extra:
                yield from self._block(json.dumps(step.extra["event"], ensure_ascii=False), "    ", "dim")
        results = list(_results(step))
        for call in step.tool_calls or ():
            if self.selection.matches_tool(call.function_name):
                yield from self._call(call)
                for result in results:
                    if result.source_call_id == call.tool_call_id:
                        yield from self._result(result, "")
        for result in results:
            if result.source_call_id is None:
                yield from self._result(result, self.names.pop(_pending_call(result), "an earlier call"))
        yield Text()

    def _header(self, timed: TimedStep) -> Text:
        step = timed.step
        parts = [(format_time(timed.t), "bold dim"), (f"  #{step.step_id} ", "dim"), (step.source, "bold")]
        if timed.thread:
            about = self.subagents.get(timed.thread, {})
            parts.append((f" ⤷ {printable(str(about.get('description') or timed.thread))[:80]}", "magenta"))
        if step.model_name:
            parts.append((f"  {printable(step.model_name)[:80]}", "dim"))
        if (metrics := step.metrics) is not None:
            counts = [f"{count:,}" for count in (metrics.prompt_tokens, metrics.completion_tokens) if count is not None]
            cost = f"  ${metrics.cost_usd:.4f}" if metrics.cost_usd else ""
            parts.append((f"  {' → '.join(counts)} tokens{cost}", "dim"))
        return Text.assemble(*parts)

    def _call(self, call: ToolCall) -> Iterator[Text]:
        yield Text.assemble(("  ▸ ", "green"), (printable(call.function_name)[:80], "bold green"))
        for name, value in call.arguments.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if name in ("command", "cmd"):
                yield from self._block(text, "    ", "")
            elif "\n" in text:
                yield Text(f"    {printable(name)}:", style="dim")
                yield from self._block(text, "      ", "")
            else:
                yield from self._block(f"{name}: {text}", "    ", "dim")

    def _result(self, result: Result, of: str) -> Iterator[Text]:
        extra = result.extra or {}
        code = extra.get("exit_code")
        failed = extra.get("is_error") is True or code not in (None, 0) or "status" in extra
        if of:
            yield Text(f"  ◂ result of {printable(of)[:80]}", style="green")
        if failed:
            yield Text(f"    failed{'' if code is None else f', exit code {code}'}", style="red")
        elif code is None and "exit_code" in extra:
            yield Text("    no exit code", style="yellow")
        yield from self._block(result.content or "", "    ", "red" if failed else "dim")

    def _block(self, text: str, indent: str, style: str, whole: bool = False, prose: bool = False) -> Iterator[Text]:
        lines = printable_lines(text)
        grep = self.selection.grep
        chosen = lines if whole or self.full else excerpt(lines, HEAD, TAIL, grep)
        for line in _joined(chosen) if prose and self.width else chosen:
            indented = f"{indent}{line}".rstrip()
            for part in _wrapped(indented, self.width) if prose and self.width else (indented,):
                text_line = Text(part, style=style)
                if grep is not None:
                    text_line.highlight_regex(grep, "reverse")
                yield text_line


def _joined(lines: Iterable[str]) -> list[str]:
    """Return lines of prose; the lines of a paragraph that its author has wrapped are joined."""
    result: list[str] = []
    last, fenced = "", False
    for line in lines:
        fence = line.lstrip().startswith("```")
        goes_on = not (fenced or fence) and len(last) >= AUTHORS_WIDTH and bool(line.strip()) and not BLOCK.match(line)
        if goes_on and _indentation(line) <= len(_margin(result[-1])):
            result[-1] += f" {line.strip()}"
        else:
            result.append(line)
        fenced ^= fence
        last = "" if fence else line
    return result


def _margin(line: str) -> str:
    """Return the indentation of a line, with the sign of a list item."""
    found = re.match(r"\s*(?:[*-]\s+|\d+\.\s+)?", line)
    return found[0] if found else ""


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _wrapped(line: str, width: int) -> list[str]:
    """Return a line as lines of at most this width, indented alike. Words are not broken."""
    if len(line) <= width:
        return [line]
    return textwrap.wrap(
        line,
        width,
        subsequent_indent=" " * len(_margin(line)),
        break_long_words=False,
        break_on_hyphens=False,
        drop_whitespace=True,
    )


def render_line(line: Line) -> Text:
    """Render a recorded line with its time."""
    style = {"stderr": "yellow", "prompt": "cyan", "torn": "red"}.get(line.stream, "")
    return Text.assemble((f"{line.t:9.1f} s  ", "dim"), (printable(line.line), style))


def format_time(seconds: float) -> str:
    """Format seconds as `H:MM:SS.t`."""
    tenths = round(seconds * 10)
    return f"{tenths // 36000}:{tenths // 600 % 60:02}:{tenths // 10 % 60:02}.{tenths % 10}"


def _results(step: Step) -> list[Result]:
    return step.observation.results if step.observation else []


def _pending_call(result: Result) -> str:
    """Return the call id of a result that arrived after the step of its call; "" for other results."""
    call = (result.extra or {}).get("call_id")
    return call if isinstance(call, str) and result.source_call_id is None else ""


def _texts(step: Step) -> Iterator[str]:
    """Yield all texts of a step, for searching."""
    yield step.message
    if step.reasoning_content:
        yield step.reasoning_content
    for call in step.tool_calls or ():
        yield call.function_name
        for value in call.arguments.values():
            yield value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    for result in _results(step):
        if result.content:
            yield result.content
    if step.extra:
        yield json.dumps(step.extra, ensure_ascii=False)
