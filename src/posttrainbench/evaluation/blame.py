"""Find out whether the checkpoint or the machine is at fault when an evaluation fails."""

from dataclasses import replace
from pathlib import Path

from posttrainbench.engines import EngineLoadError
from posttrainbench.errors import InfrastructureError, one_line
from posttrainbench.evaluation import evaluate as evaluating
from posttrainbench.evaluation.canonical_form import NotAcceptedError
from posttrainbench.evaluation.failures import EvaluationError
from posttrainbench.evaluation.plan import EvaluationPlan
from posttrainbench.evaluation.progress import Progress, Tell
from posttrainbench.records import Metrics
from posttrainbench.sandbox import Sandbox

PROBE_ITEMS = 4


class BrokenCheckpointError(Exception):
    """The checkpoint cannot be evaluated, for a reason of its own."""


def evaluate_or_blame(
    checkpoint: Path, benchmark_ids: list[str], plan: EvaluationPlan, sandbox: Sandbox, out: Path, tell: Tell
) -> dict[str, Metrics]:
    """Evaluate a checkpoint like `evaluate`, and decide who is at fault if the engine fails.

    The checkpoint is at fault if the engine works with the base model and fails on the checkpoint again afterwards.

    Raises:
        BrokenCheckpointError: the checkpoint is at fault.
        InfrastructureError: the machine is at fault, or the engine itself or the grader failed.
    """
    try:
        return evaluating.evaluate(checkpoint, benchmark_ids, plan, sandbox, out, tell)
    except NotAcceptedError as error:
        raise BrokenCheckpointError(one_line(error)) from error
    except (EngineLoadError, EvaluationError) as error:
        tell(Progress("the checkpoint failed; trying the base model instead"))
        failed = error.items if isinstance(error, EvaluationError) else ()
        probe_base(benchmark_ids, plan, sandbox, out, tell, failed)
    tell(Progress("the base model works; trying the checkpoint again"))
    try:
        return evaluating.evaluate(checkpoint, benchmark_ids, replace(plan, tries=(1,)), sandbox, out, tell)
    except (EngineLoadError, EvaluationError) as error:
        raise BrokenCheckpointError(one_line(error)) from error


def probe_base(
    benchmark_ids: list[str],
    plan: EvaluationPlan,
    sandbox: Sandbox,
    out: Path,
    tell: Tell,
    failed: tuple[str, ...] = (),
) -> None:
    """Evaluate the base model on a few items, if possible those on which the checkpoint failed.

    Raises:
        InfrastructureError: that fails too.
    """
    probe = replace(plan, limit=PROBE_ITEMS, only=failed[:PROBE_ITEMS], tries=(1,))
    try:
        evaluating.evaluate(plan.base.directory, benchmark_ids, probe, sandbox, out, tell)
    except (EngineLoadError, EvaluationError) as error:
        raise InfrastructureError(
            "engine_failed", f"The engine fails on the base model too: {one_line(error)}"
        ) from error
