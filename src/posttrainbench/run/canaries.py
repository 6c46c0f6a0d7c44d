"""The canaries of a run: their draw, and the measurement on the submission. See `benchmarks.canaries`."""

import secrets
import shutil
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.benchmarks.canaries import CanaryPool, draw_canaries
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines import EngineLoadError
from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.evaluation.evaluate import weights_sha256
from posttrainbench.evaluation.items import load_items
from posttrainbench.evaluation.likelihood import log_likelihoods
from posttrainbench.evaluation.plan import run_plan
from posttrainbench.files import write_json
from posttrainbench.records import CanaryDraw, CanaryScore, CanaryScores, RunSpec
from posttrainbench.run.directory import Run
from posttrainbench.run.gpus import restrict_gpus, wait_until_idle

NAME = "canaries.json"


def new_draw(suite: catalog.Suite, benchmark_id: str) -> CanaryDraw | None:
    """Return a random draw; None if the suite has no canaries or the benchmark cannot generate them."""
    if not suite.canaries or load_benchmark(benchmark_id).generate is None:
        return None
    return CanaryDraw(count=suite.canaries, key=secrets.token_hex(16))


def canary_pool(spec: RunSpec) -> CanaryPool:
    """Return the canaries of a run, which are determined by `run.json`; no items if the run has none."""
    return (
        CanaryPool([], []) if spec.canaries is None else _pool(spec.benchmark, spec.canaries.count, spec.canaries.key)
    )


@lru_cache(maxsize=8)
def _pool(benchmark_id: str, count: int, key: str) -> CanaryPool:
    facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    known = [*load_items(facts, "test"), *load_items(facts, "train")]
    return draw_canaries(load_benchmark(benchmark_id), count, key, known)


def measure_canaries(run: Run, submission: Path, out: Path, audits: list[Path]) -> CanaryScores | str:
    """Return the log-likelihoods of the canaries' answers, and write them to `out`.

    Args:
        run: a run with canaries.
        submission: its accepted submission.
        out: directory of the new audit.
        audits: directories of earlier audits, latest first; their measurement of the same weights is reused.

    Returns:
        The measurement, or the reason why there is none.
    """
    base = run_plan(run.spec).base.directory
    weights = weights_sha256(submission)
    for earlier in audits:
        scores = _read(earlier / NAME)
        if scores is not None and scores.weights_sha256 == weights:
            shutil.copyfile(earlier / NAME, out / NAME)
            return scores
    if weights == weights_sha256(base):
        scores = CanaryScores(weights_sha256=weights, unchanged=True)
    else:
        try:
            scores = CanaryScores(weights_sha256=weights, scores=_scores(run, submission, out))
        except (EngineLoadError, InfrastructureError) as error:
            return one_line(error)
    write_json(out / NAME, scores)
    return scores


def _scores(run: Run, submission: Path, scratch: Path) -> list[CanaryScore]:
    spec, pool = run.spec, canary_pool(run.spec)
    items = [*pool.drawn, *pool.held_back]
    plan = run_plan(spec)
    references = {"base": plan.base.directory}
    with suppress(InputError):  # the counterpart of an official model may be missing
        references["instruct"] = catalog.instruct_of(plan.base).directory
    prompts = load_benchmark(spec.benchmark).build_prompts(items, plan.seeds[0])
    outcome = run.outcome()
    wait_until_idle(outcome.gpus)
    with restrict_gpus(outcome.gpus):
        values = log_likelihoods(submission, spec.benchmark, prompts, plan, [*references.values()], scratch)
    by_model = dict(zip(("submission", *references), values, strict=True))
    drawn = {item.id for item in pool.drawn}
    return [
        CanaryScore(
            id=item.id,
            drawn=item.id in drawn,
            question={model: rows[number][0] for model, rows in by_model.items()},
            answer={model: rows[number][1] for model, rows in by_model.items()},
        )
        for number, item in enumerate(items)
    ]


def _read(path: Path) -> CanaryScores | None:
    try:
        return CanaryScores.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
