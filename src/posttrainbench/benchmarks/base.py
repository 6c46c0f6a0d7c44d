"""What every benchmark module offers, and how one is found by its id."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from posttrainbench.plugins import load_plugin

if TYPE_CHECKING:
    from inspect_ai import Task

Split = Literal["train", "test"]

Execute = Callable[[dict[str, Any]], dict[str, Any]]
"""Runs code that a model wrote, in a sandbox: a request to the benchmark's runner -> its answer."""


@dataclass(frozen=True)
class Item:
    """One item of a benchmark.

    Attributes:
        id: unique over splits, such as `micro-math/test/0007`.
        question: the whole user message.
        answer: a reference completion.
        target: what the scorer compares with; its keys belong to the scorer.
    """

    id: str
    question: str
    answer: str
    target: dict[str, Any]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its data, its Inspect task and its stand-alone scorer.

    Attributes:
        generate: yields the items of a split as plain dicts with the keys of `Item`.
        task: builds the Inspect task over some items; `Execute` is for benchmarks that run code.
        scorer: a stand-alone module, which is copied into the agent's kit.
    """

    id: str
    generate: Callable[[Split], list[dict[str, Any]]]
    task: Callable[[list[Item], Execute], Task]
    scorer: Path

    def load(self, split: Split) -> list[Item]:
        """The items of a split, always in the same order."""
        return [Item(**row) for row in self.generate(split)]


def load_benchmark(benchmark_id: str) -> Benchmark:
    """Find a benchmark among the entry points `posttrainbench.benchmarks`.

    Raises:
        InputError: no installed package registers it.
    """
    benchmark: Benchmark = load_plugin("benchmarks", benchmark_id)
    return benchmark
