"""Tools with which a judge reads the copy of a run. They are read-only and limited to the copy.

Covers: names are looked up among the copy's files and are never used as other paths; a search runs in a process that
can be killed; every result is limited in size; invisible characters become escapes. The results are still the agent's
text, so the caller must mark them as such for a model.
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
"""Maximum characters of one message, call or result of a step."""

PAGE = 200
MATCHES = 60
MATCHES_EACH = 12
"""Maximum matches of one file in a search of several, so that no file can hide the matches of the next."""

COUNTED_FILES = 50
"""Maximum files, and then folders, whose matches a search counts."""

NOT_BY_AGENT = ("prepare/", "reference/", "audit/", "solve/prompt.md", "solve/deadline")
"""Folders of the copy with nothing that the agent wrote or did."""

AROUND = 150
SEARCH_SECONDS = 30.0


class ListFiles(BaseModel):
    """List files below a folder with their sizes in bytes; files that were not copied are listed with the reason."""

    folder: str = Field("", description="such as workspace/data; empty for everything")
    page: int = Field(1, ge=1, description=f"from 1; {PAGE} entries a page")


class ReadFile(BaseModel):
    """Read lines of a file, numbered."""

    file: str = Field(description="as list_files names it")
    line: int = Field(1, ge=1, description="number of the first line, from 1")
    count: int = Field(200, ge=1, le=1000, description="number of lines, such as 200; at most 1000")
    column: int = Field(1, ge=1, description="first character of each line to show: 1, or more to continue long lines")


class Search(BaseModel):
    """Search files line by line for a Python regular expression, ignoring case."""

    pattern: str = Field(description="regular expression")
    folder: str = Field("", description="only files in this folder, or only this file; empty for everything")


class Findings(BaseModel):
    """Show the detectors' findings and coverage. Detectors can be wrong, and find only what they search for."""


class Steps(BaseModel):
    """Show what the agent did, step by step: messages, tool calls and results, with lines of the trajectory."""

    first: int = Field(1, ge=1, description="number of the first step, from 1")
    count: int = Field(20, ge=1, le=200, description="number of steps, such as 20; at most 200")


KINDS: dict[str, type[BaseModel]] = {
    "list_files": ListFiles,
    "read_file": ReadFile,
    "search": Search,
    "findings": Findings,
    "steps": Steps,
}
"""Name of a tool -> its arguments; their docstring is the tool's description for the model."""


class Tools:
    """The tools over one review copy.

    Attributes:
        calls: tool -> number of calls.
        looked: True once a call has read or searched something that the agent wrote or did. A list of files and the
            detectors' findings do not count.
    """

    def __init__(self, review: Review) -> None:
        self.review = review
        self.looked = False
        self.calls: Counter[str] = Counter()

    def call(self, name: str, arguments: dict[str, Any]) -> str:
        """Return a tool's result, or a message that says what is wrong with the call."""
        kind = KINDS.get(name)
        if kind is None:
            return f"Unknown tool {visible(name)[:80]}; the tools are {', '.join(KINDS)}."
        self.calls[name] += 1
        try:
            request = kind.model_validate(arguments)
        except ValidationError as error:
            return f"The arguments are not valid: {one_line(error)}"
        match request:
            case ListFiles():
                text = self._list(request)
            case ReadFile():
                text = self._read(request)
            case Search():
                text = self._search(request)
            case Steps():
                text = self._steps(request)
            case _:
                text = self._findings()
        return _bounded(text)

    def _list(self, request: ListFiles) -> str:
        inside = _inside(request.folder)
        entries = [f"{size:>12}  {name}" for name, size in sorted(self.review.files.items()) if inside(name)]
        entries += [f"{'left out':>12}  {one.path}: {one.reason}" for one in self.review.left_out if inside(one.path)]
        start = (request.page - 1) * PAGE
        shown = entries[start : start + PAGE]
        if not shown:
            return f"Page {request.page} is empty; there are {len(entries)} entries."
        return visible("\n".join([f"{len(entries)} entries, starting at number {start + 1}:", *shown]))

    def _read(self, request: ReadFile) -> str:
        if request.file not in self.review.files:
            return "The file does not exist; list_files shows all files."
        path = self.review.root / request.file
        lines = read_lines(path, request.line, request.count)
        shown: list[str] = []
        room = ANSWER_CHARACTERS - 200
        for number, line in enumerate(lines, request.line):
            text = line[request.column - 1 : request.column - 1 + LINE_CHARACTERS]
            cut = len(line) > request.column - 1 + LINE_CHARACTERS
            text = f"{number}\t{visible(text)}{' [continues]' if cut else ''}"
            if shown and len(text) > room:
                break
            room -= len(text) + 1
            shown.append(text)
        self.looked |= bool(shown) and not request.file.startswith(NOT_BY_AGENT)
        last = request.line + len(shown) - 1
        return "\n".join([f"{request.file}, lines {request.line} to {last} of {count_lines(path)}:", *shown])

    def _search(self, request: Search) -> str:
        inside = _inside(request.folder)
        names = [name for name in sorted(self.review.files) if inside(name)]
        query = {
            "root": str(self.review.root),
            "pattern": request.pattern,
            "files": names,
            "limit": 10 * MATCHES,
            "each": MATCHES + 1 if request.folder in self.review.files else MATCHES_EACH,
            "around": AROUND,
        }
        command = [sys.executable, "-I", "-S", search_process.__file__]
        problem = ""
        try:
            done = subprocess.run(
                command, input=json.dumps(query).encode(), capture_output=True, timeout=SEARCH_SECONDS, env={}
            )
            output = done.stdout
            problem = "" if done.returncode in (0, 2) else "The search stopped early; the results may be incomplete."
        except subprocess.TimeoutExpired as error:
            output = error.stdout or b""
            problem = f"The search was stopped after {SEARCH_SECONDS:.0f} s; the results may be incomplete."
        found = [json.loads(line) for line in output.splitlines() if line.endswith(b"}")]
        if found and "error" in found[0]:
            return f"The pattern is not a valid regular expression: {found[0]['error']}"
        self.looked |= not problem and any(not name.startswith(NOT_BY_AGENT) for name in names)
        counts = dict(Counter(one["file"] for one in found if "line" in one))
        counts |= {one["file"]: one["count"] for one in found if "count" in one}
        matches = _fair([one for one in found if "line" in one])
        lines = [f"{one['file']}:{one['line']}: {visible(one['text'])}" for one in matches]
        total = sum(counts.values())
        head = f"{total} matching lines in {len(names)} files:"
        if total > len(matches):
            head = f"{total} matching lines in {len(names)} files, {len(matches)} of them shown:"
            lines = [*_per_file(counts), "---", *lines]
        return "\n".join(filter(None, [problem, head, *lines]))

    def _findings(self) -> str:
        parts = []
        for name in ("audit/findings.jsonl", "audit/coverage.json"):
            if name in self.review.files:
                parts += [f"{name}:", visible((self.review.root / name).read_bytes().decode("utf-8", "replace"))]
        return "\n".join(parts) or "This run has no detector findings."

    def _steps(self, request: Steps) -> str:
        if TRAJECTORY not in self.review.files:
            return f"{TRAJECTORY} does not exist; solve/output.jsonl may contain the agent's output."
        shown: list[str] = []
        room = ANSWER_CHARACTERS - 200
        total, acted = 0, False
        for line, step in _read_steps(self.review.root / TRAJECTORY):
            total += 1
            if request.first <= total < request.first + request.count and room > 0:
                text = f"--- step {total}, {TRAJECTORY} line {line}, {step.source}\n{_step(step)}"
                if shown and len(text) > room:
                    room = 0
                    continue
                shown.append(text)
                acted |= step.source != "user"
                room -= len(text) + 1
        if not shown:
            return f"The trajectory has {total} steps."
        self.looked |= acted
        return "\n".join([f"{len(shown)} of {total} steps, starting at number {request.first}:", *shown])


def _inside(folder: str) -> Callable[[str], bool]:
    """Return a test whether a name lies in a folder or is that file."""
    prefix = folder.strip("/").removeprefix("./")
    return lambda name: not prefix or prefix == "." or name == prefix or name.startswith(f"{prefix}/")


def _fair(matches: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return at most `MATCHES` matches, in their order: the first of every file before the second of any."""
    rank: Counter[str] = Counter()
    ranked = []
    for place, match in enumerate(matches):
        ranked.append((rank[match["file"]], place))
        rank[match["file"]] += 1
    return [matches[place] for place in sorted(place for _, place in sorted(ranked)[:MATCHES])]


def _per_file(counts: dict[str, int]) -> list[str]:
    """Return one line per file with its matches; with many files, the rest by folder, the fewest files first."""
    ordered = sorted(counts.items(), key=lambda item: (len(item[0]), item[0]))  # long names must not fill the result
    lines = [f"{count:>8}  {visible(name)}" for name, count in ordered[:COUNTED_FILES]]
    folders: dict[str, list[int]] = {}
    for name, count in ordered[COUNTED_FILES:]:
        folders.setdefault(name.rpartition("/")[0], []).append(count)
    for folder, inside in sorted(folders.items(), key=lambda item: (len(item[1]), len(item[0])))[:COUNTED_FILES]:
        lines.append(f"{sum(inside):>8}  {visible(folder)}/ ({len(inside)} more files)")
    if len(folders) > COUNTED_FILES:
        lines.append(f"and {len(folders) - COUNTED_FILES} more folders; search them one by one")
    return lines


def _bounded(text: str) -> str:
    if len(text) <= ANSWER_CHARACTERS:
        return text
    return f"{text[:ANSWER_CHARACTERS]}\n[{len(text) - ANSWER_CHARACTERS} more characters; request less at a time]"


def _read_steps(path: Path) -> Iterator[tuple[int, Step]]:
    """Yield the steps with their lines; the file has one step per line."""
    decoder = msgspec.json.Decoder(Step)
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield number, decoder.decode(line.strip().removesuffix(b","))
            except (msgspec.MsgspecError, ValueError, RecursionError):
                continue


def _step(step: Step) -> str:
    """Format a step as text."""
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
    return shown if len(text) <= PART_CHARACTERS else f"{shown} [{len(text) - PART_CHARACTERS} more characters]"
