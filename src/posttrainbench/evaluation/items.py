"""Load the items of a benchmark and build their prompts for an evaluation."""

from functools import cache

from posttrainbench.benchmarks import Benchmark, Item, Split, items_sha256
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.catalog import BenchmarkFacts
from posttrainbench.errors import InfrastructureError
from posttrainbench.evaluation import few_shot
from posttrainbench.evaluation.plan import EvaluationPlan


@cache
def _load(benchmark_id: str, split: Split) -> tuple[list[Item], str]:
    items = load_benchmark(benchmark_id).load(split)
    return items, items_sha256(items)


def load_items(facts: BenchmarkFacts, split: Split) -> list[Item]:
    """Return the items of a split, checked against the catalog's hash; [] for a split that the benchmark does not have.

    Raises:
        InfrastructureError: the data is not what the catalog describes.
        InputError: the data has not been pulled.
    """
    items, digest = _load(facts.id, split)
    if items and digest != facts.sha256.get(split, digest):
        raise InfrastructureError(
            "data_changed",
            f"The {split} items of {facts.id} are not those of the catalog; restore their files, or reinstall "
            "posttrainbench.",
        )
    return items


def items_with_prompts(benchmark: Benchmark, items: list[Item], seed: int, plan: EvaluationPlan) -> list[Item]:
    """Return the items with their prompts for one evaluation seed; few-shot prompts if the plan says so."""
    prompted = benchmark.build_prompts(items, seed)
    return few_shot.few_shot(prompted, benchmark.examples()) if plan.few_shot else prompted
