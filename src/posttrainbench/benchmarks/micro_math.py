"""micro-math: told sums of one or two steps, in the manner of GSM8K (Cobbe et al. 2021).

The answer may show its working and ends with a line `ANSWER: n`, which alone counts.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks import base
from posttrainbench.benchmarks.micro_generated import generate_items
from posttrainbench.benchmarks.micro_world import Item, Split, make_split, story
from posttrainbench.benchmarks.scorers import number

if TYPE_CHECKING:
    from inspect_ai import Task

TRAIN_ITEMS = 3000
EXAMPLES = 5
ENDING = "End with ANSWER: and the number."
TOTALS = (
    "How many {things} does {name} have now?",
    "How many {things} are there at the end?",
    "Now {name} has how many {things}?",
    "What is {name}'s final number of {things}?",
)
PARTS = (
    "How many {things} are in each {box}?",
    "What does each {box} hold?",
    "How many does one {box} get?",
)


def generate(split: Split) -> list[Item]:
    """Return the items of a split, always the same."""
    return make_split("micro-math", split, TRAIN_ITEMS, _draw, ENDING)


def _draw(rng: random.Random, split: Split) -> tuple[str, str, Item]:
    told = story(rng)
    asked = rng.choice(PARTS if told.shared else TOTALS).format(**told.words)
    answer = "\n".join((*told.working, f"ANSWER: {told.number}"))
    return f"{told.told} {asked}", answer, {"number": told.number}


def _load(split: Split) -> list[base.Item]:
    return [base.Item(**row) for row in generate(split)]


def _generate(count: int, key: str, known: Sequence[base.Item]) -> list[base.Item]:
    return generate_items("micro-math", key, count, known, lambda rng: _draw(rng, "test"), ENDING)


def _examples() -> list[base.Item]:
    return _load("train")[:EXAMPLES]


def _task(items: list[base.Item], services: base.Services) -> Task:
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("micro-math", items, number.score)


BENCHMARK = base.Benchmark(
    id="micro-math", load=_load, task=_task, examples=_examples, scorer=Path(number.__file__), generate=_generate
)
