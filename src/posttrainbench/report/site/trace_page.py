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
    with tempfile.TemporaryDirectory(prefix="ptb-trace-") as scratch:
        try:
            trajectory = _trajectory(run, Path(scratch))
            if trajectory is None:
                return "There is no trace: the agent has not been started."
            trace = write_trace(trajectory, directory / FOLDER, evaluations)
            directory.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(trajectory, directory / RAW)
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


def _trajectory(run: Run, scratch: Path) -> Path | None:
    """Return the trajectory of a run; of one whose agent is working, it is converted from the output so far."""
    finished = run.stage(Stage.SOLVE) / RAW
    if finished.is_file():
        return finished
    for folder in (run.stage(Stage.SOLVE), run.root / f"{Stage.SOLVE.folder}.partial"):
        output, prompt = folder / "output.jsonl", folder / "prompt.md"
        if output.is_file() and prompt.is_file():
            from posttrainbench.trajectory import write_trajectory

            imported = imported_run(run)
            format = imported.format or "plain" if imported else load_scaffold(run.spec.agent.scaffold).trajectory
            times = [entry.time for entry in run.journal() if entry.stage is Stage.SOLVE and entry.event == "start"]
            started = None if imported else datetime.fromisoformat(times[-1] if times else run.spec.created)
            text = prompt.read_text(errors="replace")
            write_trajectory(run.spec, text, output, scratch / RAW, format, started)
            return scratch / RAW
    return None
