"""Further items of the micro benchmarks, like those of the test split and in neither split."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from posttrainbench.benchmarks.base import Item
from posttrainbench.benchmarks.micro_world import MOST_SHARED, word_ngrams


def generate_items(
    benchmark: str,
    key: str,
    count: int,
    known: Sequence[Item],
    draw: Callable[[random.Random], tuple[str, str, dict[str, Any]]],
    ending: str,
) -> list[Item]:
    """Draw `count` items like those of the test split, which are in neither split.

    Args:
        benchmark: Prefix of the ids, and part of the seed.
        key: The other part of the seed.
        count: How many items to draw.
        known: The items of both splits. As for test items, no known question holds more than `MOST_SHARED` of the
            word 8-grams of a drawn one.
        draw: Gives one `(question, answer, target)`, without the ending.
        ending: The sentence about the answer format which every question ends with.
    """
    holders: dict[tuple[str, ...], list[int]] = {}
    seen: set[str] = set()
    for number, item in enumerate(known):
        body = item.question.removesuffix(ending)
        seen.add(" ".join(body.lower().split()))
        for gram in word_ngrams(body):
            holders.setdefault(gram, []).append(number)
    rng = random.Random(f"{benchmark}/generated/{key}")
    items: list[Item] = []
    while len(items) < count:
        question, answer, target = draw(rng)
        normal = " ".join(question.lower().split())
        grams = word_ngrams(question)
        shared = Counter(number for gram in grams for number in holders.get(gram, ()))
        if normal in seen or any(held > MOST_SHARED * len(grams) for held in shared.values()):
            continue
        seen.add(normal)
        items.append(Item(f"{benchmark}/generated/{len(items):04}", f"{question}\n{ending}", answer, target))
    return items
