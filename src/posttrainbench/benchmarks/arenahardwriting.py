"""arenahardwriting: the creative-writing half of Arena-Hard v2.0 (Li et al. 2024), against Qwen3-1.7B's answers.

A grader compares each answer with the baseline's in both orders. A verdict with `>>` counts three times, and the score
is the share of all votes. The baseline's answers are not in a dataset on the Hub; `BASELINE_FILE` is their file in the
repository of PostTrainBench (arXiv 2603.08640).
"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from posttrainbench.benchmarks.base import Benchmark, Grade, Grader, Item, Row, Services, Source, Split
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.row_fields import wrong_field
from posttrainbench.benchmarks.scorers import arenahardwriting as scorer
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from inspect_ai import Task

CATEGORY = "creative_writing"
BASELINE = "Qwen3-1.7B"
BASELINE_FILE = (
    "https://raw.githubusercontent.com/aisa-group/PostTrainBench/50fb7664a3880ed9791edc39e0cbffaf892875aa/"
    "src/eval/tasks/arenahardwriting/evaluation_code/data/arena-hard-v2.0/model_answer/Qwen3-1.7B.jsonl"
    "#sha256=87a72bb89edfd05fc8dd32152750649e1bab60ba1b62ebcd055610a729023c30"
)
SOURCES: dict[Split, Source] = {
    "test": Source(
        repository="lmarena-ai/arena-hard-auto",
        revision="15f3746e21432264ce9b453999bde4f3c946d2e6",
        files=("data/arena-hard-v2.0/question.jsonl", BASELINE_FILE),
    )
}

EXAMPLES = (
    (
        "Write a haiku about a late train.",
        "The rails hum, then hush.\nThree strangers share one umbrella.\nThe clock looks away.",
    ),
    (
        "Give me a slogan for a shop that repairs old radios.",
        "**Warm Tubes & Sons** - we bring back the voice in the box.",
    ),
    (
        "Write the first three sentences of a ghost story that takes place in a lighthouse.",
        "The lamp had been electric for forty years, so nobody had any business carrying oil up the stairs. Marten "
        "heard it slosh past his door all the same, at ten to four, one patient step after the other. He lay still and "
        "counted them, and when he came to two hundred he remembered that the tower had a hundred and ninety-nine.",
    ),
    (
        "Write a short, polite refusal to a neighbour who wants to borrow my ladder for the fifth time.",
        "Dear Jo, I'm afraid the ladder is resting this weekend, and I have plans for it the one after. The hardware "
        "shop on Mill Road hires them out for a few pounds a day. Good luck with the gutters!",
    ),
)


def parse(split: Split, rows: list[Row]) -> list[Item]:
    """Return the items, in the order of their `uid`.

    Args:
        split: the split's name, for the ids.
        rows: of `question.jsonl` (`uid`, `category`, `prompt`) and of the baseline's answers (`uid`, `model`,
            `messages`), in any order; questions of other categories are skipped.

    Raises:
        InputError: a key is missing or invalid, an id occurs twice, or the baseline has no answer to a question.
    """
    questions: dict[str, str] = {}
    answered: dict[str, tuple[str, str]] = {}
    for number, row in enumerate(rows):
        place = f"arenahardwriting/{split}/{number:04}"
        uid = _text(place, row, "uid")
        known = answered if "messages" in row else questions
        if uid in known:
            raise wrong_field(place, "uid", uid, "an id that occurs once")
        if "messages" in row:
            answered[uid] = _question_and_answer(place, row)
        elif _text(place, row, "category") == CATEGORY:
            questions[uid] = _text(place, row, "prompt")
    return [
        _item(f"arenahardwriting/{split}/{number:04}", uid, questions[uid], answered)
        for number, uid in enumerate(sorted(questions))
    ]


def _item(name: str, uid: str, question: str, answered: dict[str, tuple[str, str]]) -> Item:
    if uid not in answered:
        raise InputError(
            f"The baseline {BASELINE} has no answer to the question {uid} of arenahardwriting; download "
            f"{BASELINE_FILE} and run `ptb data import arenahardwriting` with the file of the questions and this one."
        )
    asked, baseline = answered[uid]
    if asked != question:
        raise InputError(
            f"The baseline's answer {uid} of arenahardwriting belongs to another question; download both files again."
        )
    return Item(id=name, question=question, answer="", target={"request": question, "baseline": baseline})


def _question_and_answer(place: str, row: Row) -> tuple[str, str]:
    if (model := _text(place, row, "model")) != BASELINE:
        raise wrong_field(place, "model", model, BASELINE)
    try:
        asked, answer = (message["content"] for message in row["messages"])
        answer = answer["answer"] if isinstance(answer, dict) else answer
    except (KeyError, TypeError, ValueError):
        asked = answer = None
    if not isinstance(asked, str) or not isinstance(answer, str):
        raise wrong_field(place, "messages", row["messages"], "a question with its answer")
    return asked, answer


def _text(place: str, row: Row, key: str) -> str:
    """Return a text unchanged, white space included."""
    value = row.get(key)
    if not isinstance(value, str):
        raise wrong_field(place, key, value, "a text")
    return value


async def grade(completion: str, item: Item, grader: Grader) -> Grade:
    """Return the share of the votes for a completion, weighted by the number of votes.

    Raises:
        GraderError: the grader gave no verdict on one of the two orders.
    """
    from posttrainbench.benchmarks.answer_text import graded_answer

    answer = await asyncio.to_thread(graded_answer, completion)
    share, votes = await scorer.grade(answer, item.target, grader.ask)
    return Grade(share, votes)


def _task(items: list[Item], services: Services) -> Task:
    from posttrainbench.benchmarks.inspect_task import graded_task

    if services.grader is None:
        raise InputError("arenahardwriting needs a grader; set one with --grader.")
    return graded_task("arenahardwriting", items, partial(grade, grader=services.grader))


def _examples() -> list[Item]:
    return [
        Item(id=f"arenahardwriting/example/{number}", question=question, answer=answer, target={})
        for number, (question, answer) in enumerate(EXAMPLES)
    ]


BENCHMARK = Benchmark(
    id="arenahardwriting",
    load=partial(stored_items, "arenahardwriting"),
    task=_task,
    scorer=Path(scorer.__file__),
    sources=SOURCES,
    parse=parse,
    examples=_examples,
    grade=grade,
)
