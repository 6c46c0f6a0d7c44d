"""Start the evaluator service of sealed suites: it evaluates an agent's checkpoints and returns only their scores."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posttrainbench.feedback.service import HostService, ServiceKind, start_service
from posttrainbench.records import RunSpec

EVALUATOR = ServiceKind(
    name="evaluator",
    module="posttrainbench.feedback.evaluator_server",
    variable="PTB_EVALUATOR",
    role="run/ptb/evaluator.sock",
)


@contextmanager
def start_evaluator(spec: RunSpec, workspace: Path, seen_as: str, folder: Path) -> Iterator[HostService]:
    """Run the evaluator until the context exits.

    Args:
        spec: specification of a run with a sealed suite.
        workspace: the workspace on the host.
        seen_as: path of the workspace in the sandbox.
        folder: an existing directory that the agent cannot read. `evaluations.jsonl` and `evaluator.log` are written
            there, and checkpoints are copied there while they are evaluated.

    Yields:
        The service, once it is ready.

    Raises:
        InfrastructureError: the process did not start.
    """
    folder = folder.absolute()
    scratch = folder / ".evaluator"
    scratch.mkdir()
    message = {
        "spec": spec.model_dump(mode="json"),
        "workspace": str(workspace.absolute()),
        "seen_as": seen_as,
        "scratch": str(scratch),
        "log": str(folder / "evaluations.jsonl"),
    }
    try:
        with start_service(EVALUATOR, message, folder / "evaluator.log") as service:
            yield service
    finally:
        shutil.rmtree(scratch, ignore_errors=True)  # left over if an evaluation was interrupted
