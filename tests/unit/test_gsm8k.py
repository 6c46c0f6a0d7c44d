"""GSM8K: rows of its releases to items, the worked examples, and answers that try to be taken for right ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import Item, Split, gsm8k, items_sha256
from posttrainbench.benchmarks.scorers import final_number
from posttrainbench.errors import InputError

TRAIN_ITEMS = 7473
ROWS = [
    {"question": "Ann has 4 nuts and finds 5 more. How many has she?", "answer": "4+5=<<4+5=9>>9 nuts.\n#### 9"},
    {"question": "A car costs $1,200 and a bike $30. Both?\n", "answer": "1200+30=<<1200+30=1230>>1230\n#### 1,230"},
    {"question": "It was 2 degrees and fell by 5. How cold is it?", "answer": "2-5=<<2-5=-3>>-3\n#### -3"},
]

ANSWERS = [
    ("She earns 9 * 2 = $<<9*2=18>>18.\n\nANSWER: 18", 18, True),
    ("ANSWER: 18.0", 18, True),
    ("ANSWER: 18.00", 18, True),
    ("ANSWER: $18", 18, True),
    ("ANSWER: \\$18", 18, True),
    ("ANSWER: $18$", 18, True),
    ("ANSWER: $18.00.", 18, True),
    ("ANSWER: 18 dollars", 18, True),
    ("ANSWER: 18 dollars a day.", 18, True),
    ("ANSWER: She makes **$18** every day.", 18, True),
    ("ANSWER: 18€", 18, True),
    ("ANSWER: 60%", 60, True),
    ("ANSWER: 60 percent", 60, True),
    ("ANSWER: 1000", 1000, True),
    ("ANSWER: 1,000", 1000, True),
    ("ANSWER: $1,234,567", 1234567, True),
    ("ANSWER: -3", -3, True),
    ("ANSWER: \u22123", -3, True),
    ("ANSWER: -$3", -3, True),
    ("ANSWER: $-3", -3, True),
    ("ANSWER: 9 * 2 = 18", 18, True),
    # no answer line
    ("She makes $18 every day.\n#### 18", 18, True),
    ("She makes $18 every day.", 18, True),
    ("Answer: 18", 18, True),
    ("She makes \\boxed{18} every day.", 18, True),
    ("She makes $18 every day at 5pm.", 18, True),
    ("She makes $18 every day, that is $126 a week.", 18, False),
    # other numbers that look like it
    ("ANSWER: 118", 18, False),
    ("ANSWER: 180", 18, False),
    ("ANSWER: 18.5", 18, False),
    ("ANSWER: 0.18", 18, False),
    ("ANSWER: .18", 18, False),
    ("ANSWER: -18", 18, False),
    ("ANSWER: 3", -3, False),
    ("ANSWER: 13", -3, False),
    ("ANSWER: 262499", 262500, False),
    ("ANSWER: 18.0000001", 18, False),
    ("ANSWER: 1,00", 100, False),
    ("ANSWER: 1.000", 1000, False),
    ("ANSWER: 0.6", 60, False),
    ("ANSWER: 1 000", 1000, False),
    ("ANSWER: 18k", 18, False),
    ("ANSWER: $18 thousand", 18, False),
    ("ANSWER: 2 dozen", 2, False),
    ("ANSWER: 18:30", 18, False),
    ("ANSWER: 18/2", 18, False),
    ("ANSWER: x-18", 18, False),
    ("ANSWER: \u00bd", 18, False),
    ("ANSWER: 10\u2079\u2079\u2079", 10, False),
    ("ANSWER: .10.00.18", 18, False),
    ("ANSWER: eighteen", 18, False),
    ("ANSWER: nan", 18, False),
    # several answers
    ("ANSWER: 17 or 18", 18, False),
    ("ANSWER: 18, 19, 20", 18, False),
    ("ANSWER: 18\nANSWER: 19", 18, False),
    ("ANSWER: 19\nANSWER: 18", 18, True),
    ("ANSWER: 18\n\nQuestion: Tom has 5 pears ...", 18, True),
    ("ANSWER: 17\n\n18", 18, False),
    ("18\nANSWER:", 18, False),
    ("", 18, False),
]


@pytest.mark.parametrize(("completion", "wanted", "right"), ANSWERS)
def test_score(completion: str, wanted: int, right: bool) -> None:
    assert final_number.score(completion, {"number": wanted}) is right


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> list[Item]:
    """A train split as if pulled, of the real one's length."""
    rows = [{"question": f"What is {n} + 1?", "answer": f"{n}+1={n + 1}\n#### {n + 1:,}"} for n in range(TRAIN_ITEMS)]
    items = gsm8k.parse("train", rows)

    def stored(benchmark_id: str, split: Split) -> list[Item]:
        assert (benchmark_id, split) == ("gsm8k", "train")
        return items

    monkeypatch.setattr(gsm8k, "stored_items", stored)
    return items


def test_parse() -> None:
    items = gsm8k.parse("test", ROWS)
    assert [item.id for item in items] == ["gsm8k/test/0000", "gsm8k/test/0001", "gsm8k/test/0002"]
    assert [item.target for item in items] == [{"number": 9}, {"number": 1230}, {"number": -3}]
    assert items[0].answer == "4+5=<<4+5=9>>9 nuts.\n\nANSWER: 9"
    assert items[1].question == "A car costs $1,200 and a bike $30. Both?"
    assert all(final_number.score(item.answer, item.target) for item in items)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"answer": "#### 1"}, "gsm8k/test/0003 has no `question`"),
        ({"question": "q"}, "gsm8k/test/0003 has no `answer`"),
        ({"question": "q", "answer": 1}, "gsm8k/test/0003: `answer` is '1', expected a text"),
        ({"question": "q", "answer": "It is 1."}, "`answer` is 'It is 1.', expected a solution that ends in ####"),
        ({"question": "q", "answer": "#### one"}, "`answer`"),
        ({"question": "q", "answer": "#### 1,00"}, "`answer`"),
        ({"question": None, "answer": "#### 1"}, "gsm8k/test/0003: `question` is 'None'"),
    ],
)
def test_parse_names_the_row_and_the_key(row: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        gsm8k.parse("test", [*ROWS, row])


def test_shots_are_the_first_of_a_shuffle_with_seed_42() -> None:
    assert np.random.default_rng(42).permutation(TRAIN_ITEMS)[:10].tolist() == list(gsm8k.SHOTS)
    datasets = pytest.importorskip("datasets")
    numbered = datasets.Dataset.from_dict({"index": list(range(TRAIN_ITEMS))})
    assert numbered.shuffle(seed=42).select(range(10))["index"][:] == list(gsm8k.SHOTS)


def test_pose_puts_the_worked_problems_before(train: list[Item]) -> None:
    items = gsm8k.parse("test", ROWS)
    posed = gsm8k.build_prompts(items, 72332)
    assert posed == gsm8k.build_prompts(items, 0)
    system, user = posed[0].conversation
    assert [system["role"], user["role"]] == ["system", "user"]
    places = [system["content"].index(f"What is {n} + 1?\n\nReasoning:\n{n}+1=") for n in gsm8k.SHOTS]
    assert places == sorted(places)
    assert system["content"].count("ANSWER: ") == len(gsm8k.SHOTS) == 10
    assert user["content"].startswith(items[0].question)
    assert "ANSWER:" in user["content"]
    assert [item.question for item in posed] == [item.question for item in items]
    assert gsm8k.examples() == [train[n] for n in gsm8k.SHOTS]


def test_real_data_is_what_the_catalog_says() -> None:
    """Needs `gsm8k_train.jsonl` and `gsm8k_test.jsonl` as OpenAI published them."""
    folder = os.environ.get("PTB_TEST_DATA")
    if not folder:
        pytest.skip("PTB_TEST_DATA names no directory with the published files")
    facts = catalog.benchmarks()["gsm8k"]
    for split, count in (("train", facts.train_items), ("test", facts.test_items)):
        lines = (Path(folder) / f"gsm8k_{split}.jsonl").read_text().splitlines()
        items = gsm8k.parse(split, [json.loads(line) for line in lines])
        assert len(items) == count
        assert items_sha256(items) == facts.sha256[split]
        assert all(final_number.score(item.answer, item.target) for item in items)
