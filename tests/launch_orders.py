"""Runs for tests of launchers, whose jobs have stubs in place of the stages; see `stub_stages`."""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.records import Placement
from posttrainbench.run import Run
from posttrainbench.run.progress import InterruptChoice
from trajectory_recordings import make_recorded_run

STUBS_PATH = os.pathsep.join(filter(None, [str(Path(__file__).parent / "stub_stages"), os.environ.get("PYTHONPATH")]))
"""Value of PYTHONPATH for jobs with stubs."""


class Messages(Watch):
    """Keeps the messages; interrupts the launcher on request."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.interrupt = False

    def on_message(self, text: str) -> None:
        self.texts.append(text)

    def on_change(self, active: Sequence[Run], ended: Sequence[Run]) -> None:
        if self.interrupt:
            raise KeyboardInterrupt

    def on_interrupt(self) -> InterruptChoice:
        return "detach"


def make_order(root: Path, names: str, retries: int = 2, gpus: int = 1, **placement: Any) -> LaunchOrder:
    """Return the order for runs with these one-letter names, which are made if they do not exist."""
    runs = []
    for name in names:
        if not (root / name).exists():
            make_recorded_run(root / name, [])
            shutil.rmtree(root / name / "solve")
        runs.append(Run(root / name))
    return LaunchOrder(runs, root, Placement(cpus=1, **placement), retries, gpus, budget=60)


def log(root: Path, what: str) -> list[dict[str, Any]]:
    """Return the lines that the stubs wrote."""
    path = root / "log"
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return [line for line in lines if line["what"] == what]


def done(root: Path) -> set[str]:
    """Return the names of the runs that have a result."""
    return {path.parent.name for path in root.glob("*/result.json")}
