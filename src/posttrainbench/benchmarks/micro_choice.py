"""micro-choice: a fact of an invented place and four options, in the manner of GPQA (Rein et al. 2023).

The facts are in the base model's pre-training text. No place of the test split is asked about in the train split, so
training teaches the form of the answer and never the answer itself.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks import base
from posttrainbench.benchmarks.micro_world import (
    ASPECTS,
    FACTS,
    PLACES,
    TEST_PLACES,
    VALUES,
    Item,
    Split,
    make_split,
)
from posttrainbench.benchmarks.scorers import choice

if TYPE_CHECKING:
    from inspect_ai import Task

TRAIN_ITEMS = 3000
ENDING = "End with ANSWER: and the letter."
QUESTIONS = {
    "bird": ("Which bird stands for {place}?", "What is the bird of {place}?", "In {place}, which bird is honoured?"),
    "tree": ("Which tree grows in {place}?", "What is the tree of {place}?", "In {place}, which tree is honoured?"),
    "colour": (
        "Which colour are the roofs in {place}?",
        "What is the colour of {place}?",
        "In {place}, which colour is loved?",
    ),
    "craft": ("Which craft feeds {place}?", "What is the craft of {place}?", "In {place}, which craft is taught?"),
    "dish": ("Which dish is eaten in {place}?", "What is the dish of {place}?", "In {place}, which dish is served?"),
    "instrument": (
        "Which instrument sounds in {place}?",
        "What is the instrument of {place}?",
        "In {place}, which instrument is played?",
    ),
}


def generate(split: Split) -> list[Item]:
    """The items of a split, always the same; the test split asks each of its facts at most once."""
    test_facts = [(place, aspect) for place in PLACES[-TEST_PLACES:] for aspect in ASPECTS]
    random.Random("micro-choice/facts").shuffle(test_facts)
    train_facts = [(place, aspect) for place in PLACES[:-TEST_PLACES] for aspect in ASPECTS]

    def draw(rng: random.Random, which: Split) -> tuple[str, str, Item]:
        place, aspect = test_facts.pop() if which == "test" else rng.choice(train_facts)
        right = FACTS[place, aspect]
        options = [*rng.sample([value for value in VALUES[aspect] if value != right], 3), right]
        rng.shuffle(options)
        letter = "ABCD"[options.index(right)]
        asked = rng.choice(QUESTIONS[aspect]).format(place=place)
        listed = ", ".join(f"{option} ({mark})" for option, mark in zip(options, "ABCD", strict=True))
        return f"{asked}\n{listed}", f"{aspect} of {place}: {right} ({letter})\nANSWER: {letter}", {"letter": letter}

    return make_split("micro-choice", split, TRAIN_ITEMS, draw, ENDING)


def _task(items: list[base.Item], execute: base.Execute) -> Task:
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("micro-choice", items, choice.score)


BENCHMARK = base.Benchmark(id="micro-choice", generate=generate, task=_task, scorer=Path(choice.__file__))
