"""Find benchmarks: those that a catalog defines by data alone, and installed entry points."""

from posttrainbench import catalog
from posttrainbench.benchmarks.base import Benchmark
from posttrainbench.benchmarks.generic import generic_benchmark
from posttrainbench.plugins import load_plugin


def load_benchmark(benchmark_id: str) -> Benchmark:
    """Return a benchmark: a catalog entry with its own data, or an entry point in `posttrainbench.benchmarks`.

    Raises:
        InputError: neither exists.
    """
    facts = catalog.benchmarks().get(benchmark_id)
    if facts and facts.data:
        return generic_benchmark(facts, facts.data)
    benchmark: Benchmark = load_plugin("benchmarks", benchmark_id)
    return benchmark
