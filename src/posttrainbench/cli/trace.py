"""`ptb trace`."""

import json as json_module
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from posttrainbench.cli.options import Json
from posttrainbench.errors import InfrastructureError, InputError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from posttrainbench.run import Run
    from posttrainbench.trajectory import Line
    from posttrainbench.trajectory.render import Selection, View

Item = TypeVar("Item")

TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def trace(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    tools: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these tools' calls; bash is every shell.", show_default=False),
    ] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Only steps with a match.", show_default=False)
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="From then on: 90, 1h30m.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Until then.", show_default=False)] = None,
    tail: Annotated[int | None, typer.Option(min=1, help="Only the last so many.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as the agent works, until it ends.")] = False,
    prompt: Annotated[bool, typer.Option("--prompt", help="The whole prompt.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Long results and arguments in all their length.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The recorded lines as they were printed.")] = False,
    json: Json = False,
) -> None:
    """Show what an agent did, step by step: its words, its tool calls and their results; also while it is at work.

    Example:  [bold]ptb trace runs/demo/recipe-sft-micro-math-seed0 --tools bash --grep accuracy[/bold]
    """
    from posttrainbench.run import Run
    from posttrainbench.trajectory.render import View

    if tail and follow:
        raise InputError("--tail needs an end and --follow has none; give one of them.")
    if raw and tools:
        raise InputError("--tools picks steps and --raw shows lines; give one of them.")
    run = Run(path)
    folder = _folder(run, path)
    selection = _selection(tools, grep, start, end)
    lines = _lines(folder, follow)
    with _console(paged=not (follow or json)) as console:
        if raw:
            _show_lines(console, lines, selection, tail, json)
        else:
            _show_steps(console, run, folder, lines, View(selection, full, prompt), tail, json)
    if follow and (problem := _left_unfinished(folder)):
        raise InfrastructureError("solve_killed", f"{problem}; go on with `ptb resume {path}`.")


def _show_lines(
    console: "Console", lines: Iterable["Line | None"], selection: "Selection", tail: int | None, json: bool
) -> None:
    from posttrainbench.trajectory.render import render_line

    taken = (line for line in lines if line is not None and selection.takes_line(line))
    for line in _last(taken, tail):
        if json:
            _print_json({"t": line.t, "stream": line.stream, "line": line.line})
        else:
            _print(console, [render_line(line)])


def _show_steps(
    console: "Console",
    run: "Run",
    folder: Path,
    lines: Iterable["Line | None"],
    view: "View",
    tail: int | None,
    json: bool,
) -> None:
    from msgspec import to_builtins

    from posttrainbench.agents import load_scaffold
    from posttrainbench.trajectory import Placing, prompt_step, reader_for

    prompt = (folder / "prompt.md").read_text(errors="replace")
    reader = reader_for(load_scaffold(run.spec.agent.scaffold).trajectory, prompt)
    view.subagents = reader.facts.subagents
    placing = Placing(_started(run))
    steps = chain([prompt_step(prompt)], reader.steps(lines))
    taken = (timed for timed in steps if placing.place(timed) and view.takes(timed))
    for timed in _last(taken, tail):
        if json:
            thread = {"subagent": timed.thread} if timed.thread else {}
            _print_json(to_builtins(timed.step) | thread)
        else:
            _print(console, view.render(timed))


def _folder(run: "Run", path: Path) -> Path:
    """Where the recording is: of the stage that is done, or of the one that is under way."""
    for name in ("solve", "solve.partial"):
        if (run.root / name / "prompt.md").is_file():
            return run.root / name
    raise InputError(f"The agent of {path} has not been started; continue the run with `ptb resume {path}`.")


def _lines(folder: Path, follow: bool) -> Iterator["Line | None"]:
    from posttrainbench.run.apart import is_alive
    from posttrainbench.trajectory import follow_lines, read_lines

    if not follow or folder.suffix != ".partial":
        return read_lines(folder / "output.jsonl")
    identity = folder.stat().st_ino

    def ended() -> bool:
        """Whether the folder has got another name (the stage is done, or has been begun anew), or nobody is at work."""
        try:
            return folder.stat().st_ino != identity or not is_alive(folder)
        except FileNotFoundError:
            return True

    return _until_interrupted(follow_lines(folder / "output.jsonl", ended))


def _left_unfinished(folder: Path) -> str:
    """Why an agent's stage that nobody works on any more has not finished; "" where somebody does, or it has."""
    from posttrainbench.run.apart import how_it_ended, is_alive

    try:
        if folder.suffix != ".partial" or is_alive(folder):
            return ""
        end = how_it_ended(folder)
    except FileNotFoundError:
        return ""
    if end is None:
        return "Nobody works on this run any more: the process that looked after its agent was killed"
    if end.end == "done":
        return ""
    how = {"failed": "failed", "refused": "could not begin"}.get(end.end, "was interrupted")
    return f"Nobody works on this run any more: its agent's stage {how}{f' ({end.text})' if end.text else ''}"


def _until_interrupted(lines: Iterator["Line | None"]) -> Iterator["Line | None"]:
    try:
        yield from lines
    except KeyboardInterrupt:
        return


def _started(run: "Run") -> datetime:
    """When the agent was started last; when the run was created, where the journal does not say."""
    from posttrainbench.records import Stage

    times = [entry.time for entry in run.journal() if entry.stage is Stage.SOLVE and entry.event == "start"]
    return datetime.fromisoformat(times[-1] if times else run.spec.created)


def _selection(tools: str | None, grep: str | None, start: str | None, end: str | None) -> "Selection":
    from posttrainbench.trajectory.render import Selection

    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise InputError(f"`{grep}` is no regular expression ({error}); write a literal with backslashes.") from None
    names = frozenset(name.strip().lower() for name in (tools or "").split(",") if name.strip())
    return Selection(names, pattern, _seconds(start or "0"), math.inf if end is None else _seconds(end))


def _seconds(text: str) -> float:
    """Seconds from `90`, `45s`, `1h30m` or `1:30:00`."""
    if match := CLOCK.fullmatch(text):
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if (match := TIME.fullmatch(text)) and any(match.groups()):
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds
    raise InputError(f"`{text}` is no time since the agent's start; write one such as 90, 1h30m or 1:30:00.")


def _last(items: Iterable[Item], count: int | None) -> Iterable[Item]:
    return deque(items, maxlen=count) if count else items


def _print(console: "Console", texts: Iterable["Text"]) -> None:
    if console.is_terminal:
        for text in texts:
            console.print(text, soft_wrap=True)
    else:  # much faster than through Rich
        console.file.write("".join(f"{text.plain}\n" for text in texts))
        console.file.flush()


def _print_json(value: object) -> None:
    print(json_module.dumps(value), flush=True)  # ASCII: what an agent wrote cannot steer a terminal


@contextmanager
def _console(paged: bool) -> Iterator["Console"]:
    """A console; on a terminal, what it prints goes through the user's pager as it comes."""
    from rich.console import Console

    command = shlex.split(os.environ.get("PAGER", "less"))
    if not (paged and sys.stdout.isatty() and command and shutil.which(command[0])):
        yield Console(highlight=False)
        return

    class Paged(Console):
        """A console whose reader may leave."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    environment = {"LESS": "FRX", **os.environ}  # ends by itself if all fits on the screen; colours
    pager = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environment)
    try:
        yield Paged(file=pager.stdin, force_terminal=True, highlight=False, width=shutil.get_terminal_size().columns)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the reader has seen enough
    finally:
        with suppress(BrokenPipeError):
            pager.communicate()
