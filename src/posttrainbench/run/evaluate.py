"""The evaluate stage: evaluate an accepted submission on the whole benchmark, and collect the baselines."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posttrainbench.errors import InputError, one_line
from posttrainbench.evaluation.baselines import baselines, stored_baseline
from posttrainbench.evaluation.blame import BrokenCheckpointError, evaluate_or_blame
from posttrainbench.evaluation.plan import EvaluationPlan, run_plan
from posttrainbench.evaluation.progress import Tell
from posttrainbench.files import write_json
from posttrainbench.records import Baseline, Failure, Metrics, RunSpec, Stage
from posttrainbench.run.collected import read_submission
from posttrainbench.run.directory import Run
from posttrainbench.run.gpus import WAIT_SECONDS, reserve_gpus, restrict_gpus, wait_until_idle
from posttrainbench.run.progress import ProgressListener
from posttrainbench.sandbox import Sandbox, load_sandbox
from posttrainbench.scoring.published import published


def evaluate(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `evaluate`: write `metrics.json` or `failure.json`, `base.json`, `instruct.json`, Inspect's logs.

    Flagged submissions are evaluated too, to report their raw scores.
    """
    with evaluation_gpus(run):
        _evaluate(run, out, listener)


@contextmanager
def evaluation_gpus(run: Run) -> Iterator[None]:
    """Reserve as many GPUs as the run's agent had, and use only these, until the context exits.

    Raises:
        InfrastructureError: not enough GPUs are free.
    """
    outcome = run.outcome()
    # A number of GPUs may be other ones than the agent's, which another run may use by now.
    wanted = len(outcome.gpus) if isinstance(run.spec.gpus, int) else outcome.gpus
    with reserve_gpus(wanted, wait=WAIT_SECONDS) as gpus:
        wait_until_idle(gpus)
        with restrict_gpus(gpus):
            yield


def _evaluate(run: Run, out: Path, listener: ProgressListener) -> None:
    spec = run.evaluated_spec
    submission, manifest = read_submission(run)
    sandbox = load_sandbox(spec.sandbox)
    plan = run_plan(spec)

    def tell(progress: object) -> None:
        listener.on_message(str(progress))

    for kind in (Baseline.BASE, Baseline.INSTRUCT):
        write_json(out / f"{kind}.json", baseline_of(spec, plan, kind, sandbox, tell))
    if manifest.state != "accepted":
        return
    _copy_finished_items(run, out)
    try:
        metrics = evaluate_or_blame(submission, [spec.benchmark], plan, sandbox, out, tell)
    except BrokenCheckpointError as error:
        write_json(out / "failure.json", Failure(cause="submission_broken", message=one_line(error)))
        return
    write_json(out / "metrics.json", metrics[spec.benchmark])


def baseline_of(spec: RunSpec, plan: EvaluationPlan, kind: Baseline, sandbox: Sandbox, tell: Tell) -> Metrics:
    """Return the stored baseline, else the published one, else compute it."""
    existing = stored_baseline(plan, kind, spec.benchmark)
    existing = existing or published_baseline(spec.suite, spec.model, spec.benchmark, kind)
    return existing or baselines(plan, kind, [spec.benchmark], sandbox, tell)[spec.benchmark]


def published_baseline(suite: str, model: str, benchmark: str, kind: Baseline) -> Metrics | None:
    """Return the published score of a base model or its instruct counterpart.

    Published scores have no scores of single items, so the standard error is unknown and given as 0.

    Returns:
        None if nothing is published for the suite, the model or the benchmark.
    """
    try:
        tables = published(suite)
    except InputError:
        return None
    scores = tables.baselines[kind].get(model)
    if scores is None or benchmark not in tables.benchmarks:
        return None
    score = tables.named(scores)[benchmark] / 100
    return Metrics(
        benchmark=benchmark,
        score=score,
        stderr=0.0,
        items={},
        seeds={},
        eval_config={"published": tables.source},
        seconds=0.0,
    )


def _copy_finished_items(run: Run, out: Path) -> None:
    """Reuse the finished items of the last interrupted attempt. Each line names its evaluation configuration."""
    for attempt in run.attempts(Stage.EVALUATE):
        finished = (attempt / "metrics.json").exists() or (attempt / "failure.json").exists()
        if not finished and (attempt / "items.jsonl").exists():
            shutil.copyfile(attempt / "items.jsonl", out / "items.jsonl")
            return
