"""Evaluates an accepted submission on the whole benchmark, and puts the baselines beside it."""

import shutil
from dataclasses import replace
from pathlib import Path

from posttrainbench.engines import EngineLoadError
from posttrainbench.errors import InfrastructureError, one_line
from posttrainbench.evaluation.baselines import Kind, baselines, stored_baseline
from posttrainbench.evaluation.evaluate import evaluate as evaluate_checkpoint
from posttrainbench.evaluation.plan import EvaluationPlan, run_plan
from posttrainbench.evaluation.progress import Tell
from posttrainbench.files import write_json
from posttrainbench.records import Failure, Metrics, Outcome, RunSpec, Stage, SubmissionManifest
from posttrainbench.run.directory import Run
from posttrainbench.run.gpus import only_gpus, wait_until_free
from posttrainbench.run.published import published_baseline
from posttrainbench.run.watch import Watch
from posttrainbench.sandbox import Sandbox, load_sandbox

PROBE_ITEMS = 4


def evaluate(run: Run, out: Path, watch: Watch) -> None:
    """The stage `evaluate`: `metrics.json` or `failure.json`, `base.json`, `instruct.json`, and Inspect's logs.

    A submission that is flagged is evaluated all the same: its raw score stands beside the adjusted one.
    """
    outcome = Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
    wait_until_free(outcome.gpus)
    with only_gpus(outcome.gpus):
        _evaluate(run, out, watch)


def _evaluate(run: Run, out: Path, watch: Watch) -> None:
    from posttrainbench.evaluation.attempt import EvaluationError

    spec = run.spec
    sandbox = load_sandbox(spec.sandbox)
    plan = run_plan(spec)

    def tell(progress: object) -> None:
        watch.say(str(progress))

    kinds: tuple[Kind, ...] = ("base", "instruct")
    for kind in kinds:
        write_json(out / f"{kind}.json", _baseline(spec, plan, kind, sandbox, tell))
    submission = run.stage(Stage.COLLECT)
    manifest = SubmissionManifest.model_validate_json((submission / "manifest.json").read_text())
    if manifest.state != "accepted":
        return
    _take_over(run, out)
    try:
        metrics = evaluate_checkpoint(submission, [spec.benchmark], plan, sandbox, out, tell)
    except (EngineLoadError, EvaluationError) as error:
        watch.say("the submission failed; trying the base model in its place")
        probe = replace(plan, limit=PROBE_ITEMS, tries=(1,))
        try:
            evaluate_checkpoint(plan.base.directory, [spec.benchmark], probe, sandbox, out, tell)
        except (EngineLoadError, EvaluationError) as same:
            raise InfrastructureError(
                "engine_failed", f"The engine fails on the base model too: {one_line(same)}"
            ) from error
        write_json(out / "failure.json", Failure(cause="submission_broken", message=one_line(error)))
        return
    write_json(out / "metrics.json", metrics[spec.benchmark])


def _baseline(spec: RunSpec, plan: EvaluationPlan, kind: Kind, sandbox: Sandbox, tell: Tell) -> Metrics:
    """One's own where it has been computed, else the published one, else computed now."""
    known = stored_baseline(plan, kind, spec.benchmark) or published_baseline(spec, kind)
    return known or baselines(plan, kind, [spec.benchmark], sandbox, tell)[spec.benchmark]


def _take_over(run: Run, out: Path) -> None:
    """Continue from the items of an attempt that was cut off; each line tells under which configuration it counts."""
    for attempt in run.attempts(Stage.EVALUATE):
        finished = (attempt / "metrics.json").exists() or (attempt / "failure.json").exists()
        if not finished and (attempt / "items.jsonl").exists():
            shutil.copyfile(attempt / "items.jsonl", out / "items.jsonl")
            return
