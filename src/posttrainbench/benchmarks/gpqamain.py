"""GPQA, main set: 448 graduate-level questions with four options (Rein et al. 2023, https://arxiv.org/abs/2311.12022).

Zero-shot with reasoning before the letter. Its authors ask that the questions are never published in plain text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks.base import Benchmark, Item, Row, Services, Source, Split
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.row_fields import text_field
from posttrainbench.benchmarks.scorers import gpqamain as scorer

if TYPE_CHECKING:
    from inspect_ai import Task

SOURCES: dict[Split, Source] = {
    "test": Source(  # the Hub calls this split `train`
        repository="Idavidrein/gpqa",
        revision="633f5ee89ab8ad4522a9f850766b73f62147ffdd",
        files=("gpqa_main.csv",),
        gated=True,
    )
}
LETTERS = "ABCD"
CORRECT = "Correct Answer"
WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")
ENDING = (
    "Exactly one of the options is right. Think step by step. "
    "Finish with one more line that holds ANSWER: and the letter of that option (A, B, C or D), nothing else."
)
EXAMPLES = (
    (
        "A sample of an ideal gas is compressed at constant temperature to a third of its volume. "
        "By what factor does its pressure change?",
        ("3", "9", "1/3", "It stays the same"),
        "BADC",
        "At constant temperature the product of pressure and volume stays the same. A third of the volume means "
        "three times the pressure.",
    ),
    (
        "A plant that is heterozygous at two unlinked genes (AaBb) pollinates itself. "
        "Which share of its offspring is homozygous recessive at both?",
        ("1/16", "1/4", "1/8", "9/16"),
        "DABC",
        "A quarter of the offspring is aa and, independently, a quarter is bb. Both happens in 1/4 * 1/4 = 1/16.",
    ),
    (
        "What is the pH of a 0.001 mol/L solution of hydrochloric acid in water at 25 degrees Celsius?",
        ("3", "1", "7", "11"),
        "ADBC",
        "The strong acid is fully dissociated, so the concentration of protons is 0.001 mol/L, and its negative "
        "decimal logarithm is 3.",
    ),
    (
        "A photon has an energy of 2.0 eV. What is about its wavelength, given hc = 1240 eV nm?",
        ("620 nm", "2480 nm", "1240 nm", "310 nm"),
        "CBDA",
        "The wavelength is hc divided by the energy: 1240 eV nm / 2.0 eV = 620 nm.",
    ),
)


def parse(split: Split, rows: list[Row]) -> list[Item]:
    """Return the published questions; `target["options"]` holds the options, the correct one first.

    White space around options is removed, since it could identify the correct one.

    Raises:
        InputError: a row lacks a field.
    """
    return [_item(f"gpqamain/{split}/{number:04}", row) for number, row in enumerate(rows)]


def _item(name: str, row: Row) -> Item:
    options = [text_field(name, row, key) for key in (CORRECT, *WRONG)]
    return Item(name, text_field(name, row, "Question"), options[0], {"options": options})


def build_prompts(items: list[Item], seed: int) -> list[Item]:
    """Return the questions with their options in the order of the seed.

    One generator shuffles the options of all items in turn, like Inspect's `shuffle_choices=seed`. An item has the same
    order in any subset of the items.
    """
    rng = random.Random(seed)
    orders: list[list[int]] = []
    prompted = []
    for item in items:
        number = int(item.id.rpartition("/")[2])
        while len(orders) <= number:
            orders.append(order := list(range(len(LETTERS))))
            rng.shuffle(order)
        options = [item.target["options"][place] for place in orders[number]]
        prompted.append(_ask(item, options, LETTERS[orders[number].index(0)]))
    return prompted


def _ask(item: Item, options: Sequence[str], letter: str) -> Item:
    listed = "\n".join(f"{mark}) {option}" for mark, option in zip(LETTERS, options, strict=True))
    question = f"{item.question}\n\n{listed}"
    return replace(
        item,
        question=question,
        answer=f"ANSWER: {letter}",
        target={"letter": letter},
        messages=[{"role": "user", "content": f"{question}\n\n{ENDING}"}],
    )


def examples() -> list[Item]:
    """Return worked questions in this form, none of them from GPQA."""
    made = []
    for index, (question, options, marks, working) in enumerate(EXAMPLES):
        letter = marks[0]
        ordered = [option for _, option in sorted(zip(marks, options, strict=True))]
        asked = _ask(Item(f"gpqamain/example/{index:04}", question, "", {}), ordered, letter)
        made.append(replace(asked, answer=f"{working}\nANSWER: {letter}", messages=[]))
    return made


def task(items: list[Item], services: Services) -> Task:
    """Return the Inspect task over items with their prompts."""
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("gpqamain", items, scorer.score)


BENCHMARK = Benchmark(
    id="gpqamain",
    load=partial(stored_items, "gpqamain"),
    task=task,
    scorer=Path(scorer.__file__),
    build_prompts=build_prompts,
    sources=SOURCES,
    parse=parse,
    examples=examples,
)
