"""The trace viewer of a run: its page, its data files and the raw trajectory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from posttrainbench.agents import load_scaffold
from posttrainbench.errors import InputError
from posttrainbench.records import Stage
from posttrainbench.records.units import short_duration
from posttrainbench.report.site.shell import count, write_page
from posttrainbench.report.site.trace_data import Trace, write_trace
from posttrainbench.run import Run
from posttrainbench.run.imported import imported_run
from posttrainbench.untrusted import UnreadableError, open_below

RAW = "trajectory.json"
FOLDER = "trace"


def write_trace_page(
    run: Run, directory: Path, depth: int, heading: str, evaluations: Sequence[tuple[float, float, int]], warning: str
) -> Trace | str:
    """Write `trace.html`, the folder `trace` and `trajectory.json`.

    Args:
        run: the run.
        directory: of the run's page.
        depth: number of directories between `directory` and the top of the site.
        heading: name of the run.
        evaluations: see `write_trace`.
        warning: a sentence about missing steps; "" if there is none.

    Returns:
        What was written, or one sentence on why there is no trace.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        if not copy_trajectory(run, directory / RAW):
            return "There is no trace: the agent has not been started."
        trace = write_trace(directory / RAW, directory / FOLDER, evaluations)
    except (InputError, OSError, ValueError, UnreadableError) as error:
        shutil.rmtree(directory / FOLDER, ignore_errors=True)
        (directory / RAW).unlink(missing_ok=True)
        return f"There is no trace: {error}"
    if not trace.steps:
        return "There is no trace: the trajectory has no steps."
    write_page(
        directory / "trace.html",
        "trace.html.jinja",
        title=f"Trace of {heading}",
        depth=depth,
        active="runs",
        heading=heading,
        summary=describe(trace),
        raw_size=size_text((directory / RAW).stat().st_size),
        warning=warning,
        scores=trace.scores[-40:],
    )
    return trace


def describe(trace: Trace) -> str:
    """Return the counts of a trace in one sentence."""
    parts = [f"{trace.steps:,} step{'' if trace.steps == 1 else 's'}"]
    if trace.subagents:
        parts.append(f"{trace.subagents} subagent{'' if trace.subagents == 1 else 's'}")
    parts.append(f"{trace.failed:,} with a failed call" if trace.failed else "no failed calls")
    if trace.evaluations:
        parts.append(f"{trace.evaluations:,} with an evaluation")
    if trace.seconds:
        parts.append(short_duration(trace.seconds))
    return ", ".join(parts) + "."


def size_text(size: int) -> str:
    """Return a file size such as `12.3 MB`."""
    return f"{count(size)}B" if size >= 1000 else f"{size} bytes"


def copy_trajectory(run: Run, destination: Path) -> bool:
    """Write a run's trajectory to a file, made from the recorded output if there is none; return False without both.

    Raises:
        InputError: an imported run is damaged.
        UnreadableError: a file is a link or another thing than a regular file.
    """
    return _copy(run.root, run.stage(Stage.SOLVE) / RAW, destination) or _convert(run, destination)


def _copy(run: Path, source: Path, destination: Path) -> bool:
    """Copy a file of a run; return False if there is none.

    Raises:
        UnreadableError: it is a link or another thing than a regular file.
    """
    try:
        with open_below(run, source) as file:
            temporary = destination.with_name(f".{destination.name}.{os.getpid()}.tmp")
            with temporary.open("wb") as copy:
                shutil.copyfileobj(file, copy, 2**20)
            temporary.replace(destination)
    except FileNotFoundError:
        return False
    return True


def _convert(run: Run, destination: Path) -> bool:
    """Write the trajectory of the recorded output of an agent that has none, such as one that is working.

    The output is copied first, so that no part of its path is resolved a second time. Return False without an output.
    """
    with tempfile.TemporaryDirectory(prefix="ptb-trace-") as scratch:
        for folder in (run.stage(Stage.SOLVE), run.root / f"{Stage.SOLVE.folder}.partial"):
            copies = {name: Path(scratch, name) for name in ("output.jsonl", "prompt.md")}
            if all(_copy(run.root, folder / name, copy) for name, copy in copies.items()):
                _converted(run, copies["output.jsonl"], destination)
                return True
    return False


def _converted(run: Run, output: Path, destination: Path) -> None:
    """Write the trajectory of a recorded output, which lies beside the prompt."""
    from posttrainbench.trajectory import write_trajectory

    imported = imported_run(run)
    format = imported.format or "plain" if imported else load_scaffold(run.spec.agent.scaffold).trajectory
    times = [entry.time for entry in run.journal() if entry.stage is Stage.SOLVE and entry.event == "start"]
    started = None if imported else datetime.fromisoformat(times[-1] if times else run.spec.created)
    prompt = output.with_name("prompt.md").read_text(errors="replace")
    write_trajectory(run.spec, prompt, output, destination, format, started)
