"""Everything that an evaluation depends on besides the checkpoint."""

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
    """How checkpoints are evaluated.

    Attributes:
        base: base model of the task, whose family gives the chat template.
        seeds: of sampling and of the order of choices; the first alone where seeds make no difference, see `seeds_for`.
        tries: for each limit of the retry ladder, how often an evaluation that fails is tried.
        threads: CPU threads of the engine; None leaves that to its libraries.
        settings: the engine's own.
        limit: first so many items; None for all.
        few_shot: ask without chat template, with worked examples, sampling at temperature 0.6 and top-p 0.95.
        grader: model that grades, for the benchmarks that need one.
    """

    base: Model
    engine: str
    seeds: tuple[int, ...]
    tries: tuple[int, ...] = (1,)
    threads: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    few_shot: bool = False
    grader: str = DEFAULT_GRADER

    def template(self, tools: bool) -> str:
        """The chat template (Jinja), for benchmarks with or without tools."""
        return few_shot.TEMPLATE if self.few_shot else catalog.chat_template(self.base, tools=tools)

    def seeds_for(self, facts: BenchmarkFacts, greedy: bool) -> tuple[int, ...]:
        """The seeds that count: one for greedy decoding and for graded benchmarks, unless the seed shuffles choices."""
        return self.seeds if facts.every_seed or not (greedy or facts.graded) else self.seeds[:1]

    def max_tokens(self, facts: BenchmarkFacts, rung: int) -> int:
        """The limit of one completion on a rung of the retry ladder, the default being rung 0."""
        ladder = [facts.max_tokens, *facts.retry_max_tokens]
        return ladder[min(rung, len(ladder) - 1)]


def suite_plan(suite: Suite, base: Model, engine: str | None = None) -> EvaluationPlan:
    """The plan of a suite; with another engine than its own, that engine's default settings."""
    return EvaluationPlan(
        base=base,
        engine=engine or suite.engine,
        seeds=tuple(suite.evaluation_seeds),
        tries=tuple(suite.tries),
        threads=suite.threads,
        settings=suite.engine_settings if engine in (None, suite.engine) else {},
    )


def run_plan(spec: RunSpec) -> EvaluationPlan:
    """How a run's submission is evaluated."""
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    base = catalog.find(catalog.models(), spec.model, "model")
    return replace(suite_plan(suite, base, spec.engine), settings=spec.engine_settings, grader=spec.grader)


def evaluation_config(
    facts: BenchmarkFacts, benchmark: Benchmark, plan: EvaluationPlan, items: list[Item], rung: int = 0
) -> dict[str, Any]:
    """What besides the engine and the checkpoint may change a score."""
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
    }
    return config | ({"grader": plan.grader} if facts.graded else {})


def config_sha256(config: Mapping[str, Any]) -> str:
    """One hash over a configuration."""
    return sha256_bytes(json.dumps(config, sort_keys=True, default=str).encode())
