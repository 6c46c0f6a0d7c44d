"""Scores of base models and instruct counterparts: computed once for a configuration, then read from the cache.

The cache lies in `$XDG_CACHE_HOME/posttrainbench/baselines`; deleting it costs only time. Two processes that need the
same baseline wait for each other instead of computing it twice.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from posttrainbench import catalog
from posttrainbench.benchmarks import load_benchmark
from posttrainbench.catalog import Model
from posttrainbench.engines.base import EngineLoadError
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation.evaluate import (
    EvaluationError,
    EvaluationPlan,
    Say,
    evaluate,
    evaluation_config,
    load_items,
)
from posttrainbench.files import sha256_bytes, sha256_file, write_json
from posttrainbench.records import Metrics
from posttrainbench.sandbox import Sandbox

Kind = Literal["base", "instruct"]


def cache_directory() -> Path:
    """Where baselines are kept."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "posttrainbench" / "baselines"


def model_sha256(directory: Path) -> str:
    """One hash over all files of a checkpoint."""
    files = sorted(path for path in directory.iterdir() if path.is_file())
    return sha256_bytes("\n".join(f"{path.name} {sha256_file(path)}" for path in files).encode())


def baselines(
    base: Model, kind: Kind, benchmark_ids: list[str], engine: str, threads: int | None, sandbox: Sandbox, say: Say
) -> dict[str, Metrics]:
    """The zero-shot scores of a base model or of its instruct counterpart.

    Raises:
        InfrastructureError: a baseline cannot be computed here.
    """
    model = base if kind == "base" else catalog.find(catalog.models(), base.instruct or "", "model")
    plan = EvaluationPlan(base=base, engine=engine, seed=0, threads=threads)
    paths = {name: cache_directory() / f"{_key(model, name, plan)}.json" for name in benchmark_ids}
    with _locked(cache_directory() / f"{model.id}.lock"):
        missing = [name for name in benchmark_ids if not paths[name].exists()]
        if missing:
            say(f"baseline of {model.id}")
            with tempfile.TemporaryDirectory() as out:
                try:
                    computed = evaluate(model.directory, missing, plan, sandbox, Path(out), say)
                except (EngineLoadError, EvaluationError) as error:
                    raise InfrastructureError("baseline_failed", f"No baseline of {model.id}: {error}") from error
            for name, metrics in computed.items():
                write_json(paths[name], metrics)
    return {name: Metrics.model_validate_json(paths[name].read_text()) for name in benchmark_ids}


def _key(model: Model, benchmark_id: str, plan: EvaluationPlan) -> str:
    facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    config = evaluation_config(facts, load_benchmark(benchmark_id), plan, load_items(facts, "test"))
    libraries = {name: version(name) for name in ("torch", "transformers")}
    depends = config | libraries | {"engine": plan.engine, "model": model_sha256(model.directory)}
    digest = sha256_bytes(json.dumps(depends, sort_keys=True, default=str).encode())
    return f"{model.id}-{benchmark_id}-{digest[:16]}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
