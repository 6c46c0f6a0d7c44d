"""Starting a run's evaluator: it evaluates checkpoints of an agent that has no test set, and tells their scores."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posttrainbench.gateway.services import HostService, Kind, start_service
from posttrainbench.records import RunSpec

EVALUATOR = Kind(
    name="evaluator",
    module="posttrainbench.gateway.sealed_server",
    variable="PTB_EVALUATOR",
    role="run/ptb/evaluator.sock",
)


@contextmanager
def start_evaluator(spec: RunSpec, workspace: Path, seen_as: str, folder: Path) -> Iterator[HostService]:
    """Run the evaluator in a process of its own, and stop it on leaving.

    Args:
        spec: of the run, whose suite is sealed.
        workspace: on the host.
        seen_as: where the agent sees it.
        folder: an existing directory that the agent does not see, where `evaluations.jsonl` and `evaluator.log` are
            written, and checkpoints are copied to while they are evaluated.

    Raises:
        InfrastructureError: the process did not start.
    """
    folder = folder.absolute()
    scratch = folder / ".evaluator"
    scratch.mkdir()
    order = {
        "spec": spec.model_dump(mode="json"),
        "workspace": str(workspace.absolute()),
        "seen_as": seen_as,
        "scratch": str(scratch),
        "log": str(folder / "evaluations.jsonl"),
    }
    try:
        with start_service(EVALUATOR, order, folder / "evaluator.log") as service:
            yield service
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # what an evaluation left that was cut off
