"""Score trivial answers with the scorers of the benchmarks, without a model or an engine.

Scores of built-in benchmarks are in the catalog. Others are computed by `ptb baseline --kind trivial` and stored beside
the cached baselines.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.benchmarks import Benchmark, Grade, Item, Services, items_sha256
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.trivial import echo, trivial_answers
from posttrainbench.catalog import BenchmarkFacts, Suite
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.evaluation.baselines import cache_directory
from posttrainbench.evaluation.evaluate import item_scores, require_libraries
from posttrainbench.evaluation.items import load_items
from posttrainbench.evaluation.plan import config_sha256
from posttrainbench.files import sha256_file, write_json
from posttrainbench.records import TrivialAnswer, TrivialScores
from posttrainbench.sandbox.executor import code_executor

if TYPE_CHECKING:
    from posttrainbench.sandbox import Sandbox

VERSION = 1
"""Version of the trivial answers; part of the key of stored scores."""


def needs_grader(benchmark_id: str) -> str | None:
    """Return a sentence if a grader model scores the benchmark, so that trivial answers have no score; else None."""
    if not load_benchmark(benchmark_id).graded:
        return None
    return f"{benchmark_id} is scored by a grader model, so its trivial answers cannot be scored without a grader."


def known_trivial_scores(benchmark_id: str, suite: Suite) -> dict[TrivialAnswer, float]:
    """Return trivial answer -> score, from the catalog or the stored scores; empty if not known.

    Args:
        suite: its evaluation seeds can determine the order of choices.
    """
    facts = catalog.benchmarks().get(benchmark_id)
    if facts is None:
        return {}
    if facts.trivial:
        return dict(facts.trivial)
    try:
        benchmark = load_benchmark(benchmark_id)
        stored = (
            None if benchmark.graded else _stored(_path(benchmark, load_items(facts, "test"), _seeds(facts, suite)))
        )
    except (InputError, InfrastructureError):  # the benchmark or its data is not on this machine, or was changed
        return {}
    return dict(stored.scores) if stored else {}


def trivial_scores(benchmark_id: str, suite: Suite, limit: int | None, sandbox: Sandbox) -> TrivialScores:
    """Return the scores of trivial answers; compute and store those that are not stored.

    Args:
        limit: use only the first `limit` items; None for all.
        sandbox: runs programs, for benchmarks that execute code.

    Raises:
        InputError: the benchmark needs a grader, or its data is not on this machine.
        InfrastructureError: the sandbox failed.
    """
    if sentence := needs_grader(benchmark_id):
        raise InputError(sentence)
    facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    benchmark = load_benchmark(benchmark_id)
    items, seeds = load_items(facts, "test")[:limit], _seeds(facts, suite)
    path = _path(benchmark, items, seeds)
    if stored := _stored(path):
        return stored
    require_libraries()
    with ExitStack() as stack:
        execute = stack.enter_context(code_executor(sandbox, benchmark.scorer)).run if benchmark.executes else None
        prompted = {seed: benchmark.build_prompts(items, seed) for seed in seeds}
        scores = asyncio.run(_score(benchmark, prompted, Services(execute=execute)))
    result = TrivialScores(benchmark=benchmark_id, items=len(items), seeds=list(seeds), scores=scores)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    return result


def _seeds(facts: BenchmarkFacts, suite: Suite) -> tuple[int, ...]:
    return tuple(suite.evaluation_seeds if facts.every_seed else suite.evaluation_seeds[:1])


def _path(benchmark: Benchmark, items: list[Item], seeds: tuple[int, ...]) -> Path:
    depends = {
        "answers": VERSION,
        "items_sha256": items_sha256(items),
        "scorer_sha256": sha256_file(benchmark.scorer),
        "prompts_sha256": items_sha256([item for seed in seeds for item in benchmark.build_prompts(items, seed)]),
    }
    return cache_directory() / f"trivial-{benchmark.id}-{config_sha256(depends)[:16]}.json"


def _stored(path: Path) -> TrivialScores | None:
    try:
        return TrivialScores.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):  # missing or damaged: computed again
        return None


async def _score(
    benchmark: Benchmark, prompted: dict[int, list[Item]], services: Services
) -> dict[TrivialAnswer, float]:
    """Return trivial answer -> score, mean over the seeds, of its best completion."""
    everything = [item for items in prompted.values() for item in items]
    known: dict[str | None, float] = {}
    scores = {}
    for answer, completions in trivial_answers(everything).items():
        for completion in completions:
            if completion not in known:
                by_seed = [
                    benchmark.summary(item_scores(await _grades(benchmark, items, completion, services)))[0]
                    for items in prompted.values()
                ]
                known[completion] = fmean(by_seed)
        scores[answer] = max(known[completion] for completion in completions)
    return scores


async def _grades(benchmark: Benchmark, items: list[Item], completion: str | None, services: Services) -> list[Grade]:
    """Grade one completion, or the prompt of each item, with the scorer of the benchmark's Inspect task."""
    from inspect_ai.model import ModelName, ModelOutput
    from inspect_ai.scorer import Target, value_to_float
    from inspect_ai.solver import TaskState

    from posttrainbench.benchmarks.inspect_task import WEIGHT

    task = benchmark.task(items, services)
    [scorer] = task.scorer or []
    number = value_to_float()

    async def grade(item: Item) -> Grade:
        output = ModelOutput.from_content("trivial", echo(item) if completion is None else completion)
        state = TaskState(
            ModelName("trivial/trivial"), item.id, 1, item.question, [], output=output, metadata={"target": item.target}
        )
        score = await scorer(state, Target(item.answer))
        if score is None:
            raise InfrastructureError("engine_failed", f"The scorer of {benchmark.id} did not score {item.id}.")
        return Grade(number(score.value), (score.metadata or {}).get(WEIGHT, 1.0))

    return list(await asyncio.gather(*map(grade, items)))
