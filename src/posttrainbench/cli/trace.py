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
from posttrainbench.cli.places import RunPath
from posttrainbench.errors import InfrastructureError, InputError, shell_quoted

if TYPE_CHECKING:
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.run import Run
    from posttrainbench.trajectory import Line
    from posttrainbench.trajectory.render import Selection, View

Item = TypeVar("Item")

TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")
CLOCK = re.compile(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)")


def trace(
    path: RunPath,
    tools: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Show only calls of these tools; bash means any shell.", show_default=False),
    ] = None,
    grep: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Show only steps with a match.", show_default=False)
    ] = None,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Start time, such as 90 or 1h30m.", show_default=False)
    ] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End time.", show_default=False)] = None,
    tail: Annotated[int | None, typer.Option(min=1, help="Show only the last N.", show_default=False)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Follow the agent until it ends.")] = False,
    prompt: Annotated[bool, typer.Option("--prompt", help="Show the whole prompt.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Do not shorten long results and arguments.")] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Show the recorded lines.")] = False,
    json: Json = False,
) -> None:
    """Show an agent's messages, tool calls and results step by step, also while it is running.

    Example:  [bold]ptb trace demo/recipe-sft-micro-math-seed0 --grep step[/bold]
    """
    from posttrainbench.run import Run
    from posttrainbench.trajectory.render import View

    if tail and follow:
        raise InputError("--tail and --follow exclude each other; give one of them.")
    if raw and tools:
        raise InputError("--tools selects steps and --raw shows lines; give one of them.")
    run = Run(path)
    folder = _folder(run, path)
    selection = _selection(tools, grep, start, end)
    lines = _lines(folder, follow)
    shown, warning = 1, ""  # of a pager that is left early
    with _console(paged=not (follow or json)) as console:
        if raw:
            shown = _show_lines(console, lines, selection, tail, json)
        else:
            view = View(selection, full, prompt, width=None if console.is_terminal else console.width)
            shown, warning = _show_steps(console, run, folder, lines, view, tail, json)
    if not shown:
        print(f"ptb: No {'line' if raw else 'step'} matches: {path} has none for these options.", file=sys.stderr)
    if warning:
        print(f"ptb: {warning}", file=sys.stderr)
    if follow and (problem := _left_unfinished(folder)):
        raise InfrastructureError("solve_killed", f"{problem}; continue it with `ptb resume {shell_quoted(path)}`.")


def _show_lines(
    console: "Console", lines: Iterable["Line | None"], selection: "Selection", tail: int | None, json: bool
) -> int:
    """Print the selected lines. Return their number."""
    from posttrainbench.trajectory.render import render_line

    selected = (line for line in lines if line is not None and selection.matches_line(line))
    shown = 0
    for line in _last(selected, tail):
        shown += 1
        if json:
            _print_json({"t": line.t, "stream": line.stream, "line": line.line})
        else:
            _print(console, [render_line(line)])
    return shown


def _show_steps(
    console: "Console",
    run: "Run",
    folder: Path,
    lines: Iterable["Line | None"],
    view: "View",
    tail: int | None,
    json: bool,
) -> tuple[int, str]:
    """Print the selected steps. Return their number, and a warning about unknown events or ""."""
    from msgspec import to_builtins

    from posttrainbench.agents import load_scaffold
    from posttrainbench.run.imported import imported_run
    from posttrainbench.trajectory import StepNumbering, prompt_step, reader_for

    prompt = (folder / "prompt.md").read_text(errors="replace")
    imported = imported_run(run)
    format = imported.format or "plain" if imported else load_scaffold(run.spec.agent.scaffold).trajectory
    reader = reader_for(format, prompt)
    view.subagents = reader.facts.subagents
    numbering = StepNumbering(_started(run))
    steps = chain([prompt_step(prompt)], reader.steps(lines))
    selected = (timed for timed in steps if numbering.number(timed) and view.select(timed))
    shown = 0
    for timed in _last(selected, tail):
        shown += 1
        if json:
            thread = {"subagent": timed.thread} if timed.thread else {}
            _print_json(to_builtins(timed.step) | thread)
        else:
            _print(console, view.render(timed))
    return shown, reader.facts.warning


def _folder(run: "Run", path: Path) -> Path:
    """Return the directory of the recording: of the finished stage, or of the one in progress."""
    for name in ("solve", "solve.partial"):
        if (run.root / name / "prompt.md").is_file():
            return run.root / name
    raise InputError(
        f"The agent of {path} has not been started; continue the run with `ptb resume {shell_quoted(path)}`."
    )


def _lines(folder: Path, follow: bool) -> Iterator["Line | None"]:
    from posttrainbench.run.solve_supervisor import is_alive
    from posttrainbench.trajectory import follow_lines, read_lines

    if not follow or folder.suffix != ".partial":
        return read_lines(folder / "output.jsonl")
    identity = folder.stat().st_ino

    def ended() -> bool:
        """Return True if the directory was renamed (the stage is done or was restarted), or its process has exited."""
        try:
            return folder.stat().st_ino != identity or not is_alive(folder)
        except FileNotFoundError:
            return True

    return _until_interrupted(follow_lines(folder / "output.jsonl", ended))


def _left_unfinished(folder: Path) -> str:
    """Return why the agent's stage stopped without finishing; "" if it is running or has finished."""
    from posttrainbench.run.solve_supervisor import exit_note, is_alive

    try:
        if folder.suffix != ".partial" or is_alive(folder):
            return ""
        end = exit_note(folder)
    except FileNotFoundError:
        return ""
    if end is None:
        return "This run has stopped: the process of its agent's stage was killed"
    if end.end == "done":
        return ""
    how = {"failed": "failed", "refused": "could not start"}.get(end.end, "was interrupted")
    return f"This run has stopped: its agent's stage {how}{f' ({end.text})' if end.text else ''}"


def _until_interrupted(lines: Iterator["Line | None"]) -> Iterator["Line | None"]:
    try:
        yield from lines
    except KeyboardInterrupt:
        return


def _started(run: "Run") -> datetime | None:
    """Return the agent's latest start time, or the creation time of the run if the journal has none.

    Of an imported run, it is the time of the trace's first line; None if its lines have no times.
    """
    from posttrainbench.records import Stage
    from posttrainbench.run.imported import imported_run

    if (imported := imported_run(run)) is not None:
        return datetime.fromisoformat(imported.started) if imported.started else None

    times = [entry.time for entry in run.journal() if entry.stage is Stage.SOLVE and entry.event == "start"]
    return datetime.fromisoformat(times[-1] if times else run.spec.created)


def _selection(tools: str | None, grep: str | None, start: str | None, end: str | None) -> "Selection":
    from posttrainbench.trajectory.render import Selection

    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise InputError(f"`{grep}` is not a valid regular expression ({error}); escape special characters.") from None
    names = frozenset(name.strip().lower() for name in (tools or "").split(",") if name.strip())
    return Selection(names, pattern, _seconds(start or "0"), math.inf if end is None else _seconds(end))


def _seconds(text: str) -> float:
    """Parse `90`, `45s`, `1h30m` or `1:30:00` to seconds."""
    if match := CLOCK.fullmatch(text):
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    if (match := TIME.fullmatch(text)) and any(match.groups()):
        hours, minutes, seconds = (float(part or 0) for part in match.groups())
        return hours * 3600 + minutes * 60 + seconds
    raise InputError(f"`{text}` is not a valid time; write a time since the start such as 90, 1h30m or 1:30:00.")


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
    print(json_module.dumps(value), flush=True)  # ASCII only, so that an agent's text cannot control the terminal


@contextmanager
def _console(paged: bool) -> Iterator["Console"]:
    """Yield a console; on a terminal its output is piped to the user's pager."""
    from posttrainbench.cli.console import Console

    command = shlex.split(os.environ.get("PAGER", "less"))
    if not (paged and sys.stdout.isatty() and command and shutil.which(command[0])):
        yield Console(highlight=False)
        return

    class Paged(Console):
        """A console whose pager may exit early."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    environment = {"LESS": "FRX", **os.environ}  # exit if the output fits on the screen; colors
    pager = subprocess.Popen(command, stdin=subprocess.PIPE, text=True, env=environment)
    try:
        yield Paged(file=pager.stdin, force_terminal=True, highlight=False, width=shutil.get_terminal_size().columns)
    except (BrokenPipeError, KeyboardInterrupt):
        pass  # the user quit the pager
    finally:
        with suppress(BrokenPipeError):
            pager.communicate()
