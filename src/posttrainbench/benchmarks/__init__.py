"""The benchmarks, one module each: data, Inspect task and scorer."""

from posttrainbench.benchmarks.base import Benchmark, Grade, Grader, GraderError, Item, Services, Split, items_sha256

__all__ = ["Benchmark", "Grade", "Grader", "GraderError", "Item", "Services", "Split", "items_sha256"]
