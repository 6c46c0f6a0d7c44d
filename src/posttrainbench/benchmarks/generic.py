"""Benchmarks that are defined by a catalog entry: JSONL rows, a template of the question, a built-in scorer."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from posttrainbench.benchmarks.base import Benchmark, Item, Row, Services, Split
from posttrainbench.benchmarks.rows import read_rows
from posttrainbench.benchmarks.scorers import choice, exact, number
from posttrainbench.catalog import BenchmarkFacts, GenericData
from posttrainbench.errors import InputError, one_line

if TYPE_CHECKING:
    from inspect_ai import Task

EXAMPLES = 5
SCORERS: dict[str, ModuleType] = {"number": number, "choice": choice, "exact": exact}


def generic_benchmark(facts: BenchmarkFacts, data: GenericData) -> Benchmark:
    """Return the benchmark of a catalog entry with `data`.

    The few-shot baseline uses the first five items of the train split.
    """
    return Benchmark(
        id=facts.id,
        load=partial(_load, facts, data),
        task=partial(_task, facts.id, data.scorer),
        scorer=Path(str(SCORERS[data.scorer].__file__)),
        examples=lambda: _load(facts, data, "train")[:EXAMPLES],
    )


def _load(facts: BenchmarkFacts, data: GenericData, split: Split) -> list[Item]:
    if split not in data.files:
        return []
    file = facts.home / data.files[split]
    items = [_item(facts.id, data, split, number, row, file) for number, row in enumerate(read_rows(file))]
    wanted = facts.test_items if split == "test" else facts.train_items
    if len(items) != wanted:
        raise InputError(
            f"{file} has {len(items)} rows, expected {wanted}; set `{split}_items: {len(items)}` in {facts.id}.yaml."
        )
    return items


def _item(name: str, data: GenericData, split: Split, index: int, row: Row, file: Path) -> Item:
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.sandbox import SandboxedEnvironment

    place = f"Row {index + 1} of {file}"
    if data.answer not in row:
        raise InputError(f"{place} has no key `{data.answer}`, which {name}.yaml names as the answer.")
    try:
        environment = SandboxedEnvironment(undefined=StrictUndefined)
        question = environment.from_string(data.question).render(row).strip()
    except TemplateError as error:
        raise InputError(
            f"{place} cannot be rendered with the template `question` of {name}: {one_line(error)}"
        ) from None
    answer = row[data.answer]
    return Item(
        id=f"{name}/{split}/{index:04}",
        question=question,
        answer=f"ANSWER: {answer}",
        target=_target(data.scorer, answer, place),
    )


def _target(scorer: str, answer: Any, place: str) -> dict[str, Any]:
    """Return the scorer's target; refuse an answer that the scorer does not accept as correct."""
    key = {"number": "number", "choice": "letter", "exact": "text"}[scorer]
    target = {key: str(answer).replace(",", "") if scorer == "number" else str(answer)}
    try:
        correct = SCORERS[scorer].score(f"ANSWER: {answer}", target)
    except ArithmeticError:
        correct = False
    if not correct:
        wanted = {"number": "a number", "choice": "a capital letter", "exact": "one line of text"}[scorer]
        raise InputError(f"{place} has the answer {str(answer)[:40]!r}, but the scorer `{scorer}` expects {wanted}.")
    return target


def _task(name: str, scorer: str, items: list[Item], services: Services) -> Task:
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task(name, items, SCORERS[scorer].score)
