"""Evaluates a checkpoint with Inspect against an engine, and records all that may change the score."""

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.benchmarks import Benchmark, Item, Split, load_benchmark
from posttrainbench.catalog import BenchmarkFacts, Model
from posttrainbench.engines import Engine, load_engine
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import sha256_bytes, sha256_file
from posttrainbench.records import Metrics
from posttrainbench.sandbox import Sandbox
from posttrainbench.sandbox.executor import code_executor

Say = Callable[[str], None]


class EvaluationError(Exception):
    """The engine answered with an error while generating. Whose fault that is, the caller finds out."""


@dataclass(frozen=True)
class EvaluationPlan:
    """Everything an evaluation depends on besides the checkpoint's files.

    Attributes:
        base: base model of the task, whose family gives the chat template.
        threads: CPU threads of the engine; None leaves that to its libraries.
        limit: first so many items; None for all.
    """

    base: Model
    engine: str
    seed: int
    threads: int | None = None
    limit: int | None = None


def chat_template(base: Model) -> Path:
    """The chat template of a base model's family: its instruct counterpart's."""
    counterpart = catalog.find(catalog.models(), base.instruct or base.id, "model")
    return counterpart.directory / "chat_template.jinja"


def items_sha256(items: list[Item]) -> str:
    """SHA-256 over the items in order, as the catalog records it."""
    return sha256_bytes("\n".join(json.dumps(asdict(item), sort_keys=True) for item in items).encode())


@cache
def _load(benchmark_id: str, split: Split) -> tuple[list[Item], str]:
    items = load_benchmark(benchmark_id).load(split)
    return items, items_sha256(items)


def load_items(facts: BenchmarkFacts, split: Split) -> list[Item]:
    """The items of a split, checked against the catalog's hash.

    Raises:
        InfrastructureError: the data is not what the catalog describes.
    """
    items, digest = _load(facts.id, split)
    if digest != facts.sha256[split]:
        raise InfrastructureError("data_changed", f"The {split} items of {facts.id} are not those of the catalog.")
    return items


def evaluate(
    checkpoint: Path, benchmark_ids: list[str], plan: EvaluationPlan, sandbox: Sandbox, out: Path, say: Say
) -> dict[str, Metrics]:
    """Evaluate one checkpoint on some benchmarks, loading it once.

    Args:
        out: existing directory; gets `engine.log` and `BENCHMARK.eval` (the Inspect log) of each.
        say: told of progress, a short sentence at a time.

    Returns:
        Benchmark id -> metrics.

    Raises:
        EngineLoadError: the checkpoint cannot be loaded.
        EvaluationError: the engine failed while generating.
        InfrastructureError: anything else of the machine's.
    """
    missing = [name for name in ("inspect_ai", "openai", "torch", "transformers") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"Evaluating on this machine needs {', '.join(missing)}; "
            "install the extra: pip install 'posttrainbench[local]'."
        )
    say("loading the checkpoint")
    with load_engine(plan.engine)(checkpoint, chat_template(plan.base), out / "engine.log", plan.threads) as engine:
        metrics = {}
        for benchmark_id in benchmark_ids:
            metrics[benchmark_id] = _evaluate_one(benchmark_id, plan, engine, sandbox, out, say)
        return metrics


def _evaluate_one(
    benchmark_id: str, plan: EvaluationPlan, engine: Engine, sandbox: Sandbox, out: Path, say: Say
) -> Metrics:
    facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    benchmark = load_benchmark(benchmark_id)
    items = load_items(facts, "test")[: plan.limit]
    say(f"answering {len(items)} items of {benchmark_id}")
    started = time.monotonic()
    with code_executor(sandbox, benchmark.scorer) as executor:
        scores = _run_inspect(benchmark, items, facts, plan, engine, executor.run, out)
    seconds = time.monotonic() - started
    mean = sum(scores.values()) / len(scores)
    variance = sum((score - mean) ** 2 for score in scores.values()) / max(1, len(scores) - 1)
    return Metrics(
        benchmark=benchmark_id,
        score=mean,
        stderr=math.sqrt(variance / len(scores)),
        items=scores,
        config=evaluation_config(facts, benchmark, plan, items) | {"engine": engine.config},
        seconds=seconds,
    )


def evaluation_config(
    facts: BenchmarkFacts, benchmark: Benchmark, plan: EvaluationPlan, items: list[Item]
) -> dict[str, object]:
    """What besides the engine may change a score."""
    return {
        "inspect_ai": version("inspect_ai"),
        "benchmark": facts.id,
        "items": len(items),
        "items_sha256": items_sha256(items),
        "scorer_sha256": sha256_file(benchmark.scorer),
        "template_sha256": sha256_file(chat_template(plan.base)),
        "max_tokens": facts.max_tokens,
        "seed": plan.seed,
        "threads": plan.threads,
    }


def _run_inspect(
    benchmark: Benchmark,
    items: list[Item],
    facts: BenchmarkFacts,
    plan: EvaluationPlan,
    engine: Engine,
    execute: Callable[[dict[str, object]], dict[str, object]],
    out: Path,
) -> dict[str, float]:
    from inspect_ai import eval as inspect_eval
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.scorer import value_to_float

    logging.getLogger("httpx").setLevel(logging.WARNING)
    model = get_model(
        "openai-api/engine/checkpoint",
        base_url=engine.base_url,
        api_key=engine.api_key,
        memoize=False,
        config=GenerateConfig(
            max_tokens=facts.max_tokens,
            seed=plan.seed,
            max_connections=engine.connections,
            max_retries=0,
            timeout=3600,
        ),
    )
    [log] = inspect_eval(
        benchmark.task(items, execute),
        model=model,
        display="none",
        log_dir=str(out),
        log_format="eval",
        log_realtime=False,
        max_samples=engine.connections,
        score_display=False,
    )
    if log.status == "cancelled":
        raise KeyboardInterrupt
    if log.status != "success" or log.samples is None:
        said = engine.last_error() or (log.error and log.error.message)
        raise EvaluationError(said or f"Inspect ended with `{log.status}`")
    number = value_to_float()
    scores = {
        str(sample.id): number(next(iter(sample.scores.values())).value) for sample in log.samples if sample.scores
    }
    if len(scores) != len(items):
        raise InfrastructureError("engine_failed", f"Only {len(scores)} of {len(items)} items were scored.")
    Path(log.location.removeprefix("file://")).replace(out / f"{facts.id}.eval")
    return scores
