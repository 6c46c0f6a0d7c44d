"""AIME 2025: rows of its release to items, and answers that try to be taken for right ones."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posttrainbench.benchmarks import aime2025
from posttrainbench.benchmarks.scorers import final_number
from posttrainbench.errors import InputError

ROWS = [
    {"problem": "What is $2 + 9$?", "answer": "11", "id": "0"},
    {"problem": "What is $2 \\cdot 3$?\n", "answer": "006", "id": "1"},
]

ANSWERS = [
    # the wanted form, and what models write around it
    ("5 + 6 = 11\nANSWER: 11", 11, True),
    ("ANSWER:11", 11, True),
    ("ANSWER: 011", 11, True),
    ("ANSWER: 11.", 11, True),
    ("ANSWER: 11.0", 11, True),
    ("**ANSWER: 11**", 11, True),
    ("**ANSWER:** 11", 11, True),
    ("### ANSWER: **11**", 11, True),
    ("> ANSWER: `11`", 11, True),
    ("ANSWER: \\boxed{11}", 11, True),
    ("ANSWER: $\\boxed{011}$.", 11, True),
    ("ANSWER: \\(11\\)", 11, True),
    ("ANSWER: $m + n = 11$", 11, True),
    ("ANSWER: $11^\\circ$", 11, True),
    ("ANSWER: 11 square units", 11, True),
    ("ANSWER: $11\\,\\text{cm}$", 11, True),
    ("ANSWER: 1{,}000", 1000, True),
    ("ANSWER: $1\\,000$", 1000, True),
    ("ANSWER: 1,\\!000", 1000, True),
    ("ANSWER:\n11", 11, True),
    ("ANSWER: $$\n\\boxed{11}\n$$", 11, True),
    ("ANSWER: \\[\n11\n\\]", 11, True),
    ("ANSWER: 11\r\n", 11, True),
    # no answer line
    ("So $\\boxed{11}$ is the answer, which took 3 steps.", 11, True),
    ("\\boxed{7}, or rather\n$$\n\\boxed{\\text{11}}\n$$", 11, True),
    ("The answer is 11.\n\nThis completes the proof.", 11, True),
    ("11", 11, True),
    ("The answer is 711.", 11, False),
    ("\\boxed{711}", 11, False),
    ("\\boxed{\\frac{11}{2}}", 11, False),
    ("\\boxed{11}\nNo: \\boxed{12}", 11, False),
    ("eleven", 11, False),
    ("", 11, False),
    # other numbers that look like it
    ("ANSWER: 711", 11, False),
    ("ANSWER: 117", 11, False),
    ("ANSWER: -11", 11, False),
    ("ANSWER: \u221211", 11, False),
    ("ANSWER: 11.5", 11, False),
    ("ANSWER: 1,1", 11, False),
    ("ANSWER: 0,011", 11, False),
    ("ANSWER: 1_1", 11, False),
    ("ANSWER: 1*1", 11, False),
    ("ANSWER: 1.1e1", 11, False),
    ("ANSWER: 0x0b", 11, False),
    ("ANSWER: \u0661\u0661", 11, False),
    ("ANSWER: \uff11\uff11", 11, False),
    ("ANSWER: 11\u00b2", 11, False),
    ("ANSWER: 11/2", 11, False),
    ("ANSWER: 11^2", 11, False),
    ("ANSWER: 2^{11}", 11, False),
    ("ANSWER: $\\sqrt{11}$", 11, False),
    ("ANSWER: $11\\pi$", 11, False),
    ("ANSWER: 11\u03c0", 11, False),
    ("ANSWER: 11x", 11, False),
    ("ANSWER: 11 thousand", 11, False),
    ("ANSWER: ~11", 11, False),
    ("ANSWER: >= 11", 11, False),
    ("ANSWER: x != 11", 11, False),
    ("ANSWER: " + "1" * 5000, 11, False),
    # several answers
    ("ANSWER: 11 or 12", 11, False),
    ("ANSWER: 12 or 11", 11, False),
    ("ANSWER: " + " ".join(map(str, range(1000))), 11, False),
    ("ANSWER: 12 ANSWER: 11", 11, False),
    ("ANSWER: 11\nANSWER: 12", 11, False),
    ("ANSWER: 12\nANSWER: 11", 11, True),
    ("ANSWER: 11\nANSWER:", 11, False),
    ("11\nANSWER: unknown", 11, False),
    ("ANSWER: 12\n11", 11, False),
    ("ANSWER: 11\nThat was 12 lines.", 11, True),
    # thoughts
    ("<think>ANSWER: 12</think>\nANSWER: 11", 11, True),
    ("<think>ANSWER: 11</think>\nANSWER: 12", 11, False),
    ("<think>ANSWER: 11</think>\nI do not know.", 11, False),
    ("so 12.</think>ANSWER: 11", 11, True),
    ("<think>Is it 12?\nANSWER: 11", 11, True),
]


@pytest.mark.parametrize(("completion", "wanted", "right"), ANSWERS)
def test_score(completion: str, wanted: int, right: bool) -> None:
    assert final_number.score(completion, {"number": wanted}) is right


@given(st.text(alphabet="ANSWER:\n 0123456789,.-=$*\\{}[]()<>/thinkboxed\u00b2\u0661", max_size=80))
def test_score_of_anything_is_a_verdict(text: str) -> None:
    assert final_number.score(text, {"number": 11}) in (True, False)
    assert final_number.score(f"{text}\nANSWER: 11", {"number": 11}) is True


@pytest.mark.parametrize(
    "hostile",
    [
        "ANSWER: " * 8000,
        "ANSWER:\n" * 8000,
        "ANSWER: " + "1" * 64_000 + "x",
        "ANSWER: " + "1,111" * 13_000,
        "\\boxed{" * 9000,
        "\\boxed{" + "{}" * 32_000,
        "\\boxed{a" * 4000 + "}" * 4000,
        "*" * 64_000,
        " \t" * 32_000 + "ANSWER",
        "1a " * 21_000,
        "</think>" * 8000,
        "ANSWER: " + "{,}" * 20_000,
    ],
)
def test_long_hostile_output_is_wrong(hostile: str) -> None:
    assert final_number.score(hostile, {"number": 11}) is False


def test_scorer_stands_alone(tmp_path: Path) -> None:
    (tmp_path / "scorer.py").write_bytes(aime2025.BENCHMARK.scorer.read_bytes())
    program = "import sys; sys.path = [p for p in sys.path if 'site-packages' not in p] + ['.']; import scorer; "
    program += "print(scorer.score('ANSWER: 011', {'number': 11}))"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_parse() -> None:
    first, second = aime2025.parse("test", ROWS)
    assert (first.id, first.question, first.target) == ("aime2025/test/0000", "What is $2 + 9$?", {"number": 11})
    assert (second.id, second.question, second.target) == (
        "aime2025/test/0001",
        "What is $2 \\cdot 3$?",
        {"number": 6},
    )
    assert final_number.score(first.answer, first.target)


def test_parse_of_other_releases_gives_the_same_items() -> None:
    by_year = [{"problem_idx": 1, "problem": ROWS[0]["problem"], "answer": 11}, {**ROWS[1], "answer": 6}]
    by_question = [{"question": row["problem"], "answer": f"{int(row['answer'])}^\\circ"} for row in ROWS]
    assert aime2025.parse("test", by_year) == aime2025.parse("test", by_question) == aime2025.parse("test", ROWS)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answer": "11"}, r"aime2025/test/0001 has no `problem` or `question`"),
        ({"problem": " ", "answer": "11"}, r"aime2025/test/0001: `problem` is ' ', expected a text"),
        ({"problem": "p"}, r"aime2025/test/0001: `answer` is 'None'"),
        ({"problem": "p", "answer": "1000"}, r"`answer` is '1000', expected an integer from 0 to 999"),
        ({"problem": "p", "answer": "-1"}, r"`answer` is '-1'"),
        ({"problem": "p", "answer": "\u00b2"}, r"`answer`"),
        ({"problem": "p", "answer": True}, r"`answer` is 'True'"),
        ({"problem": "p", "answer": 1.5}, r"`answer` is '1.5'"),
    ],
)
def test_parse_names_the_row_and_the_key(row: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        aime2025.parse("test", [ROWS[0], row])


def test_pose_asks_for_the_form_and_keeps_the_problem() -> None:
    items = aime2025.parse("test", ROWS)
    posed = aime2025.build_prompts(items, 7)
    assert posed == aime2025.build_prompts(items, 8)
    assert [item.question for item in posed] == [item.question for item in items]
    (message,) = posed[0].conversation
    assert message["role"] == "user"
    assert message["content"].startswith(items[0].question)
    assert "ANSWER:" in message["content"]


def test_examples_answer_in_the_wanted_form() -> None:
    examples = aime2025.examples()
    assert len(examples) >= 3
    assert all(final_number.score(example.answer, example.target) for example in examples)
    assert all(example.answer.splitlines()[-1].startswith("ANSWER: ") for example in examples)


def test_task_asks_the_conversation_and_scores_the_completion() -> None:
    from inspect_ai.model import ModelName, ModelOutput
    from inspect_ai.scorer import Target
    from inspect_ai.solver import TaskState

    from posttrainbench.benchmarks import Services

    posed = aime2025.build_prompts(aime2025.parse("test", ROWS), 0)
    made = aime2025.task(posed, Services())
    samples = list(made.dataset)
    assert [sample.id for sample in samples] == ["aime2025/test/0000", "aime2025/test/0001"]
    assert [message.text for message in samples[0].input] == [posed[0].messages[0]["content"]]
    assert made.scorer is not None

    def verdict(item: int, completion: str) -> object:
        model = ModelName("mockllm/model")
        state = TaskState(model, posed[item].id, 1, "", [], output=ModelOutput.from_content("m", completion))
        return asyncio.run(made.scorer[0](state, Target(""))).value

    assert [verdict(0, "ANSWER: 011"), verdict(0, "ANSWER: 66"), verdict(1, "ANSWER: 6")] == [1.0, 0.0, 1.0]
