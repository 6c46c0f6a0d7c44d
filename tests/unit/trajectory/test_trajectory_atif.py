"""Validation of trajectories, by our validator and by Harbor's own models."""

import copy
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trajectory_recordings import CLAUDE_SUBAGENT, RECORDINGS, converted, problems

HARBOR = """
import sys
from harbor.models.trajectories import Trajectory
for path in sys.argv[1:]:
    Trajectory.model_validate_json(open(path).read())
"""


def steps(made: dict[str, Any]) -> list[dict[str, Any]]:
    return made["steps"]  # type: ignore[no-any-return]


SPOILED: dict[str, Callable[[dict[str, Any]], object]] = {
    "another version": lambda made: made.update(schema_version="ATIF-v2.0"),
    "no steps": lambda made: made.update(steps=[]),
    "no version of the agent": lambda made: made["agent"].pop("version"),
    "a field of nobody's": lambda made: steps(made)[0].update(colour="red"),
    "a message that is none": lambda made: steps(made)[0].update(message=None),
    "a gap in the ids": lambda made: steps(made)[1].update(step_id=7),
    "a user that calls tools": lambda made: steps(made)[1].update(source="user"),
    "a result of nothing": lambda made: steps(made)[1]["observation"]["results"][0].update(source_call_id="x"),
    "a subagent that is not there": lambda made: made["subagent_trajectories"].clear(),
    "a subagent without an id": lambda made: made["subagent_trajectories"][0].pop("trajectory_id"),
    "a subagent twice": lambda made: made["subagent_trajectories"].append(made["subagent_trajectories"][0]),
    "a gap in a subagent's ids": lambda made: made["subagent_trajectories"][0]["steps"].pop(0),
}


@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_check_refuses(spoil: Callable[[dict[str, Any]], object], tmp_path: Path) -> None:
    made, _ = converted(tmp_path, "claude-code", CLAUDE_SUBAGENT)
    spoiled = copy.deepcopy(made)
    spoil(spoiled)
    assert spoiled != made
    assert problems(spoiled) != []


@pytest.mark.skipif("PTB_HARBOR_PYTHON" not in os.environ, reason="PTB_HARBOR_PYTHON names no Python with Harbor")
def test_harbor_accepts_every_recording(tmp_path: Path) -> None:
    files = []
    for name, (format, events) in RECORDINGS.items():
        folder = tmp_path / name
        folder.mkdir()
        converted(folder, format, events)
        files.append(str(folder / "trajectory.json"))
    subprocess.run([os.environ["PTB_HARBOR_PYTHON"], "-c", HARBOR, *files], check=True)
