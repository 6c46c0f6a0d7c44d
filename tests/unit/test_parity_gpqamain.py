"""GPQA: our verdicts beside those of the solver and scorer that inspect_evals runs on it.

They are the same but for the fixes named here. Every item is answered in every way, and each way says who takes it
for right, so a difference that is not named fails, and so does a named one that is not there. The items are made here:
GPQA is not to be published.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest

from posttrainbench.benchmarks import Item, gpqamain
from posttrainbench.benchmarks.scorers import gpqamain as scorer

pytest.importorskip("inspect_evals")

from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ModelName, ModelOutput
from inspect_ai.scorer import Target, choice
from inspect_ai.solver import TaskState, multiple_choice
from inspect_evals.gpqa.gpqa import record_to_sample

SEED = 72332
ROWS = [
    {
        "Question": f"Which of these is {number} + {number}?",
        "Correct Answer": f"exactly {2 * number}",
        "Incorrect Answer 1": f"exactly {2 * number + 1}",
        "Incorrect Answer 2": f"exactly {2 * number + 2}",
        "Incorrect Answer 3": f"exactly {2 * number + 3}",
        "Record ID": f"rec{number}",
        "High-level domain": "Physics",
        "Subdomain": "Astrophysics",
    }
    for number in range(300)
]

# name -> (right letter, wrong letter) -> the completion's end; and whether it is taken for right
Write = Callable[[str, str], str]
AGREED: dict[str, tuple[Write, bool]] = {
    "answer line": (lambda r, w: f"ANSWER: {r}", True),
    "wrong letter": (lambda r, w: f"ANSWER: {w}", False),
    "small letters": (lambda r, w: f"Answer: {r.lower()}", True),
    "full stop": (lambda r, w: f"ANSWER: {r}.", True),
    "brackets": (lambda r, w: f"ANSWER: ({r})", True),
    "one bracket": (lambda r, w: f"ANSWER: {r})", True),
    "bold": (lambda r, w: f"**ANSWER: {r}**", True),
    "bold letter": (lambda r, w: f"ANSWER: **{r}**", True),
    "formula": (lambda r, w: f"ANSWER: ${r}$", True),
    "next line": (lambda r, w: f"ANSWER:\n{r}", True),
    "stray comma": (lambda r, w: f"ANSWER: {r},", True),
    "text after a bracket": (lambda r, w: f"ANSWER: {r}) exactly 4", True),
    "text after a full stop": (lambda r, w: f"ANSWER: {r}. exactly 4", True),
    "text after a colon": (lambda r, w: f"ANSWER: {r}: exactly 4", True),
    "text after a dash": (lambda r, w: f"ANSWER: {r} - exactly 4", True),
    "text in brackets": (lambda r, w: f"ANSWER: {r} (exactly 4)", True),
    "within a line": (lambda r, w: f"Hence the final ANSWER: {r}", True),
    "more lines": (lambda r, w: f"ANSWER: {r}\n\nThat was hard.", True),
    "corrected": (lambda r, w: f"ANSWER: {w}\nANSWER: {r}", True),
    "corrected wrongly": (lambda r, w: f"ANSWER: {r}\nANSWER: {w}", False),
    "word after the letter": (lambda r, w: f"ANSWER: {r} is right", False),
    "word before the letter": (lambda r, w: f"ANSWER: Option {r}", False),
    "two letters": (lambda r, w: f"ANSWER: {r}{w}", False),
    "list": (lambda r, w: f"ANSWER: {r}, {w}", False),
    "list of all": (lambda r, w: "ANSWER: A, B, C, D", False),
    "all letters": (lambda r, w: "ANSWER: ABCD", False),
    "either": (lambda r, w: f"ANSWER: {r} or {w}", False),
    "both": (lambda r, w: f"ANSWER: {r} and {w}", False),
    "placeholder": (lambda r, w: f"ANSWER: <{r}>", False),
    "no letter": (lambda r, w: "ANSWER: none of them", False),
    "letter alone": (lambda r, w: f"{r}", False),
    "sentence": (lambda r, w: f"The right option is {r}.", False),
    "nothing": (lambda r, w: "", False),
    "thoughts before": (lambda r, w: f"<think>\nANSWER: {w}\n</think>\nANSWER: {r}", True),
    "endless thoughts": (lambda r, w: f"<think>Is it {w}? No.\nANSWER: {r}", True),
}
# the second: whether we take it for right, which inspect_evals does not, or the reverse
FIXED: dict[str, tuple[Write, bool]] = {
    "either, with a stroke": (lambda r, w: f"ANSWER: {r}/{w}", False),
    "either, with brackets": (lambda r, w: f"ANSWER: {r}) or {w})", False),
    "list with brackets": (lambda r, w: f"ANSWER: {r}) {w})", False),
    "list with texts": (lambda r, w: f"ANSWER: {r}) exactly 4 {w}) exactly 5", False),
    "list with colons": (lambda r, w: f"ANSWER: {r}: {w}", False),
    "list with full stops": (lambda r, w: f"ANSWER: {r}. {w}.", False),
    "several with a sign": (lambda r, w: f"ANSWER: {r} & {w}", False),
    "range": (lambda r, w: f"ANSWER: {r}-{w}", False),
    "empty last answer line": (lambda r, w: f"ANSWER: {r}\nANSWER:", False),
    "unreadable last answer line": (lambda r, w: f"ANSWER: {r}\nANSWER: (unknown)", False),
    "answer among the thoughts": (lambda r, w: f"<think>\nANSWER: {r}\n</think>\nHm.", False),
    "bold name": (lambda r, w: f"**ANSWER:** {r}", True),
    "box": (lambda r, w: f"ANSWER: $\\boxed{{{r}}}$", True),
    "square brackets": (lambda r, w: f"ANSWER: [{r}]", True),
    "quotes": (lambda r, w: f'ANSWER: "{r}"', True),
    "code": (lambda r, w: f"ANSWER: `{r}`", True),
    "text after brackets": (lambda r, w: f"ANSWER: ({r}) exactly 4", True),
    "corrected with a text": (lambda r, w: f"ANSWER: {w}\nANSWER: {r}) exactly 4", True),
}


def asked_by_inspect() -> list[Sample]:
    dataset = MemoryDataset([record_to_sample(row) for row in ROWS])
    dataset.shuffle_choices(SEED)
    return list(dataset)


async def theirs(sample: Sample, completion: str) -> bool:
    """The verdict of `multiple_choice` and `choice`, as the task gpqa_diamond puts them together."""
    assert isinstance(sample.input, str)
    state = TaskState(
        ModelName("m/m"), 1, 1, sample.input, [ChatMessageUser(content=sample.input)], choices=sample.choices
    )

    async def generate(state: TaskState, **_: object) -> TaskState:
        state.output = ModelOutput.from_content("m", completion)
        return state

    state = await multiple_choice(cot=True)(state, generate)  # type: ignore[arg-type]
    score = await choice()(state, Target(sample.target))
    assert score is not None
    return score.value == "C"


@pytest.mark.slow
def test_parity() -> None:
    rng = random.Random(SEED)
    items: list[Item] = gpqamain.build_prompts(gpqamain.parse("test", ROWS), SEED)
    differ: Counter[str] = Counter()

    async def compare() -> None:
        for item, sample in zip(items, asked_by_inspect(), strict=True):
            right = item.target["letter"]
            assert sample.target == right
            wrong = rng.choice([letter for letter in "ABCD" if letter != right])
            for name, (write, expected) in (AGREED | FIXED).items():
                completion = f"Let me think: {wrong} seems odd.\n{write(right, wrong)}"
                ours = scorer.score(completion, item.target)
                verdicts = (ours, await theirs(sample, completion))
                assert verdicts == (expected, expected if name in AGREED else not expected), (name, completion)
                differ[name] += verdicts[0] != verdicts[1]

    asyncio.run(compare())
    assert +differ == dict.fromkeys(FIXED, len(ROWS))
    # What `pytest -s` shows, for the record.
    print(f"\n{len(ROWS) * len(AGREED | FIXED)} answers, {differ.total()} differences in {len(FIXED)} named ways")
