"""Starting a run's grader service: it takes answers to the run's own items, and gives scores."""

from contextlib import AbstractContextManager
from pathlib import Path

from posttrainbench.gateway.services import HostService, Kind, start_service

GRADER = Kind(
    name="grader service",
    module="posttrainbench.gateway.grading_server",
    variable="PTB_GRADER",
    role="run/ptb/grading.sock",
)


def start_grader_service(
    benchmark: str, grader: str, seed: int, passes: int, folder: Path
) -> AbstractContextManager[HostService]:
    """The service in a process of its own, stopped on leaving.

    Args:
        benchmark: id of a graded benchmark.
        grader: the model that grades, as `evaluation.grader.ModelGrader` takes it; its key stays in that process.
        seed: with which the kit poses the items.
        passes: answers that it grades in all, in multiples of the benchmark's items.
        folder: an existing directory, where `evaluations.jsonl` and `grading.log` are written.

    Raises:
        InfrastructureError: the process did not start.
    """
    order = {
        "benchmark": benchmark,
        "grader": grader,
        "seed": seed,
        "passes": passes,
        "log": str((folder / "evaluations.jsonl").absolute()),
    }
    return start_service(GRADER, order, folder / "grading.log")
