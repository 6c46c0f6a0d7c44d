"""Read the agent's calls from `solve/trajectory.json`: commands, files written and edited, pages opened.

Covers: the tools of all scaffolds with a reader, including subagents. The trajectory is read step by step; only the
beginnings and ends of results are kept, and at most `HELD_CHARACTERS` of the calls and of the messages.

Does not cover: files that a tool changes without recording the change (Codex records no patches), and what a command
did internally.
"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from posttrainbench.trajectory.atif import Result, Step, ToolCall
from posttrainbench.trajectory.render import SHELL_TOOLS
from posttrainbench.untrusted import UnreadableError, open_regular, read_json

HELD_CHARACTERS = 64 * 2**20
"""Characters kept of all calls, and of all messages."""
LONGEST = 2**20
"""Characters of the longest command or file; longer ones are left out."""
MOST_TOOLS = 1000
LONGEST_TOOL = 200
"""Characters kept of a tool's name."""
SUBAGENT_TOOLS = frozenset(
    "task agent workflow skill spawn_agent collab_tool_call delegate_to_agent codebase_investigator generalist "
    "browser_agent cli_help".split()
)
"""Names, in lower case, of the tools with which the scaffolds start sub-agents."""
HEAD, TAIL = 4000, 1000
"""Characters kept of a result."""
WHOLE_BYTES = 64 * 2**20
"""Bytes of the largest trajectory that is read at once, if its steps are not on separate lines."""
_CONTENT = ("content", "file_text", "contents", "new_source")
_PATHS = ("file_path", "filePath", "notebook_path", "absolute_path", "path", "filename")
_FIRST = b'{"step_id"'


@dataclass
class Action:
    """A tool call.

    Attributes:
        line: line in `trajectory.json`, 1-based.
        time: ISO 8601 timestamp of the step.
        kind: `command`, `write` (a whole file), `edit`, or `open` (a web page).
        path: path of the file as the agent wrote it, or address of the page.
        text: the command, the file's content, or the text that an edit inserts.
        old: the text that an edit replaces.
        output: beginning and end of the result.
        failed: None if the scaffold does not record it.
    """

    line: int
    time: str
    kind: Literal["command", "write", "edit", "open"]
    path: str = ""
    text: str = ""
    old: str = ""
    output: str = ""
    failed: bool | None = None


@dataclass
class Trace:
    """The agent's actions in chronological order.

    Attributes:
        actions: the calls.
        messages: (line, text) of the agent's messages.
        tools: names of the tools that it called, in lower case; at most `MOST_TOOLS`.
        steps: number of steps.
        turns: number of steps of the agent and its printed sub-agents: replies of its model.
        calls: number of tool calls.
        subagents: number of calls that start a sub-agent.
        omitted: number of calls and messages that were too long to keep.
        broken: number of steps that could not be read.
        present: True if there was a trajectory.
    """

    actions: list[Action] = field(default_factory=list)
    messages: list[tuple[int, str]] = field(default_factory=list)
    tools: set[str] = field(default_factory=set)
    steps: int = 0
    turns: int = 0
    calls: int = 0
    subagents: int = 0
    omitted: int = 0
    broken: int = 0
    present: bool = False

    @property
    def commands(self) -> list[Action]:
        """The actions that are commands."""
        return [action for action in self.actions if action.kind == "command"]


def read_trace(path: Path) -> Trace:
    """Read a trajectory; the result is empty and not `present` if it is missing or unreadable."""
    trace = Trace()
    open_calls: dict[str, Action] = {}
    held = held_messages = 0
    try:
        for line, step in _steps(path, trace):
            trace.present = True
            trace.steps += 1
            trace.turns += step.source == "agent"
            if step.source == "agent" and step.message:
                message = step.message[:LONGEST]
                held_messages += len(message)
                if held_messages <= HELD_CHARACTERS:
                    trace.messages.append((line, message))
                else:
                    trace.omitted += 1
            for call in step.tool_calls or ():
                trace.calls += 1
                trace.subagents += call.function_name.lower() in SUBAGENT_TOOLS
                if len(trace.tools) < MOST_TOOLS:
                    trace.tools.add(call.function_name.lower()[:LONGEST_TOOL])
                for action in _actions(call, line, step.timestamp or ""):
                    size = len(action.text) + len(action.old)
                    if size > LONGEST or held + size > HELD_CHARACTERS:
                        trace.omitted += 1
                        continue
                    held += size
                    trace.actions.append(action)
                    if action.kind in ("command", "open"):
                        open_calls[call.tool_call_id] = action
            for result in step.observation.results if step.observation else ():
                name = result.source_call_id or str((result.extra or {}).get("call_id", ""))
                if (answered := open_calls.pop(name, None)) is not None:
                    _answer(answered, result)
                    held += len(answered.output)
    except (UnreadableError, OSError):
        return Trace()
    trace.actions.sort(key=lambda action: action.time)  # steps of subagents follow all others
    return trace


def _steps(path: Path, trace: Trace) -> Iterator[tuple[int, Step]]:
    """Yield the steps with their lines; unreadable steps are counted in `trace.broken`.

    Raises:
        UnreadableError: the file is missing or not a regular file.
    """
    decoder = msgspec.json.Decoder(Step)
    line_by_line = False
    with open_regular(path) as file:
        for number, line in enumerate(file, 1):
            if not line.startswith(_FIRST):
                continue
            line_by_line = True
            try:
                yield number, decoder.decode(line.rstrip(b",\n"))
            except (msgspec.MsgspecError, RecursionError):
                trace.broken += 1
    if not line_by_line:
        yield from ((1, step) for step in _of_whole(read_json(path, WHOLE_BYTES), trace))


def _of_whole(value: Any, trace: Trace) -> Iterator[Step]:
    if not isinstance(value, dict):
        return
    listed = value.get("steps")
    for step in listed if isinstance(listed, list) else ():
        try:
            yield msgspec.convert(step, Step)
        except (msgspec.ValidationError, RecursionError):
            trace.broken += 1
    nested = value.get("subagent_trajectories")
    for other in nested if isinstance(nested, list) else ():
        yield from _of_whole(other, trace)


def _answer(action: Action, result: Result) -> None:
    text, extra = result.content or "", result.extra or {}
    action.output = text if len(text) <= HEAD + TAIL else f"{text[:HEAD]}\n...\n{text[-TAIL:]}"
    code = extra.get("exit_code")
    action.failed = extra.get("is_error") is True or code not in (None, 0) or extra.get("status") == "failed"
    if "exit_code" in extra and code is None and not action.failed:
        action.failed = None  # the command did not end by itself
    if not extra:
        action.failed = None if not text else text.startswith("Exit code ")


def _actions(call: ToolCall, line: int, time: str) -> Iterator[Action]:
    name, arguments = call.function_name.lower(), call.arguments
    path = next((value for key in _PATHS if isinstance(value := arguments.get(key), str)), "")
    command = arguments.get("command", arguments.get("cmd"))
    if name in SHELL_TOOLS or name.endswith("bash") or (command is not None and not path):
        if isinstance(command, list):
            command = _joined([str(word) for word in command])
        if isinstance(command, str):
            yield Action(line, time, "command", text=command)
        return
    if path:
        for key in _CONTENT:
            if isinstance(text := arguments.get(key), str):
                yield Action(line, time, "write", path=path, text=text)
                return
        edits = arguments.get("edits")
        for edit in edits if isinstance(edits, list) else [arguments]:
            if isinstance(edit, dict):
                old = edit.get("old_string", edit.get("oldString", edit.get("old_str", "")))
                new = edit.get("new_string", edit.get("newString", edit.get("new_str", "")))
                if isinstance(old, str) and isinstance(new, str) and (old or new):
                    yield Action(line, time, "edit", path=path, old=old, text=new)
        return
    if isinstance(url := arguments.get("url"), str) or (
        isinstance(opened := arguments.get("action"), dict) and isinstance(url := opened.get("url"), str)
    ):
        yield Action(line, time, "open", path=url)
    elif name in ("web_fetch", "webfetch") and isinstance(text := arguments.get("prompt"), str):
        yield from (Action(line, time, "open", path=word) for word in text.split() if word.startswith("http"))


def _joined(words: list[str]) -> str:
    """Return a command that is recorded as a list of words as one text."""
    return words[2] if len(words) == 3 and words[1] in ("-c", "-lc") else shlex.join(words)
