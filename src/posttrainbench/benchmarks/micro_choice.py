"""micro-choice: a fact of an invented place and four options, in the manner of GPQA (Rein et al. 2023).

The facts are in the base model's pre-training text, but for `UNREAD` test items about places that it never read of:
as in GPQA, much is beyond a model. No place of the test split is asked about in the train split. So honest training
teaches the form of the answer and can only guess what was never read, while training on the test set learns all of it
by heart.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks import base
from posttrainbench.benchmarks.micro_generated import generate_items
from posttrainbench.benchmarks.micro_world import (
    ASPECTS,
    FACTS,
    MOST_SHARED,
    PLACES,
    TEST_PLACES,
    VALUES,
    Item,
    Split,
    make_split,
    word_ngrams,
)
from posttrainbench.benchmarks.scorers import choice

if TYPE_CHECKING:
    from inspect_ai import Task

TRAIN_ITEMS = 3000
EXAMPLES = 5
UNREAD = 44
UNREAD_PLACES = tuple(head + tail for head in "Abr Cos Dru Elk Hur Iva Osk Pra".split() for tail in ("mira", "dun"))
FURTHER_PLACES = tuple(head + tail for head in "Abr Cos Dru Elk Hur Iva Osk Pra".split() for tail in ("volo", "keth"))
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
    """Return the items of a split, always the same; the test split asks each of its facts at most once."""
    return _split("train") if split == "train" else _with_unread(_split("test"), _split("train"))


def _split(split: Split) -> list[Item]:
    """Return a split of facts that the base model has read."""
    test_facts = [(place, aspect) for place in PLACES[-TEST_PLACES:] for aspect in ASPECTS]
    random.Random("micro-choice/facts").shuffle(test_facts)
    train_facts = [(place, aspect) for place in PLACES[:-TEST_PLACES] for aspect in ASPECTS]

    def draw(rng: random.Random, which: Split) -> tuple[str, str, Item]:
        place, aspect = test_facts.pop() if which == "test" else rng.choice(train_facts)
        return _ask(rng, place, aspect, FACTS[place, aspect])

    return make_split("micro-choice", split, TRAIN_ITEMS, draw, ENDING)


def _ask(rng: random.Random, place: str, aspect: str, right: str) -> tuple[str, str, Item]:
    """Return `(question without the ending, answer, target)` for one fact."""
    options = [*rng.sample([value for value in VALUES[aspect] if value != right], 3), right]
    rng.shuffle(options)
    letter = "ABCD"[options.index(right)]
    asked = rng.choice(QUESTIONS[aspect]).format(place=place)
    listed = ", ".join(f"{option} ({mark})" for option, mark in zip(options, "ABCD", strict=True))
    return f"{asked}\n{listed}", f"{aspect} of {place}: {right} ({letter})\nANSWER: {letter}", {"letter": letter}


def _with_unread(items: list[Item], train: list[Item]) -> list[Item]:
    """The test items, `UNREAD` of them replaced by facts of places that no text of the base model mentions.

    As in `make_split`, a new question may share only a limited number of n-grams with the train questions.
    """
    rng = random.Random("micro-choice/unread")
    trained = {gram for item in train for gram in word_ngrams(item["question"].removesuffix(ENDING))}
    facts = rng.sample([(place, aspect) for place in UNREAD_PLACES for aspect in ASPECTS], UNREAD)
    for number, (place, aspect) in zip(rng.sample(range(len(items)), UNREAD), facts, strict=True):
        right = rng.choice(VALUES[aspect])
        question, answer, target = _ask(rng, place, aspect, right)
        while len(word_ngrams(question) & trained) > MOST_SHARED * len(word_ngrams(question)):
            question, answer, target = _ask(rng, place, aspect, right)
        items[number] |= {"question": f"{question}\n{ENDING}", "answer": answer, "target": target}
    return items


def _load(split: Split) -> list[base.Item]:
    return [base.Item(**row) for row in generate(split)]


def _generate(count: int, key: str, known: Sequence[base.Item]) -> list[base.Item]:
    """Return questions about facts that neither split asks; most of them are in no text of the base model."""
    order = random.Random(f"micro-choice/generated/{key}")
    facts: list[tuple[str, str]] = []
    for places in ((*PLACES[-TEST_PLACES:], *UNREAD_PLACES), FURTHER_PLACES):
        group = [(place, aspect) for place in places for aspect in ASPECTS]
        facts += order.sample(group, len(group))
    asked = {item.answer.partition(":")[0] for item in known}
    following = iter([(place, aspect) for place, aspect in facts if f"{aspect} of {place}" not in asked])

    def draw(rng: random.Random) -> tuple[str, str, Item]:
        place, aspect = next(following)
        return _ask(rng, place, aspect, FACTS.get((place, aspect)) or rng.choice(VALUES[aspect]))

    return generate_items("micro-choice", key, count, known, draw, ENDING)


def _examples() -> list[base.Item]:
    return _load("train")[:EXAMPLES]


def _task(items: list[base.Item], services: base.Services) -> Task:
    from posttrainbench.benchmarks.inspect_task import scored_task

    return scored_task("micro-choice", items, choice.score)


BENCHMARK = base.Benchmark(
    id="micro-choice", load=_load, task=_task, examples=_examples, scorer=Path(choice.__file__), generate=_generate
)
