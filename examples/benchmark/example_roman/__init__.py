"""example-roman: write a number in Roman numerals. Generated, so there is nothing to download."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks import Benchmark, Item, Services, Split
from posttrainbench.benchmarks.scorers import exact

if TYPE_CHECKING:
    from inspect_ai import Task

SIZES: dict[Split, int] = {"train": 500, "test": 100}
NUMERALS = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"),
    (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip


def roman(number: int) -> str:
    """Return a number from 1 to 3999 in Roman numerals."""
    text = ""
    for value, numeral in NUMERALS:
        text += numeral * (number // value)
        number %= value
    return text


def load(split: Split) -> list[Item]:
    """Return the items of a split; no number is in both splits."""
    numbers = random.Random(0).sample(range(1, 4000), sum(SIZES.values()))
    chosen = numbers[: SIZES["train"]] if split == "train" else numbers[SIZES["train"] :]
    return [
        Item(
            id=f"example-roman/{split}/{number}",
            question=f"Write {number} in Roman numerals. End with ANSWER: and the numerals.",
            answer=f"ANSWER: {roman(number)}",
            target={"text": roman(number)},
        )
        for number in chosen
    ]


def task(items: list[Item], services: Services) -> Task:
    """Return the Inspect task: one question, one completion, exact match."""
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("example-roman", items, exact.score)


BENCHMARK = Benchmark(id="example-roman", load=load, task=task, scorer=Path(exact.__file__))
