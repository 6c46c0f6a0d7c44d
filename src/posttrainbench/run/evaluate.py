"""Evaluates an accepted submission on the whole benchmark, and puts the baselines beside it."""

from dataclasses import replace
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.engines.base import EngineLoadError
from posttrainbench.errors import InfrastructureError, one_line
from posttrainbench.evaluation.baselines import baselines
from posttrainbench.evaluation.evaluate import EvaluationError, EvaluationPlan
from posttrainbench.evaluation.evaluate import evaluate as evaluate_checkpoint
from posttrainbench.files import write_json
from posttrainbench.records import Failure, Stage, SubmissionManifest
from posttrainbench.run.directory import Run
from posttrainbench.run.watch import Watch
from posttrainbench.sandbox import load_sandbox

PROBE_ITEMS = 4


def evaluate(run: Run, out: Path, watch: Watch) -> None:
    """The stage `evaluate`: `metrics.json` or `failure.json`, `base.json`, `instruct.json`, and Inspect's log.

    A submission that is flagged is evaluated all the same: its raw score stands beside the adjusted one.
    """
    spec = run.spec
    sandbox = load_sandbox(spec.sandbox)
    base = catalog.find(catalog.models(), spec.model, "model")
    threads = catalog.find(catalog.suites(), spec.suite, "suite").threads
    for kind in ("base", "instruct"):
        found = baselines(base, kind, [spec.benchmark], spec.engine, threads, sandbox, watch.say)
        write_json(out / f"{kind}.json", found[spec.benchmark])
    submission = run.stage(Stage.COLLECT)
    manifest = SubmissionManifest.model_validate_json((submission / "manifest.json").read_text())
    if manifest.state != "accepted":
        return
    plan = EvaluationPlan(base=base, engine=spec.engine, seed=spec.seed, threads=threads)
    try:
        metrics = evaluate_checkpoint(submission, [spec.benchmark], plan, sandbox, out, watch.say)
    except (EngineLoadError, EvaluationError) as error:
        watch.say("the submission failed; trying the base model in its place")
        probe = replace(plan, limit=PROBE_ITEMS)
        try:
            evaluate_checkpoint(base.directory, [spec.benchmark], probe, sandbox, out, watch.say)
        except (EngineLoadError, EvaluationError) as same:
            raise InfrastructureError(
                "engine_failed", f"The engine fails on the base model too: {one_line(same)}"
            ) from error
        write_json(out / "failure.json", Failure(cause="submission_broken", message=one_line(error)))
        return
    (out / f"{spec.benchmark}.eval").rename(out / "log.eval")
    write_json(out / "metrics.json", metrics[spec.benchmark])
