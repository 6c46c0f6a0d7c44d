"""The reader for agents whose output is plain lines: each burst of output is one step."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from posttrainbench.files import write_json
from posttrainbench.records import RunSpec
from posttrainbench.trajectory.render import read_output

SCHEMA = "ATIF-v1.7"
PAUSE_SECONDS = 1.0
"""A pause this long ends a step."""
STEP_CHARACTERS = 20_000
ALL_CHARACTERS = 5_000_000
"""What lies beyond stays in `output.jsonl` alone, and the last step says so."""


def write_trajectory(spec: RunSpec, prompt: str, output: Path, destination: Path) -> None:
    """Write the trajectory of an agent that prints plain lines.

    Args:
        output: the recorded `output.jsonl`.
    """
    start = datetime.fromisoformat(spec.created)
    steps: list[dict[str, Any]] = [{"step_id": 1, "source": "user", "message": prompt}]
    for seconds, text in _bursts(output):
        stamp = (start + timedelta(seconds=seconds)).isoformat()
        steps.append({"step_id": len(steps) + 1, "timestamp": stamp, "source": "agent", "message": text})
    trajectory = {
        "schema_version": SCHEMA,
        "session_id": spec.run,
        "agent": {"name": spec.agent.name, "version": spec.versions.get("posttrainbench", "")},
        "steps": steps,
        "final_metrics": {"total_steps": len(steps)},
    }
    write_json(destination, trajectory)


def _bursts(output: Path) -> Iterator[tuple[float, str]]:
    """(time of the first line, text) of each burst, bounded."""
    lines: list[str] = []
    began = last = 0.0
    size = total = 0
    for entry in read_output(output):
        if total > ALL_CHARACTERS:
            lines.append("[more output follows in output.jsonl]")
            break
        if lines and (entry.t - last > PAUSE_SECONDS or size > STEP_CHARACTERS):
            yield began, "\n".join(lines)
            lines, size = [], 0
        if not lines:
            began = entry.t
        lines.append(entry.line)
        last = entry.t
        size += len(entry.line)
        total += len(entry.line)
    if lines:
        yield began, "\n".join(lines)
