"""The benchmarks, one module each: data, Inspect task and scorer."""

from posttrainbench.benchmarks.base import Benchmark, Item, Split, load_benchmark

__all__ = ["Benchmark", "Item", "Split", "load_benchmark"]
