"""GSM8K: grade-school word problems (Cobbe et al. 2021, https://arxiv.org/abs/2110.14168).

The system message contains ten worked problems of the train split. The answer is an integer and is compared exactly.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks.base import Benchmark, Item, Row, Services, Source, Split
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.row_fields import text_field, wrong_field
from posttrainbench.benchmarks.scorers import final_number

if TYPE_CHECKING:
    from inspect_ai import Task

REPOSITORY = "openai/gsm8k"
REVISION = "cc7b047b6e5bb11b4f1af84efc572db110a51b3c"
SOURCES: dict[Split, Source] = {
    "train": Source(REPOSITORY, REVISION, ("main/train-00000-of-00001.parquet",)),
    "test": Source(REPOSITORY, REVISION, ("main/test-00000-of-00001.parquet",)),
}
# The first ten of the train split after `datasets.Dataset.shuffle(seed=42)`: a permutation by NumPy's
# `default_rng(42)`.
SHOTS = (3082, 2184, 5897, 2437, 6330, 819, 3812, 5878, 5302, 5876)
DELIMITER = "####"
ENDING = (
    "Work towards the answer step by step. "
    "Finish with one more line that holds ANSWER: and the number, nothing else.\n\nReasoning:"
)

_INTEGER = re.compile(r"-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)")


def parse(split: Split, rows: list[Row]) -> list[Item]:
    """Return the published problems; the final `#### NUMBER` becomes a line `ANSWER: NUMBER`.

    Raises:
        InputError: a row lacks a field, or its answer does not end in `####` and an integer.
    """
    return [_item(f"gsm8k/{split}/{number:04}", row) for number, row in enumerate(rows)]


def _item(name: str, row: Row) -> Item:
    question, solution = text_field(name, row, "question"), text_field(name, row, "answer")
    working, delimiter, written = solution.rpartition(DELIMITER)
    if not delimiter or not _INTEGER.fullmatch(written.strip()):
        raise wrong_field(name, "answer", solution, f"a solution that ends in {DELIMITER} and an integer")
    number = int(written.replace(",", ""))
    return Item(name, question, f"{working.strip()}\n\nANSWER: {number}", {"number": number})


def build_prompts(items: list[Item], seed: int) -> list[Item]:
    """Return the problems with the worked ones before them, which are the same for every seed.

    Raises:
        InputError: the train split is not on this machine.
    """
    shots = "\n\n".join(f"{shot.question}\n\nReasoning:\n{shot.answer}" for shot in examples())
    system = {"role": "system", "content": shots}
    return [
        replace(item, messages=[system, {"role": "user", "content": f"{item.question}\n\n{ENDING}"}]) for item in items
    ]


def examples() -> list[Item]:
    """Return the ten worked problems of the train split."""
    train = stored_items("gsm8k", "train")
    return [train[index] for index in SHOTS]


def task(items: list[Item], services: Services) -> Task:
    """Return the Inspect task over items with their prompts."""
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("gsm8k", items, final_number.score)


BENCHMARK = Benchmark(
    id="gsm8k",
    load=partial(stored_items, "gsm8k"),
    task=task,
    scorer=Path(final_number.__file__),
    build_prompts=build_prompts,
    sources=SOURCES,
    parse=parse,
    examples=examples,
)
