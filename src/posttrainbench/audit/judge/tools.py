"""The few tools by which a judge reads the copy of a run. They write nothing, and see nothing but the copy.

Covers: names are looked up among the copy's own files and never become paths of anything else; a search runs in a
process that can be killed; every answer is bounded; characters that hide are written out. What they return is still
the agent's text: whoever hands it to a model marks it as such.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from pydantic import BaseModel, Field, ValidationError

from posttrainbench.audit.judge import search_process
from posttrainbench.audit.judge.review import TRAJECTORY, Review
from posttrainbench.audit.judge.text import count_lines, read_lines, visible
from posttrainbench.errors import one_line
from posttrainbench.trajectory.atif import Step

ANSWER_CHARACTERS = 16_000
LINE_CHARACTERS = 2_000
PART_CHARACTERS = 3_000
"""Of one message, call or result of a step."""

PAGE = 200
MATCHES = 60
MATCHES_EACH = 12
"""In one file, where several are searched: no file can hide what is in the next."""

AROUND = 150
SEARCH_SECONDS = 30.0


class ListFiles(BaseModel):
    """List files below a folder with their sizes in bytes; what could not be copied is listed with its reason."""

    folder: str = Field("", description="such as workspace/data; empty for everything")
    page: int = Field(1, ge=1, description=f"from 1; {PAGE} entries a page")


class ReadFile(BaseModel):
    """Read lines of a file, numbered."""

    file: str = Field(description="as list_files names it")
    line: int = Field(1, ge=1, description="number of the first line, from 1")
    count: int = Field(200, ge=1, le=1000, description="number of lines, such as 200; at most 1000")
    column: int = Field(1, ge=1, description="first character shown of each line: 1, or more to go on in long lines")


class Search(BaseModel):
    """Search files for a regular expression (Python's, case ignored), line by line."""

    pattern: str = Field(description="regular expression")
    folder: str = Field("", description="only files in this folder, or only this file; empty for everything")


class Findings(BaseModel):
    """What the detectors found, and what they looked at. Detectors can be wrong, and see only what they look for."""


class Steps(BaseModel):
    """What the agent did, step by step: its words, tool calls and their results, with lines of the trajectory."""

    first: int = Field(1, ge=1, description="number of the first step, from 1")
    count: int = Field(20, ge=1, le=200, description="number of steps, such as 20; at most 200")


KINDS: dict[str, type[BaseModel]] = {
    "list_files": ListFiles,
    "read_file": ReadFile,
    "search": Search,
    "findings": Findings,
    "steps": Steps,
}
"""Name of a tool -> its arguments; their docstring tells the model what it does."""


class Tools:
    """The tools over one review copy.

    Attributes:
        calls: tool -> how often it was called.
    """

    def __init__(self, review: Review) -> None:
        self.review = review
        self.calls: Counter[str] = Counter()

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """A tool's answer. Whatever is wrong with the call is said in the answer."""
        kind = KINDS.get(name)
        if kind is None:
            return f"There is no tool {visible(name)[:80]}; there are {', '.join(KINDS)}."
        self.calls[name] += 1
        try:
            asked = kind.model_validate(arguments)
        except ValidationError as error:
            return f"These arguments do not fit: {one_line(error)}"
        match asked:
            case ListFiles():
                text = self._list(asked)
            case ReadFile():
                text = self._read(asked)
            case Search():
                text = self._search(asked)
            case Steps():
                text = self._steps(asked)
            case _:
                text = self._findings()
        return _bounded(text)

    def _list(self, asked: ListFiles) -> str:
        inside = _inside(asked.folder)
        entries = [f"{size:>12}  {name}" for name, size in sorted(self.review.files.items()) if inside(name)]
        entries += [f"{'left out':>12}  {one.path}: {one.reason}" for one in self.review.left_out if inside(one.path)]
        start = (asked.page - 1) * PAGE
        shown = entries[start : start + PAGE]
        if not shown:
            return f"There is nothing on page {asked.page}; {len(entries)} entries in all."
        return visible("\n".join([f"{len(entries)} entries, from number {start + 1}:", *shown]))

    def _read(self, asked: ReadFile) -> str:
        if asked.file not in self.review.files:
            return "There is no such file; list_files shows what there is."
        path = self.review.root / asked.file
        lines = read_lines(path, asked.line, asked.count)
        shown: list[str] = []
        room = ANSWER_CHARACTERS - 200
        for number, line in enumerate(lines, asked.line):
            text = line[asked.column - 1 : asked.column - 1 + LINE_CHARACTERS]
            cut = len(line) > asked.column - 1 + LINE_CHARACTERS
            text = f"{number}\t{visible(text)}{' [goes on]' if cut else ''}"
            if shown and len(text) > room:
                break
            room -= len(text) + 1
            shown.append(text)
        last = asked.line + len(shown) - 1
        return "\n".join([f"{asked.file}, lines {asked.line} to {last} of {count_lines(path)}:", *shown])

    def _search(self, asked: Search) -> str:
        inside = _inside(asked.folder)
        names = [name for name in sorted(self.review.files) if inside(name)]
        request = {
            "root": str(self.review.root),
            "pattern": asked.pattern,
            "files": names,
            "limit": MATCHES + 1,
            "each": MATCHES + 1 if asked.folder in self.review.files else MATCHES_EACH,
            "around": AROUND,
        }
        command = [sys.executable, "-I", "-S", search_process.__file__]
        problem = ""
        try:
            done = subprocess.run(
                command, input=json.dumps(request).encode(), capture_output=True, timeout=SEARCH_SECONDS, env={}
            )
            output = done.stdout
            problem = "" if done.returncode in (0, 2) else "The search broke off; what follows may not be all."
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
            problem = f"The search took more than {SEARCH_SECONDS:.0f} s and was ended; what follows may not be all."
        found = [json.loads(line) for line in output.splitlines() if line.endswith(b"}")]
        if found and "error" in found[0]:
            return f"This is no regular expression: {found[0]['error']}"
        lines = [f"{one['file']}:{one['line']}: {visible(one['text'])}" for one in found[:MATCHES]]
        more = f"the first {MATCHES} matching lines" if len(found) > MATCHES else f"{len(found)} matching lines"
        if found and request["each"] == MATCHES_EACH:
            more += f", at most {MATCHES_EACH} of each file,"
        return "\n".join(filter(None, [problem, f"{more} in {len(names)} files:", *lines]))

    def _findings(self) -> str:
        parts = []
        for name in ("audit/findings.jsonl", "audit/coverage.json"):
            if name in self.review.files:
                parts += [f"{name}:", visible((self.review.root / name).read_bytes().decode("utf-8", "replace"))]
        return "\n".join(parts) or "No detector has looked at this run."

    def _steps(self, asked: Steps) -> str:
        if TRAJECTORY not in self.review.files:
            return f"There is no {TRAJECTORY}; solve/output.jsonl may hold what the agent printed."
        shown: list[str] = []
        room = ANSWER_CHARACTERS - 200
        total = 0
        for line, step in _read_steps(self.review.root / TRAJECTORY):
            total += 1
            if asked.first <= total < asked.first + asked.count and room > 0:
                text = f"--- step {total}, {TRAJECTORY} line {line}, {step.source}\n{_step(step)}"
                if shown and len(text) > room:
                    room = 0
                    continue
                shown.append(text)
                room -= len(text) + 1
        if not shown:
            return f"There are {total} steps."
        return "\n".join([f"{len(shown)} of {total} steps, from number {asked.first}:", *shown])


def _inside(folder: str) -> Callable[[str], bool]:
    """Whether a name is in a folder, or is that file."""
    prefix = folder.strip("/").removeprefix("./")
    return lambda name: not prefix or prefix == "." or name == prefix or name.startswith(f"{prefix}/")


def _bounded(text: str) -> str:
    if len(text) <= ANSWER_CHARACTERS:
        return text
    return f"{text[:ANSWER_CHARACTERS]}\n[{len(text) - ANSWER_CHARACTERS} characters more; ask for less at a time]"


def _read_steps(path: Path) -> Iterator[tuple[int, Step]]:
    """The steps with their lines; the file has one a line."""
    decoder = msgspec.json.Decoder(Step)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, decoder.decode(line.strip().removesuffix(b","))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue


def _step(step: Step) -> str:
    """A step as text."""
    parts = []
    if step.reasoning_content:
        parts.append(f"[thinks] {_part(step.reasoning_content)}")
    if step.message:
        parts.append(_part(step.message))
    for call in step.tool_calls or ():
        texts = (
            f"{key}: {value if isinstance(value, str) else json.dumps(value)}" for key, value in call.arguments.items()
        )
        parts.append(f"[calls {visible(call.function_name)[:80]}] {_part(chr(10).join(texts))}")
    for result in step.observation.results if step.observation else ():
        status = (result.extra or {}).get("exit_code")
        parts.append(f"[result{'' if status is None else f', exit code {status}'}] {_part(result.content or '')}")
    return "\n".join(parts)


def _part(text: str) -> str:
    shown = visible(text[:PART_CHARACTERS])
    return shown if len(text) <= PART_CHARACTERS else f"{shown} [{len(text) - PART_CHARACTERS} characters more]"
