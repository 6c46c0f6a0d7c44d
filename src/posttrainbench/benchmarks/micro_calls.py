"""micro-calls: a request beside two to four tool signatures, in the manner of BFCL (Patil et al. 2025).

The answer is one JSON object with the name of the right tool and its arguments, and nothing else.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks import base
from posttrainbench.benchmarks.micro_generated import generate_items
from posttrainbench.benchmarks.micro_world import TOOLS, Item, Split, make_split
from posttrainbench.benchmarks.scorers import tool_call

if TYPE_CHECKING:
    from inspect_ai import Task

TRAIN_ITEMS = 3000
EXAMPLES = 5
ENDING = "Reply with one JSON object: name and arguments."
WISHES = ("{asked}.", "Please {asked}.", "Request: {asked}.", "{asked}, thanks.", "Could you help? {asked}.")


def generate(split: Split) -> list[Item]:
    """Return the items of a split, always the same."""
    return make_split("micro-calls", split, TRAIN_ITEMS, _draw, ENDING)


def _draw(rng: random.Random, split: Split) -> tuple[str, str, Item]:
    shown = rng.sample(TOOLS, rng.randint(2, 4))
    tool = rng.choice(shown)
    arguments = tool.arguments(rng)
    asked = rng.choice(WISHES).format(asked=rng.choice(tool.requests).format(**arguments))
    signatures = "\n".join(shown_tool.signature for shown_tool in shown)
    target = {"name": tool.name, "arguments": arguments}
    return f"{signatures}\n{asked[0].upper()}{asked[1:]}", json.dumps(target), target


def _load(split: Split) -> list[base.Item]:
    return [base.Item(**row) for row in generate(split)]


def _generate(count: int, key: str, known: Sequence[base.Item]) -> list[base.Item]:
    return generate_items("micro-calls", key, count, known, lambda rng: _draw(rng, "test"), ENDING)


def _examples() -> list[base.Item]:
    return _load("train")[:EXAMPLES]


def _task(items: list[base.Item], services: base.Services) -> Task:
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("micro-calls", items, tool_call.score)


BENCHMARK = base.Benchmark(
    id="micro-calls", load=_load, task=_task, examples=_examples, scorer=Path(tool_call.__file__), generate=_generate
)
