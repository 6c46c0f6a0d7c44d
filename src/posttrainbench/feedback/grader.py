"""Start the grader service of graded benchmarks: it receives answers to the run's items and returns scores."""

from contextlib import AbstractContextManager
from pathlib import Path

from posttrainbench.feedback.service import HostService, ServiceKind, start_service

GRADER = ServiceKind(
    name="grader service",
    module="posttrainbench.feedback.grader_server",
    variable="PTB_GRADER",
    role="run/ptb/grading.sock",
)


def start_grader_service(
    benchmark: str, model: str, grader: str, seed: int, passes: int, folder: Path
) -> AbstractContextManager[HostService]:
    """Return a context in which the grader service runs.

    Args:
        benchmark: id of a graded benchmark.
        model: id of the run's base model.
        grader: name of the grading model, as in `evaluation.grader.ModelGrader`; its key stays in that process.
        seed: evaluation seed with which the kit builds its prompts.
        passes: maximum answers to grade, in multiples of the benchmark's number of items.
        folder: an existing directory in which `evaluations.jsonl` and `grading.log` are written.

    Raises:
        InfrastructureError: the process did not start.
    """
    message = {
        "benchmark": benchmark,
        "model": model,
        "grader": grader,
        "seed": seed,
        "passes": passes,
        "log": str((folder / "evaluations.jsonl").absolute()),
    }
    return start_service(GRADER, message, folder / "grading.log")
