"""AIME 2025: the thirty problems of both papers of the American Invitational Mathematics Examination.

Zero-shot. Every answer is an integer from 0 to 999 and is compared exactly.
"""

from __future__ import annotations

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

SOURCES: dict[Split, Source] = {
    "test": Source(
        repository="math-ai/aime25", revision="563bb8404243c5f09de6ec262f2db674fe5bce9b", files=("test.jsonl",)
    )
}
LARGEST = 999
ENDING = (
    "Work towards the answer step by step. The answer is an integer. "
    "Finish with one more line that holds ANSWER: and the integer, nothing else."
)
EXAMPLES = (
    (
        "How many positive integers less than 100 are divisible by 6 but not by 4?",
        "There are 16 multiples of 6 below 100, since 6 * 16 = 96. Those that 4 divides too are the multiples of 12, "
        "and there are 8 of them, since 12 * 8 = 96. That leaves 16 - 8 = 8.",
        8,
    ),
    (
        "A rectangle with integer sides has an area of 60 and a perimeter of 34. Find the square of its diagonal.",
        "Let the sides be $a$ and $b$. Then $ab = 60$ and $a + b = 17$. The square of the diagonal is "
        "$a^2 + b^2 = (a + b)^2 - 2ab = 289 - 120 = 169$.",
        169,
    ),
    (
        "Find the remainder when $7^{50}$ is divided by $100$.",
        "Modulo 100, $7^2 = 49$ and $7^4 = 49^2 = 2401$, which is 1. Since $50 = 4 \\cdot 12 + 2$, $7^{50}$ leaves "
        "the same remainder as $7^2$, which is 49.",
        49,
    ),
    (
        "A fair coin is tossed 5 times. The probability of exactly two heads is $\\frac{m}{n}$ in lowest terms. "
        "Find $m + n$.",
        "There are $\\binom{5}{2} = 10$ ways to place two heads among $2^5 = 32$ outcomes. In lowest terms "
        "$\\frac{10}{32} = \\frac{5}{16}$, so $m + n = 5 + 16 = 21$.",
        21,
    ),
)


def parse(split: Split, rows: list[Row]) -> list[Item]:
    """Return the published problems; releases name the statement `problem` or `question`.

    Raises:
        InputError: a row lacks a field, or its answer is not an integer from 0 to 999.
    """
    return [_item(f"aime2025/{split}/{number:04}", row) for number, row in enumerate(rows)]


def _item(name: str, row: Row) -> Item:
    question = text_field(name, row, "problem", "question")
    given = row.get("answer")
    # One release writes a unit of degrees after a number.
    written = str(given).strip().removesuffix("^\\circ").removesuffix("°")
    if isinstance(given, bool) or not (written.isascii() and written.isdigit()) or int(written) > LARGEST:
        raise wrong_field(name, "answer", given, f"an integer from 0 to {LARGEST}")
    number = int(written)
    return Item(name, question, f"ANSWER: {number}", {"number": number})


def build_prompts(items: list[Item], seed: int) -> list[Item]:
    """Return the problems with the required answer format; the seed has no effect."""
    return [replace(item, messages=[{"role": "user", "content": f"{item.question}\n\n{ENDING}"}]) for item in items]


def examples() -> list[Item]:
    """Return worked problems in the style of the examination, none of them from an examination."""
    return [
        Item(f"aime2025/example/{index:04}", question, f"{working}\nANSWER: {number}", {"number": number})
        for index, (question, working, number) in enumerate(EXAMPLES)
    ]


def task(items: list[Item], services: Services) -> Task:
    """Return the Inspect task over items with their prompts."""
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("aime2025", items, final_number.score)


BENCHMARK = Benchmark(
    id="aime2025",
    load=partial(stored_items, "aime2025"),
    task=task,
    scorer=Path(final_number.__file__),
    build_prompts=build_prompts,
    sources=SOURCES,
    parse=parse,
    examples=examples,
)
