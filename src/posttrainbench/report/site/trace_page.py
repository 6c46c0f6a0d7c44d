"""The trace viewer of a run: its page, its data files and the raw trajectory."""

from __future__ import annotations

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
    finished = run.stage(Stage.SOLVE) / RAW
    try:
        if finished.is_file():
            trace = _write(finished, directory, evaluations)
        elif (output := _output(run)) is None:
            return "There is no trace: the agent has not been started."
        else:
            with tempfile.TemporaryDirectory(prefix="ptb-trace-") as scratch:
                trace = _write(_converted(run, output, Path(scratch) / RAW), directory, evaluations)
    except (InputError, OSError, ValueError) as error:
        shutil.rmtree(directory / FOLDER, ignore_errors=True)
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


def _write(trajectory: Path, directory: Path, evaluations: Sequence[tuple[float, float, int]]) -> Trace:
    trace = write_trace(trajectory, directory / FOLDER, evaluations)
    shutil.copyfile(trajectory, directory / RAW)
    return trace


def _output(run: Run) -> Path | None:
    """Return the recorded output of an agent without a trajectory, such as one that is working."""
    for folder in (run.stage(Stage.SOLVE), run.root / f"{Stage.SOLVE.folder}.partial"):
        if (folder / "output.jsonl").is_file() and (folder / "prompt.md").is_file():
            return folder / "output.jsonl"
    return None


def _converted(run: Run, output: Path, destination: Path) -> Path:
    """Write the trajectory of a recorded output, and return its path."""
    from posttrainbench.trajectory import write_trajectory

    imported = imported_run(run)
    format = imported.format or "plain" if imported else load_scaffold(run.spec.agent.scaffold).trajectory
    times = [entry.time for entry in run.journal() if entry.stage is Stage.SOLVE and entry.event == "start"]
    started = None if imported else datetime.fromisoformat(times[-1] if times else run.spec.created)
    prompt = output.with_name("prompt.md").read_text(errors="replace")
    write_trajectory(run.spec, prompt, output, destination, format, started)
    return destination
