"""Compute and cache the scores of base models and instruct counterparts for a configuration.

The cache is `$XDG_CACHE_HOME/posttrainbench/baselines` and can be deleted. If two processes need the same baseline, one
waits for the other. A computation that was killed is continued by the next process.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.catalog import Model
from posttrainbench.engines import load_engine
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.evaluation.blame import BrokenCheckpointError, evaluate_or_blame
from posttrainbench.evaluation.evaluate import model_sha256
from posttrainbench.evaluation.items import load_items
from posttrainbench.evaluation.plan import EvaluationPlan, config_sha256, evaluation_config
from posttrainbench.evaluation.progress import Progress, Tell
from posttrainbench.files import write_json
from posttrainbench.records import Baseline, Metrics
from posttrainbench.sandbox import Sandbox


def cache_directory() -> Path:
    """Return the directory of cached baselines."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "posttrainbench" / "baselines"


def stored_baseline(plan: EvaluationPlan, kind: Baseline, benchmark_id: str) -> Metrics | None:
    """Return the cached baseline for exactly this plan; None if there is none."""
    try:
        path = _path(plan, kind, benchmark_id)
    except InputError:  # without the model or the engine, the key of the baseline cannot be computed
        return None
    return Metrics.model_validate_json(path.read_text()) if path.exists() else None


def baselines(
    plan: EvaluationPlan, kind: Baseline, benchmark_ids: list[str], sandbox: Sandbox, tell: Tell
) -> dict[str, Metrics]:
    """Return the scores of a base model or of its instruct counterpart; compute those that are not cached.

    Args:
        plan: plan for the base model; `few_shot` is set according to `kind`.

    Returns:
        Benchmark id -> metrics.

    Raises:
        InfrastructureError: a baseline cannot be computed.
        InputError: a model or a benchmark's data is not on this machine.
    """
    plan, model = _plan_and_model(plan, kind)
    work = cache_directory() / f"{model.id}-{kind}.partial"
    with _locked(cache_directory() / f"{model.id}-{kind}.lock"):
        missing = [name for name in benchmark_ids if not _path(plan, kind, name).exists()]
        if missing:
            tell(Progress(f"baseline of {model.id}"))
            work.mkdir(exist_ok=True)
            try:
                computed = evaluate_or_blame(model.directory, missing, plan, sandbox, work, tell)
            except BrokenCheckpointError as error:
                raise InfrastructureError("baseline_failed", f"No baseline of {model.id}: {error}") from error
            for name, metrics in computed.items():
                write_json(_path(plan, kind, name), metrics)
            shutil.rmtree(work)
    return {
        name: Metrics.model_validate_json(_path(plan, kind, name).read_text()) for name in dict.fromkeys(benchmark_ids)
    }


def _plan_and_model(plan: EvaluationPlan, kind: Baseline) -> tuple[EvaluationPlan, Model]:
    plan = replace(plan, few_shot=kind is Baseline.FEW_SHOT)
    if kind is Baseline.INSTRUCT:
        return plan, catalog.find(catalog.models(), plan.base.instruct or "", "model")
    return plan, plan.base


def _path(plan: EvaluationPlan, kind: Baseline, benchmark_id: str) -> Path:
    plan, model = _plan_and_model(plan, kind)
    facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    items = load_items(facts, "test")[: plan.limit]
    engine = load_engine(plan.engine)
    depends = evaluation_config(facts, load_benchmark(benchmark_id), plan, items) | {
        "engine": engine.name,
        "settings": engine.score_settings(plan.settings),
        "libraries": engine.versions(plan.settings),
        "environment": engine.environment(),
        "model": model_sha256(model.directory),
    }
    return cache_directory() / f"{model.id}-{kind}-{benchmark_id}-{config_sha256(depends)[:16]}.json"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
