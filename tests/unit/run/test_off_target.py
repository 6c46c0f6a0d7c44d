"""Evaluations on benchmarks that a submission was not trained for: recorded, in the result, never its score."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.evaluation.blame import BrokenCheckpointError
from posttrainbench.launch.job import execute, executions
from posttrainbench.launch.standing import State, next_part, standing
from posttrainbench.records import Metrics, Result, RunKey, Stage, Status
from posttrainbench.run import Run, off_target
from posttrainbench.run.off_target import evaluate_off_target, missing_off_target, read_off_target
from posttrainbench.run.progress import ProgressListener
from trajectory_recordings import make_recorded_run


def metrics(score: float) -> Metrics:
    return Metrics(benchmark="b", score=score, stderr=0, items={}, seeds={}, eval_config={}, seconds=0)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A settled run whose submission is accepted, with evaluations that give fixed scores."""
    run = Run(make_recorded_run(tmp_path / "run", []))
    for stage in (Stage.PREPARE, Stage.SOLVE, Stage.COLLECT, Stage.AUDIT, Stage.EVALUATE):
        run.stage(stage).mkdir(exist_ok=True)
    (run.stage(Stage.SOLVE) / "outcome.json").write_text("{}")
    scores = {"score": 0.4, "raw_score": 0.4, "base_score": 0.1, "instruct_score": 0.9}
    result = Result(run="run", status=Status.SCORED, verdict={}, reasons=[], evidence=[], **scores)
    (run.root / "result.json").write_text(result.model_dump_json())
    base = {"base": 0.5, "instruct": 0.8}
    monkeypatch.setattr(off_target, "run_plan", lambda spec: None)
    monkeypatch.setattr(off_target, "load_sandbox", lambda name: None)
    monkeypatch.setattr(off_target, "baseline_of", lambda spec, plan, kind, *_: metrics(base[kind]))
    submission(monkeypatch, "accepted")
    evaluation(monkeypatch, 0.3)
    no_gpus = SimpleNamespace(gpus=[])
    monkeypatch.setattr(Run, "outcome", lambda run: no_gpus)
    return run


def submission(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    monkeypatch.setattr(off_target, "read_submission", lambda run: (run.root, SimpleNamespace(state=state)))


def evaluation(monkeypatch: pytest.MonkeyPatch, result: float | Exception) -> list[str]:
    """Let evaluations have this result; return the benchmarks that were evaluated."""
    evaluated: list[str] = []

    def evaluate(checkpoint: Path, benchmarks: list[str], *others: Any) -> dict[str, Metrics]:
        evaluated.extend(benchmarks)
        if isinstance(result, Exception):
            raise result
        return {benchmarks[0]: metrics(result)}

    monkeypatch.setattr(off_target, "evaluate_or_blame", evaluate)
    return evaluated


def test_a_benchmark_is_evaluated_once_and_has_no_effect_on_the_score(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated = evaluation(monkeypatch, 0.3)
    for _ in range(2):
        result = evaluate_off_target(run, ["micro-math", "micro-code"], ProgressListener())
    assert sorted(evaluated) == ["micro-code", "micro-math"]
    assert (result.score, result.status) == (0.4, Status.SCORED)
    found = [(one.benchmark, one.score, one.base_score, one.instruct_score) for one in result.off_target]
    assert found == [("micro-code", 0.3, 0.5, 0.8), ("micro-math", 0.3, 0.5, 0.8)]
    assert run.result() == result
    assert read_off_target(run.root) == result.off_target


def test_a_submission_that_cannot_be_evaluated_has_no_score(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation(monkeypatch, BrokenCheckpointError("It does not load."))
    [broken] = evaluate_off_target(run, ["micro-math"], ProgressListener()).off_target
    assert (broken.score, broken.text) == (None, "It does not load.")
    submission(monkeypatch, "missing")
    missing = evaluate_off_target(run, ["micro-code"], ProgressListener()).off_target[0]
    assert (missing.score, missing.base_score) == (None, 0.5)


def test_a_failure_of_the_machine_leaves_nothing_but_a_failed_job(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation(monkeypatch, InfrastructureError("engine_failed", "No engine."))
    with pytest.raises(InfrastructureError):
        evaluate_off_target(run, ["micro-math"], ProgressListener())
    assert read_off_target(run.root) == []
    assert execute(run, "all", 1, ProgressListener(), off_target=["micro-math"]).ending == "failed"
    assert executions(run.root)[-1].text == "No engine."
    assert run.result().score == 0.4  # type: ignore[union-attr]

    evaluation(monkeypatch, 0.3)
    assert execute(run, "evaluation", 1, ProgressListener(), off_target=["micro-math"]).ending == "done"
    assert len(read_off_target(run.root)) == 1


def test_a_run_without_its_evaluations_off_target_is_not_done(run: Run) -> None:
    spec = run.spec
    key = RunKey(spec.agent.name, spec.model, spec.benchmark, spec.seed)
    wanted = ["micro-math", spec.benchmark]  # its own benchmark is left out
    assert missing_off_target(run, wanted) == ["micro-math"]
    assert (next_part(run, wanted), next_part(run)) == ("evaluation", None)
    assert standing(key, run.root, 0, wanted).state is State.CONTINUE
    evaluate_off_target(run, ["micro-math"], ProgressListener())
    assert standing(key, run.root, 0, wanted).state is State.DONE
    assert next_part(run, wanted) is None


def test_what_cannot_be_evaluated_is_refused(run: Run) -> None:
    with pytest.raises(InputError, match="Unknown benchmark `nope`"):
        evaluate_off_target(run, ["nope"], ProgressListener())
    (run.root / "off_target").mkdir()
    (run.root / "off_target" / "micro-math.json").write_text("{")
    with pytest.raises(InputError, match=r"micro-math.json is damaged"):
        read_off_target(run.root)
    (run.root / "result.json").unlink()
    with pytest.raises(InputError, match="has no result yet"):
        evaluate_off_target(run, ["micro-math"], ProgressListener())
