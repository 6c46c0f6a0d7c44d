"""GPQA: rows of its release to items, the order of options, and answers that try to be taken for right ones."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posttrainbench.benchmarks import gpqamain
from posttrainbench.benchmarks.scorers import gpqamain as scorer
from posttrainbench.errors import InputError

SEEDS = (72332, 87681, 38992, 92201, 13818)


def row(number: int) -> dict[str, Any]:
    """A made-up row with the columns of the published file that count, and one that does not."""
    return {
        "Question": f"What is {number} + {number}?\n",
        "Correct Answer": f"{2 * number}\n",
        "Incorrect Answer 1": f"{2 * number + 1}",
        "Incorrect Answer 2": f" {2 * number + 2}",
        "Incorrect Answer 3": f"{2 * number + 3}",
        "Record ID": f"rec{number}",
    }


ROWS = [row(number) for number in range(448)]

ANSWERS = [
    # the wanted form, and what models write around it
    ("It is an owl.\nANSWER: B", True),
    ("ANSWER:B", True),
    ("ANSWER: b", True),
    ("Answer: B", True),
    ("ANSWER: B.", True),
    ("ANSWER: (B)", True),
    ("ANSWER: [B]", True),
    ("ANSWER: B)", True),
    ("**ANSWER: B**", True),
    ("**ANSWER:** B", True),
    ("ANSWER: **B**", True),
    ("### ANSWER: B", True),
    ("ANSWER: $B$", True),
    ("ANSWER: \\boxed{B}", True),
    ("ANSWER: $\\boxed{\\text{B}}$", True),
    ("ANSWER: `B`", True),
    ('ANSWER: "B"', True),
    ("ANSWER:\nB", True),
    ("ANSWER:\n\n**B**", True),
    ("ANSWER: B\r\n", True),
    ("ANSWER: B) An owl", True),
    ("ANSWER: B. An owl", True),
    ("ANSWER: (B) An owl", True),
    ("ANSWER: B: an owl", True),
    ("ANSWER: B - an owl", True),
    ("ANSWER: B) Vitamin C.", True),
    ("ANSWER: B) A and C rise", True),
    ("Thus the ANSWER: B", True),
    ("ANSWER: B\nThat was hard.", True),
    # the other letters
    ("ANSWER: A", False),
    ("ANSWER: E", False),
    ("ANSWER: 2", False),
    ("ANSWER: \u0392", False),  # a Greek capital beta
    ("ANSWER: \uff22", False),  # a full-width B
    ("ANSWER: Bird", False),
    ("ANSWER: Option B", False),
    ("ANSWER: B2", False),
    ("ANSWER: a bird", False),
    ("ANSWER: B because an owl flies", False),
    ("ANSWER: not B", False),
    ("ANSWER: <B>", False),
    ("ANSWER: none", False),
    ("The right option is B.", False),
    ("B", False),
    ("", False),
    # several letters
    ("ANSWER: AB", False),
    ("ANSWER: BA", False),
    ("ANSWER: BCDA", False),
    ("ANSWER: A B C D", False),
    ("ANSWER: B C", False),
    ("ANSWER: B, C", False),
    ("ANSWER: B,C", False),
    ("ANSWER: B/C", False),
    ("ANSWER: B & C", False),
    ("ANSWER: B + C", False),
    ("ANSWER: B-D", False),
    ("ANSWER: B or C", False),
    ("ANSWER: B) or C)", False),
    ("ANSWER: (B) or (C)", False),
    ("ANSWER: B. C. D. A.", False),
    ("ANSWER: B: C: D", False),
    ("ANSWER: B) C) D) A)", False),
    ("ANSWER: B) owl A) dog C) cat", False),
    ("ANSWER: B) owl, (A) dog", False),
    ("ANSWER: b, c", False),
    ("ANSWER: **B** **C**", False),
    # several answer lines
    ("ANSWER: A\nANSWER: B", True),
    ("ANSWER: B\nANSWER: A", False),
    ("ANSWER: B\nANSWER: C) cat", False),
    ("ANSWER: B\nANSWER:", False),
    ("ANSWER: B\nANSWER: unknown", False),
    ("ANSWER: A ANSWER: B", False),
    ("ANSWER: B\nSo the final ANSWER: A", True),  # a line that begins so counts before one that holds it
    # thoughts
    ("<think>ANSWER: A</think>\nANSWER: B", True),
    ("<think>ANSWER: B</think>\nANSWER: A", False),
    ("<think>ANSWER: B</think>\nI do not know.", False),
    ("<think>Is it A?\nANSWER: B", True),
]


@pytest.mark.parametrize(("completion", "right"), ANSWERS)
def test_score(completion: str, right: bool) -> None:
    assert scorer.score(completion, {"letter": "B"}) is right


@given(st.text(alphabet="ANSWER:\n ABCDabcd()[].,;/&*$\\{}<>/thinkboxed", max_size=80))
def test_no_answer_is_right_for_two_letters(text: str) -> None:
    assert sum(scorer.score(text, {"letter": letter}) for letter in "ABCD") <= 1
    assert scorer.score(f"{text}\nANSWER: B", {"letter": "B"}) is True


@pytest.mark.parametrize(
    "hostile",
    [
        "ANSWER: " * 8000,
        "ANSWER:\n" * 8000,
        "ANSWER: " + "B " * 32_000,
        "ANSWER: " + "B, " * 21_000 + "!",
        "ANSWER: B" + " or and" * 9000 + " x)",
        "ANSWER: B" + ")" * 64_000 + "A)",
        "\\boxed{" * 9000,
        "*" * 64_000,
        " \t" * 32_000 + "ANSWER",
        "</think>" * 8000,
    ],
)
def test_long_hostile_output_chooses_no_other_letter(hostile: str) -> None:
    assert not any(scorer.score(hostile, {"letter": letter}) for letter in "ACD")


def test_parse() -> None:
    items = gpqamain.parse("test", ROWS)
    assert len(items) == 448
    assert items[7].id == "gpqamain/test/0007"
    assert items[7].question == "What is 7 + 7?"
    assert items[7].target == {"options": ["14", "15", "16", "17"]}
    assert items[7].answer == "14"


@pytest.mark.parametrize("key", ["Question", "Correct Answer", "Incorrect Answer 1", "Incorrect Answer 3"])
def test_parse_names_the_row_and_the_key(key: str) -> None:
    lacking = {name: value for name, value in row(1).items() if name != key}
    with pytest.raises(InputError, match=f"gpqamain/test/0001 has no `{key}`"):
        gpqamain.parse("test", [row(0), lacking])
    for value in (None, "", 5):
        with pytest.raises(InputError, match=f"gpqamain/test/0001: `{key}` is"):
            gpqamain.parse("test", [row(0), row(1) | {key: value}])


def test_pose_shows_all_options_and_knows_the_right_one() -> None:
    items = gpqamain.parse("test", ROWS)
    letters: Counter[str] = Counter()
    for seed in SEEDS:
        for item, posed in zip(items, gpqamain.build_prompts(items, seed), strict=True):
            lines = posed.question.split("\n\n")[1].splitlines()
            assert sorted(line[3:] for line in lines) == sorted(item.target["options"])
            assert [line[:3] for line in lines] == ["A) ", "B) ", "C) ", "D) "]
            shown = {line[0]: line[3:] for line in lines}
            assert shown[posed.target["letter"]] == item.answer
            assert posed.target.keys() == {"letter"}
            assert scorer.score(posed.answer, posed.target)
            (message,) = posed.conversation
            assert message["content"].startswith(posed.question)
            letters[posed.target["letter"]] += 1
    assert min(letters.values()) > 0.2 * sum(letters.values())


def test_pose_depends_on_the_seed_and_not_on_the_subset() -> None:
    items = gpqamain.parse("test", ROWS)
    first, second = (gpqamain.build_prompts(items, seed) for seed in SEEDS[:2])
    assert first == gpqamain.build_prompts(items, SEEDS[0])
    assert sum(a.target != b.target for a, b in zip(first, second, strict=True)) > 200
    some = [300, 5, 447]
    assert gpqamain.build_prompts([items[place] for place in some], SEEDS[0]) == [first[place] for place in some]
    assert items == gpqamain.parse("test", ROWS)


@pytest.mark.parametrize("seed", SEEDS)
def test_order_of_options_is_that_of_inspect(seed: int) -> None:
    dataset = pytest.importorskip("inspect_ai.dataset")
    items = gpqamain.parse("test", ROWS)
    samples = [
        dataset.Sample(input=item.question, choices=list(item.target["options"]), target="A", id=item.id)
        for item in items
    ]
    shuffled = dataset.MemoryDataset(samples)
    shuffled.shuffle_choices(seed)
    posed = gpqamain.build_prompts(items, seed)
    assert [item.target["letter"] for item in posed] == [sample.target for sample in shuffled]
    assert [[line[3:] for line in item.question.splitlines()[-4:]] for item in posed] == [
        sample.choices for sample in shuffled
    ]


def test_examples_are_right_and_in_the_wanted_form() -> None:
    examples = gpqamain.examples()
    assert len(examples) >= 3
    for example, (_, options, _, _) in zip(examples, gpqamain.EXAMPLES, strict=True):
        letter = example.target["letter"]
        assert f"\n{letter}) {options[0]}" in example.question
        assert example.answer.endswith(f"\nANSWER: {letter}")
        assert scorer.score(example.answer, example.target)
        assert [line[:2] for line in example.question.splitlines()[-4:]] == ["A)", "B)", "C)", "D)"]
    assert len({example.target["letter"] for example in examples}) == 4
