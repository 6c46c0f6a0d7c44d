"""Evaluations whose engine refuses a request, and evaluations of chosen items only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.engines import Endpoint, Engine, Serving
from posttrainbench.evaluation import attempt as attempting
from posttrainbench.evaluation import evaluate as evaluating
from posttrainbench.evaluation.failures import EvaluationError
from posttrainbench.evaluation.plan import EvaluationPlan, suite_plan
from posttrainbench.sandbox import load_sandbox

MODEL = catalog.models()["micro-base"]
PLAN = replace(suite_plan(catalog.suites()["micro"], MODEL), tries=(3, 2))


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The ids of the items of each attempt; all fail."""

    @contextmanager
    def start(serving: Serving) -> Iterator[Endpoint]:
        serving.log.touch()
        yield Endpoint("http://127.0.0.1:1/v1", "key", 4, True, {"engine": "none"}, serving.log)

    seen: list[list[str]] = []

    def attempt(benchmark: object, items: list, *_: object, **__: object) -> None:
        seen.append([item.id for item in items])
        raise failure

    failure = EvaluationError("the engine crashed")
    monkeypatch.setattr(attempting, "attempt", attempt)
    monkeypatch.setattr(evaluating, "load_engine", lambda name: Engine(name, start, lambda settings: {}, kit={}))
    return seen


def evaluate(plan: EvaluationPlan, out: Path) -> None:
    with pytest.raises(EvaluationError):
        evaluating.evaluate(MODEL.directory, ["micro-math"], plan, load_sandbox("process"), out, lambda moment: None)


def test_failure_is_tried_again(attempts: list[list[str]], tmp_path: Path) -> None:
    evaluate(replace(PLAN, limit=2), tmp_path)
    assert len(attempts) == sum(PLAN.tries)
    assert all(len(items) == 2 for items in attempts)


def test_refused_request_is_not_tried_again(
    attempts: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        attempts.append([])
        raise EvaluationError("Error code: 400 - the prompt has 600 tokens", ("micro-math/test/0001",), refused=True)

    monkeypatch.setattr(attempting, "attempt", refuse)
    evaluate(PLAN, tmp_path)
    assert attempts == [[]]


def test_only_chosen_items_are_evaluated(attempts: list[list[str]], tmp_path: Path) -> None:
    every = [item.id for item in evaluating.load_items(catalog.benchmarks()["micro-math"], "test")]
    chosen = (every[150], every[7])
    evaluate(replace(PLAN, tries=(1,), limit=4, only=chosen), tmp_path)
    evaluate(replace(PLAN, tries=(1,), limit=4, only=("gsm8k/test/0001",)), tmp_path)
    assert attempts == [[every[7], every[150]], every[:4]]


@pytest.mark.parametrize(
    ("reason", "refused"),
    [
        ("Error code: 400 - {'error': ...}", True),
        ("Error code: 404 - {'error': ...}", True),
        ("Error code: 408 - timeout", False),
        ("Error code: 429 - busy", False),
        ("Error code: 499 - closed", True),
        ("Error code: 500 - generation failed", False),
        ("Connection error.", False),
    ],
)
def test_client_errors_are_refusals(reason: str, refused: bool) -> None:
    assert bool(attempting._REFUSED.match(reason)) == refused
