"""The agent's calls, out of `solve/trajectory.json`, step by step: commands, files written and edited, pages opened.

Covers: the tools of all scaffolds with a reader, subagents included. A step is read at a time; of results only their
beginnings and ends are kept, and of everything together no more than `HELD_CHARACTERS`.

Does not cover: files that a tool changes without telling how (Codex prints no patches), and what a command did inside.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from posttrainbench.audit.untrusted import UnreadableError, open_regular, read_json
from posttrainbench.trajectory.atif import Result, Step, ToolCall
from posttrainbench.trajectory.render import SHELLS

HELD_CHARACTERS = 64 * 2**20
LONGEST = 2**20
"""Characters of one command or file; what is longer is left out."""
HEAD, TAIL = 4000, 1000
"""Characters kept of a result."""
WHOLE_BYTES = 64 * 2**20
"""A trajectory that does not stand line by line is read whole up to this size."""
_CONTENT = ("content", "file_text", "contents", "new_source")
_PATHS = ("file_path", "filePath", "notebook_path", "absolute_path", "path", "filename")
_FIRST = b'{"step_id"'


@dataclass
class Action:
    """One call of a tool.

    Attributes:
        line: in `trajectory.json`, 1-based.
        time: ISO 8601, as the step has it.
        kind: `command`, `write` (a whole file), `edit`, or `open` (a page on the web).
        path: of the file, as the agent wrote it; of a page, its address.
        text: the command, the file's content, or what an edit puts in.
        old: what an edit takes out.
        output: the beginning and the end of the result.
        failed: None where the scaffold does not say.
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
    """What the agent did, in the order of time.

    Attributes:
        steps: how many there were.
        omitted: calls that were too long to keep.
        broken: lines that could not be read.
        present: whether there was a trajectory at all.
    """

    actions: list[Action] = field(default_factory=list)
    steps: int = 0
    omitted: int = 0
    broken: int = 0
    present: bool = False

    @property
    def commands(self) -> list[Action]:
        """The commands alone."""
        return [action for action in self.actions if action.kind == "command"]


def read_trace(path: Path) -> Trace:
    """The calls of a trajectory; empty, and not `present`, where there is none or it cannot be read."""
    trace = Trace()
    open_calls: dict[str, Action] = {}
    held = 0
    try:
        for line, step in steps(path, trace):
            trace.present = True
            trace.steps += 1
            for call in step.tool_calls or ():
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
    trace.actions.sort(key=lambda action: action.time)  # subagents' steps stand behind all others
    return trace


def steps(path: Path, trace: Trace) -> Iterator[tuple[int, Step]]:
    """The steps with their lines. What cannot be read is counted in `trace.broken`.

    Raises:
        UnreadableError: there is no such file.
    """
    decoder = msgspec.json.Decoder(Step)
    found = False
    with open_regular(path) as file:
        for number, line in enumerate(file, 1):
            if not line.startswith(_FIRST):
                continue
            found = True
            try:
                yield number, decoder.decode(line.rstrip(b",\n"))
            except (msgspec.MsgspecError, RecursionError):
                trace.broken += 1
    if not found:
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
    action.failed = extra.get("is_error") is True or code not in (None, 0)
    if not extra and code is None:
        action.failed = None if not text else text.startswith("Exit code ")


def _actions(call: ToolCall, line: int, time: str) -> Iterator[Action]:
    name, given = call.function_name.lower(), call.arguments
    path = next((value for key in _PATHS if isinstance(value := given.get(key), str)), "")
    command = given.get("command", given.get("cmd"))
    if name in SHELLS or name.endswith("bash") or (command is not None and not path):
        if isinstance(command, list):
            command = _joined([str(word) for word in command])
        if isinstance(command, str):
            yield Action(line, time, "command", text=command)
        return
    if path:
        for key in _CONTENT:
            if isinstance(text := given.get(key), str):
                yield Action(line, time, "write", path=path, text=text)
                return
        edits = given.get("edits")
        for edit in edits if isinstance(edits, list) else [given]:
            if isinstance(edit, dict):
                old = edit.get("old_string", edit.get("oldString", edit.get("old_str", "")))
                new = edit.get("new_string", edit.get("newString", edit.get("new_str", "")))
                if isinstance(old, str) and isinstance(new, str) and (old or new):
                    yield Action(line, time, "edit", path=path, old=old, text=new)
        return
    if isinstance(url := given.get("url"), str) or (
        isinstance(opened := given.get("action"), dict) and isinstance(url := opened.get("url"), str)
    ):
        yield Action(line, time, "open", path=url)
    elif name in ("web_fetch", "webfetch") and isinstance(text := given.get("prompt"), str):
        yield from (Action(line, time, "open", path=word) for word in text.split() if word.startswith("http"))


def _joined(words: list[str]) -> str:
    """A command given as words, as one text."""
    import shlex

    return words[2] if len(words) == 3 and words[1] in ("-c", "-lc") else shlex.join(words)
