"""The settings that an evaluation depends on besides the checkpoint."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from posttrainbench import catalog
from posttrainbench.benchmarks import Benchmark, Item, items_sha256
from posttrainbench.catalog import BenchmarkFacts, Model, Suite
from posttrainbench.evaluation import few_shot
from posttrainbench.files import sha256_bytes, sha256_file
from posttrainbench.records import RunSpec

DEFAULT_GRADER = "openai/gpt-5-mini"


@dataclass(frozen=True)
class EvaluationPlan:
    """The settings of an evaluation.

    Attributes:
        base: base model of the task; determines the chat template.
        seeds: seeds of sampling and of the order of choices; `seeds_for` selects those that are used.
        tries: number of tries for each limit of the retry ladder.
        threads: number of CPU threads of the engine; None for the libraries' default.
        settings: the engine's own settings.
        dtype: number format of weights and computations.
        highest_max_tokens: limit of one completion where a benchmark's own limits are higher.
        limit: evaluate only the first `limit` items; None for all.
        only: ids of the items to evaluate; empty for all, also in a benchmark without any of them.
        few_shot: worked examples instead of a chat template, sampling at temperature 0.6 and top-p 0.95.
        grader: grader model, for benchmarks that need one.
    """

    base: Model
    engine: str
    seeds: tuple[int, ...]
    tries: tuple[int, ...] = (1,)
    threads: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "float32"
    highest_max_tokens: int | None = None
    limit: int | None = None
    only: tuple[str, ...] = ()
    few_shot: bool = False
    grader: str = DEFAULT_GRADER

    def template(self, tools: bool) -> str:
        """Return the chat template (Jinja) for benchmarks with or without tools."""
        return few_shot.TEMPLATE if self.few_shot else catalog.chat_template(self.base, tools=tools)

    def seeds_for(self, facts: BenchmarkFacts, graded: bool, greedy: bool) -> tuple[int, ...]:
        """Return the seeds to use: one for greedy decoding and graded benchmarks, unless the seed shuffles choices."""
        return self.seeds if facts.every_seed or not (greedy or graded) else self.seeds[:1]

    def max_tokens(self, facts: BenchmarkFacts, rung: int) -> int:
        """Return the limit of one completion on a rung of the retry ladder; rung 0 is the default limit."""
        ladder = [facts.max_tokens, *facts.retry_max_tokens]
        limit = ladder[min(rung, len(ladder) - 1)]
        return min(limit, self.highest_max_tokens or limit)


def suite_plan(suite: Suite, base: Model, engine: str | None = None) -> EvaluationPlan:
    """Return the plan of a suite. If another engine is given, its default settings are used."""
    return EvaluationPlan(
        base=base,
        engine=engine or suite.engine,
        seeds=tuple(suite.evaluation_seeds),
        tries=tuple(suite.tries),
        threads=suite.threads,
        dtype=suite.dtype,
        highest_max_tokens=suite.max_tokens,
        settings=suite.engine_settings if engine in (None, suite.engine) else {},
    )


def run_plan(spec: RunSpec) -> EvaluationPlan:
    """Return the plan for a run's submission."""
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    base = catalog.find(catalog.models(), spec.model, "model")
    return replace(suite_plan(suite, base, spec.engine), settings=spec.engine_settings, grader=spec.grader)


def evaluation_config(
    facts: BenchmarkFacts, benchmark: Benchmark, plan: EvaluationPlan, items: list[Item], rung: int = 0
) -> dict[str, Any]:
    """Return everything that can change a score, except for the engine and the checkpoint."""
    config: dict[str, Any] = {
        "posttrainbench": version("posttrainbench"),
        "inspect_ai": version("inspect_ai"),
        "benchmark": facts.id,
        "items": len(items),
        "items_sha256": items_sha256(items),
        "scorer_sha256": sha256_file(benchmark.scorer),
        "template_sha256": sha256_bytes(plan.template(tools=any(item.tools for item in items)).encode()),
        "few_shot": plan.few_shot,
        "max_tokens": plan.max_tokens(facts, rung),
        "seeds": list(plan.seeds),
        "threads": plan.threads,
        "dtype": plan.dtype,
    }
    return config | ({"grader": plan.grader} if benchmark.graded else {})


def config_sha256(config: Mapping[str, Any]) -> str:
    """Return a hash of a configuration."""
    return sha256_bytes(json.dumps(config, sort_keys=True, default=str).encode())
