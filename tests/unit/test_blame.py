"""Who is at fault when an evaluation fails: the checkpoint or the machine."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from posttrainbench import catalog
from posttrainbench.engines import EngineLoadError
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation import evaluate as evaluating
from posttrainbench.evaluation.attempt import EvaluationError
from posttrainbench.evaluation.blame import PROBE_ITEMS, BrokenCheckpointError, evaluate_or_blame
from posttrainbench.evaluation.canonical_form import NotAcceptedError
from posttrainbench.evaluation.plan import EvaluationPlan, suite_plan

SUBMISSION = Path("submission")
PLAN = replace(suite_plan(catalog.suites()["micro"], catalog.models()["micro-base"]), tries=(4, 3, 2))
LOAD, CRASH = EngineLoadError("RuntimeError: wrong shape"), EvaluationError("vLLM exited while generating: x")
NO_GPU = EngineLoadError("RuntimeError: Failed to infer device type")
MACHINE = InfrastructureError("grader_failed", "no verdict")
METRICS = {"micro-math": SimpleNamespace(score=0.5)}


class Evaluation:
    """Replaces `evaluate`: fails as told, in order, on the submission and on the base model."""

    def __init__(self, submission: list[Exception | None], base: list[Exception | None]) -> None:
        self.left = {SUBMISSION: submission, PLAN.base.directory: base}
        self.plans: list[tuple[Path, EvaluationPlan]] = []

    def __call__(self, checkpoint: Path, benchmark_ids: list[str], plan: EvaluationPlan, *more: object) -> dict:
        self.plans.append((checkpoint, plan))
        if error := self.left[checkpoint].pop(0):
            raise error
        return METRICS


@pytest.mark.parametrize(
    ("submission", "base", "outcome"),
    [
        ([None], [], METRICS),
        ([NotAcceptedError("float64")], [], BrokenCheckpointError("float64")),
        ([LOAD, LOAD], [None], BrokenCheckpointError(str(LOAD))),
        ([CRASH, CRASH], [None], BrokenCheckpointError(str(CRASH))),
        ([LOAD, None], [None], METRICS),  # another process had taken the memory
        ([NO_GPU], [NO_GPU], InfrastructureError("engine_failed", f"The engine fails on the base model too: {NO_GPU}")),
        ([CRASH], [CRASH], InfrastructureError("engine_failed", f"The engine fails on the base model too: {CRASH}")),
        ([CRASH], [MACHINE], MACHINE),
        ([MACHINE], [], MACHINE),
        ([LOAD, MACHINE], [None], MACHINE),
    ],
)
def test_base_model_decides_who_is_at_fault(
    submission: list, base: list, outcome: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluation = Evaluation(submission, base)
    monkeypatch.setattr(evaluating, "evaluate", evaluation)

    def evaluate() -> dict:
        return evaluate_or_blame(SUBMISSION, ["micro-math"], PLAN, object(), Path("out"), lambda progress: None)

    if isinstance(outcome, Exception):
        with pytest.raises(type(outcome)) as raised:
            evaluate()
        assert str(raised.value).rstrip(".") == str(outcome)
    else:
        assert evaluate() is outcome
    assert not any(evaluation.left.values())
    limits = [plan.limit for checkpoint, plan in evaluation.plans if checkpoint != SUBMISSION]
    assert limits in ([], [PROBE_ITEMS])


def test_base_model_is_tried_on_the_items_on_which_the_checkpoint_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = tuple(f"micro-math/test/{number:04}" for number in range(7, 17))
    too_long = EvaluationError("Error code: 400 - the prompt has 600 tokens", failed, refused=True)
    evaluation = Evaluation([too_long], [too_long])
    monkeypatch.setattr(evaluating, "evaluate", evaluation)
    with pytest.raises(InfrastructureError, match="fails on the base model too: Error code: 400"):
        evaluate_or_blame(SUBMISSION, ["micro-math"], PLAN, object(), Path("out"), lambda progress: None)
    assert [plan.only for _, plan in evaluation.plans] == [(), failed[:PROBE_ITEMS]]
