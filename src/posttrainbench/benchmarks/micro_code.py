"""micro-code: write a named function from a description of its steps, in the manner of HumanEval (Chen et al. 2021).

The answer is Python source. The function is called with five inputs, and every returned value must be correct.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks import base
from posttrainbench.benchmarks.micro_generated import generate_items
from posttrainbench.benchmarks.micro_world import (
    FIRST_WORDS,
    KINDS,
    LAST_WORDS,
    Item,
    Split,
    make_split,
)
from posttrainbench.benchmarks.scorers import code

if TYPE_CHECKING:
    from inspect_ai import Task

TRAIN_ITEMS = 3000
EXAMPLES = 5
CALLS = 5
ENDING = "Reply with Python code only."
TASKS = (
    "Write the function {call}. Given the {noun} {variable}, {steps}.",
    "Define {call}, which should {steps}.",
    "The function {call} gets a {noun}. It must {steps}.",
    "I need a new {noun} function {call}. Let it {steps}.",
)


def generate(split: Split) -> list[Item]:
    """Return the items of a split, always the same."""
    return make_split("micro-code", split, TRAIN_ITEMS, _draw, ENDING)


def _draw(rng: random.Random, split: Split) -> tuple[str, str, Item]:
    while True:
        question, answer, target = _program(rng)
        outputs = target["outputs"]
        # A function that gives back its argument or a constant must not pass.
        if [[output] for output in outputs] != target["calls"] and any(output != outputs[0] for output in outputs):
            return question, answer, target


def _program(rng: random.Random) -> tuple[str, str, Item]:
    kind = rng.choice(KINDS)
    function = f"{rng.choice(FIRST_WORDS)}_{rng.choice(LAST_WORDS)}"
    steps = [(step, kind.constant(rng)) for step in rng.sample(kind.steps, rng.choice((2, 2, 3)))]
    said = ", then ".join(rng.choice(step.said).format(k=k) for step, k in steps)
    call = f"{function}({kind.variable})"
    question = rng.choice(TASKS).format(call=call, noun=kind.noun, variable=kind.variable, steps=said)

    lines = [f"{kind.variable} = {step.code.format(k=k)}" for step, k in steps]
    lines[-1] = lines[-1].replace(f"{kind.variable} =", "return", 1)
    answer = "\n    ".join((f"def {call}:", *lines))

    inputs = [kind.inputs(rng) for _ in range(CALLS)]
    outputs = []
    for value in inputs:
        for step, k in steps:
            value = step.run(value, k)
        outputs.append(value)
    return question, answer, {"function": function, "calls": [[value] for value in inputs], "outputs": outputs}


def _load(split: Split) -> list[base.Item]:
    return [base.Item(**row) for row in generate(split)]


def _generate(count: int, key: str, known: Sequence[base.Item]) -> list[base.Item]:
    return generate_items("micro-code", key, count, known, lambda rng: _draw(rng, "test"), ENDING)


def _examples() -> list[base.Item]:
    return _load("train")[:EXAMPLES]


def _task(items: list[base.Item], services: base.Services) -> Task:
    from posttrainbench.benchmarks.inspect_task import scored_task

    execute = services.execute
    if execute is None:
        raise ValueError("micro-code needs a sandbox to run code")
    return scored_task("micro-code", items, lambda text, target: code.judge(text, target, execute))


BENCHMARK = base.Benchmark(
    id="micro-code",
    load=_load,
    task=_task,
    examples=_examples,
    scorer=Path(code.__file__),
    executes=True,
    generate=_generate,
)
