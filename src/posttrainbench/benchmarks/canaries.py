"""Canaries: extra items in a run's test file, drawn at random from a pool of exchangeable ones.

A model that was not trained on the test file treats the drawn half of the pool and the other half alike.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from posttrainbench.benchmarks.base import Benchmark, Item


@dataclass(frozen=True)
class CanaryPool:
    """Generated items: those that are drawn into the test file, and equally many that are held back."""

    drawn: list[Item]
    held_back: list[Item]


def draw_canaries(benchmark: Benchmark, count: int, key: str, known: Sequence[Item]) -> CanaryPool:
    """Generate a pool of `2 * count` items and draw half of them.

    Args:
        benchmark: one with `generate`.
        count: number of items to draw.
        key: secret that determines the pool and the draw.
        known: the items of both splits.

    Raises:
        ValueError: the benchmark cannot generate items.
    """
    if benchmark.generate is None:
        raise ValueError(f"{benchmark.id} cannot generate items")
    pool = benchmark.generate(2 * count, key, known)
    chosen = set(random.Random(f"drawn/{key}").sample(range(len(pool)), count))
    return CanaryPool(
        drawn=[item for number, item in enumerate(pool) if number in chosen],
        held_back=[item for number, item in enumerate(pool) if number not in chosen],
    )


def canary_places(items: int, drawn: int, key: str) -> set[int]:
    """Return the positions of the canaries in a test file of `items` items and `drawn` canaries."""
    return set(_places(random.Random(f"places/{key}"), items, drawn))


def _places(rng: random.Random, items: int, drawn: int) -> list[int]:
    return rng.sample(range(items + drawn), drawn)


def with_canaries(items: Sequence[Item], drawn: Sequence[Item], key: str) -> list[Item]:
    """Return the items of a test file: `drawn` at random places among the items, all numbered in the file's order."""
    rng = random.Random(f"places/{key}")
    places = set(_places(rng, len(items), len(drawn)))
    real, extra = iter(items), iter(rng.sample(drawn, len(drawn)))
    prefix = items[0].id.rpartition("/")[0]
    return [
        replace(next(extra if place in places else real), id=f"{prefix}/{place:04}")
        for place in range(len(items) + len(drawn))
    ]
