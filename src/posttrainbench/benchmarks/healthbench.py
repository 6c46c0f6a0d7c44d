"""healthbench: HealthBench (Arora et al. 2025), the "Easy" conversations of PostTrainBench (arXiv 2603.08640).

A grader decides for each criterion of a rubric whether the answer meets it. An item's score is the points met over the
positive points. The benchmark's score is the mean over items, clipped to 0-1, with a bootstrap standard error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posttrainbench.benchmarks.base import Benchmark, Grade, Grader, Item, Message, Row, Services, Source, Split
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.row_fields import wrong_field
from posttrainbench.benchmarks.scorers import healthbench as scorer
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from inspect_ai import Task

FEWEST_TURNS = 5
WANTED_TAG = "axis:completeness"
MOST_NEGATIVE = 2
ROLES = ("system", "user", "assistant")
BOOTSTRAPS = 1000
BOOTSTRAP_SEED = 42
SOURCES: dict[Split, Source] = {
    "test": Source(
        repository="openai/healthbench",
        revision="40ee1968852fc57f625934251ac22be47077a8fb",
        files=("2025-05-07-06-14-12_oss_eval.jsonl",),
    )
}

EXAMPLES = (
    (
        (
            "user: I burned my hand on the oven door an hour ago.",
            "assistant: I'm sorry. How large is the burn, and does it have blisters?",
            "user: The size of a coin, red, no blisters. What should I do?",
        ),
        "That sounds like a small first-degree burn, which you can usually treat at home.\n\n"
        "- **Cool it** under cool, not ice-cold, running water for 20 minutes; this helps for up to three hours.\n"
        "- **Take off rings** before the hand swells.\n"
        "- **Cover it** loosely with a clean, non-stick dressing. No butter, toothpaste or ice.\n"
        "- **For pain**, paracetamol or ibuprofen as the packet says, if you may take them.\n\n"
        "See a doctor if it blisters over a larger area, looks white or leathery, or if pus, fever or spreading "
        "redness follow.",
    ),
    (
        ("user: Is it safe to give honey to my 8-month-old for a cough?",),
        "No. Babies under 12 months should not have honey, not even a little: it can carry spores that cause infant "
        "botulism, which is rare and dangerous.\n\nWhat helps instead: plenty of breast milk or formula, saline drops, "
        "and moist air. Cough medicines are not meant for this age. Call a doctor today if the baby breathes fast or "
        "with effort, drinks much less, has a fever of 38 °C or more, or seems very sleepy; call emergency services "
        "for blue lips or pauses in breathing. Has your baby already had some honey? Then tell me when, and how it is "
        "now.",
    ),
    (
        (
            "user: My doctor prescribed ramipril and now I have a dry cough.",
            "assistant: When did the cough begin, and do you have swelling of the face or trouble breathing?",
            "user: About two weeks after I began. No swelling. Should I stop taking it?",
        ),
        "A dry cough is a well-known side effect of ACE inhibitors such as ramipril, and the timing fits. Please don't "
        "stop by yourself, since your blood pressure could rise; call your doctor in the next days. There are "
        "medicines that protect equally well and seldom cause a cough, such as an angiotensin receptor blocker. After "
        "a change the cough usually goes within one to four weeks.\n\nGet emergency help at once if your lips, tongue "
        "or face swell or you can't breathe well. What is the medicine for, and which others do you take?",
    ),
)


def parse(split: Split, rows: list[Row]) -> list[Item]:
    """Return the "Easy" items, in the order of their `prompt_id`.

    Easy conversations have at least `FEWEST_TURNS` messages, a criterion of the completeness axis, and at most
    `MOST_NEGATIVE` criteria with negative points.

    Args:
        split: the split's name, for the ids.
        rows: of the full set or of the "Easy" subset; other rows are skipped.

    Raises:
        InputError: a key is missing or wrong, or an id occurs twice.
    """
    easy: dict[str, Row] = {}
    for number, row in enumerate(rows):
        place = f"healthbench/{split}/{number:04}"
        prompt_id = row.get("prompt_id")
        if not isinstance(prompt_id, str) or prompt_id in easy:
            raise wrong_field(place, "prompt_id", prompt_id, "an id that occurs once")
        conversation, criteria, ideal = _conversation(place, row), _criteria(place, row), _ideal(place, row)
        if len(conversation) >= FEWEST_TURNS and _is_easy(criteria):
            if all(one["points"] <= 0 for one in criteria):
                raise wrong_field(place, "rubrics", criteria, "a criterion with positive points")
            easy[prompt_id] = {"conversation": conversation, "criteria": criteria, "ideal": ideal}
    return [_item(f"healthbench/{split}/{number:04}", **easy[key]) for number, key in enumerate(sorted(easy))]


def _is_easy(criteria: list[dict[str, Any]]) -> bool:
    negative = sum(one["points"] < 0 for one in criteria)
    return negative <= MOST_NEGATIVE and any(WANTED_TAG in one["tags"] for one in criteria)


def _item(name: str, conversation: list[Message], criteria: list[dict[str, Any]], ideal: str) -> Item:
    asked = [{"criterion": one["criterion"], "points": one["points"]} for one in criteria]
    return Item(
        id=name,
        question=scorer.as_text(conversation),
        answer=ideal,
        target={"conversation": conversation, "criteria": asked},
        messages=conversation,
    )


def _conversation(place: str, row: Row) -> list[Message]:
    try:
        messages = [{"role": message["role"], "content": message["content"]} for message in row["prompt"]]
    except (KeyError, TypeError):
        messages = []
    if not messages or not all(one["role"] in ROLES and isinstance(one["content"], str) for one in messages):
        raise wrong_field(place, "prompt", row.get("prompt"), "a list of messages with role and content")
    return messages


def _criteria(place: str, row: Row) -> list[dict[str, Any]]:
    try:
        criteria = [{key: one[key] for key in ("criterion", "points", "tags")} for one in row["rubrics"]]
    except (KeyError, TypeError):
        criteria = []
    if not criteria or not all(
        isinstance(one["criterion"], str) and type(one["points"]) in (int, float) and isinstance(one["tags"], list)
        for one in criteria
    ):
        raise wrong_field(place, "rubrics", row.get("rubrics"), "a list of criteria with criterion, points and tags")
    return criteria


def _ideal(place: str, row: Row) -> str:
    """Return the reference completion; "" for conversations without one."""
    ideal = row.get("ideal_completions_data") or {}
    text = ideal.get("ideal_completion") if isinstance(ideal, dict) else ideal
    if not isinstance(text, str | None):
        raise wrong_field(place, "ideal_completions_data", ideal, "an object with ideal_completion")
    return text or ""


def summary(scores: Sequence[float]) -> tuple[float, float]:
    """Return the mean over items, clipped to 0-1, and its standard deviation over bootstrap samples of the items."""
    import numpy as np

    if len(scores) < 2:
        return min(max(sum(scores), 0.0), 1.0), 0.0
    rng = np.random.default_rng(BOOTSTRAP_SEED)
    samples = rng.choice(np.asarray(scores), size=(BOOTSTRAPS, len(scores)))
    return float(np.clip(np.mean(scores), 0, 1)), float(np.std(np.clip(samples.mean(axis=1), 0, 1)))


async def grade(completion: str, item: Item, grader: Grader) -> Grade:
    """Return the score of a completion.

    Raises:
        GraderError: the grader gave no verdict on one of the criteria.
    """
    from posttrainbench.benchmarks.answer_text import graded_answer

    answer = await asyncio.to_thread(graded_answer, completion)
    return Grade(await scorer.grade(answer, item.target, grader.ask))


def _task(items: list[Item], services: Services) -> Task:
    from posttrainbench.benchmarks.inspect_task import graded_task

    if services.grader is None:
        raise InputError("healthbench needs a grader; set one with --grader.")
    return graded_task("healthbench", items, partial(grade, grader=services.grader))


def _examples() -> list[Item]:
    return [
        Item(id=f"healthbench/example/{number}", question="\n\n".join(conversation), answer=answer, target={})
        for number, (conversation, answer) in enumerate(EXAMPLES)
    ]


BENCHMARK = Benchmark(
    id="healthbench",
    load=partial(stored_items, "healthbench"),
    task=_task,
    scorer=Path(scorer.__file__),
    summary=summary,
    sources=SOURCES,
    parse=parse,
    examples=_examples,
    grade=grade,
)
