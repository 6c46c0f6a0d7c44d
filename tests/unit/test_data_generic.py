"""A benchmark defined by YAML and rows, without Python."""

import json
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import Services
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.scorers import exact
from posttrainbench.catalog import loading
from posttrainbench.errors import InputError

Write = Callable[..., None]

FACTS = """\
id: capitals
title: Capitals
metric: exact name
max_tokens: 32
test_items: {count}
data:
  files: {{test: capitals/test.jsonl}}
  question: |
    {question}
  answer: answer
  scorer: {scorer}
"""
PLAIN = "{{ question }}"
LETTERS = "{{ q }}{% for one in options %} {{ 'ABCD'[loop.index0] }}) {{ one }}{% endfor %}"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write the benchmark to a catalog that this process reads."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "capitals").mkdir()
    monkeypatch.setenv(loading.VARIABLE, str(tmp_path))

    def put(rows: list[object], scorer: str = "exact", question: str = PLAIN, count: int | None = None) -> None:
        facts = FACTS.format(count=len(rows) if count is None else count, question=question, scorer=scorer)
        (tmp_path / "benchmarks" / "capitals.yaml").write_text(facts)
        (tmp_path / "capitals" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        loading.load_shelf.cache_clear()

    yield put
    loading.load_shelf.cache_clear()


@pytest.mark.parametrize(
    ("scorer", "answer", "target", "right", "wrong"),
    [
        ("exact", "New York", {"text": "New York"}, "I think:\nANSWER:  New  York", "ANSWER: York"),
        ("choice", "B", {"letter": "B"}, "ANSWER: B", "ANSWER: A"),
        ("number", "1,000.5", {"number": "1000.5"}, "ANSWER: 1000.50", "ANSWER: 1000"),
        ("number", 12, {"number": "12"}, "ANSWER: 12", "ANSWER: 112"),
        ("number", 1.5, {"number": "1.5"}, "ANSWER: 1.5", "ANSWER: 15"),
    ],
)
def test_scorers(scorer: str, answer: object, target: dict[str, str], right: str, wrong: str, write: Write) -> None:
    write([{"question": "Which?", "answer": answer}], scorer)
    benchmark = load_benchmark("capitals")
    (item,) = benchmark.load("test")
    assert (item.id, item.question, item.target) == ("capitals/test/0000", "Which?", target)
    names = runpy.run_path(str(benchmark.scorer))  # alone, as the kit's copy stands
    assert names["score"](item.answer, item.target)
    assert names["score"](right, item.target)
    assert not names["score"](wrong, item.target)
    assert benchmark.load("train") == []
    assert benchmark.examples() == []


def test_template_over_the_rows_keys(write: Write) -> None:
    write([{"q": "Which {{ x }}?", "options": ["Oslo", "Rome"], "answer": "A"}], "choice", LETTERS)
    (item,) = load_benchmark("capitals").load("test")
    assert item.question == "Which {{ x }}? A) Oslo B) Rome"


def test_task(write: Write) -> None:
    pytest.importorskip("inspect_ai")
    write([{"question": f"{number}?", "answer": "a"} for number in range(3)])
    benchmark = load_benchmark("capitals")
    assert len(benchmark.task(benchmark.load("test"), Services()).dataset) == 3


@pytest.mark.parametrize(
    ("rows", "scorer", "question", "mention"),
    [
        (
            [{"question": "a"}],
            "exact",
            PLAIN,
            "Row 1 of .*test.jsonl has no key `answer`, which .*yaml names as the answer",
        ),
        ([{"answer": "a"}], "exact", PLAIN, "Row 1 .* cannot be rendered with the template .*'question' is undefined"),
        ([{"question": "a", "answer": "a"}], "exact", "{{ question", "cannot be rendered with the template"),
        (
            [{"question": "a", "answer": "ten"}],
            "number",
            PLAIN,
            "the answer 'ten', but the scorer `number` expects a number",
        ),
        ([{"question": "a", "answer": "b"}], "choice", PLAIN, "expects a capital letter"),
        ([{"question": "a", "answer": "b\nc"}], "exact", PLAIN, "expects one line of text"),
    ],
)
def test_wrong_rows(rows: list[object], scorer: str, question: str, mention: str, write: Write) -> None:
    write(rows, scorer, question)
    with pytest.raises(InputError, match=mention):
        load_benchmark("capitals").load("test")


def test_wrong_number_of_rows(write: Write) -> None:
    write([{"question": "a", "answer": "b"}], count=2)
    with pytest.raises(InputError, match=r"has 1 rows, expected 2; set `test_items: 1` in capitals\.yaml"):
        load_benchmark("capitals").load("test")


@pytest.mark.parametrize(
    ("old", "new", "mention"),
    [
        ("scorer: exact", "scorer: exactly", "`data.scorer` should be 'number', 'choice' or 'exact'"),
        ("{test: capitals", "{train: capitals", "`files` should name a file for the split `test`"),
        ("{test: capitals", "{dev: capitals", "`data.files.dev"),
        ("  answer: answer\n", "", "`data.answer` is missing"),
        ("  answer: answer\n", "  answer: answer\n  kind: a\n", "`data.kind` is an unknown key"),
    ],
)
def test_wrong_entry(old: str, new: str, mention: str, write: Write, tmp_path: Path) -> None:
    write([])
    file = tmp_path / "benchmarks" / "capitals.yaml"
    file.write_text(file.read_text().replace("test_items: 0", "test_items: 1").replace(old, new))
    with pytest.raises(InputError) as error:
        catalog.benchmarks()
    assert mention in str(error.value)


@pytest.mark.parametrize(
    ("completion", "right"),
    [
        ("ANSWER: Oslo", True),
        ("**ANSWER: Oslo**", True),
        ("**ANSWER:** Oslo", True),
        ("  ANSWER:Oslo", True),
        ("ANSWER: Rome\nNo.\nANSWER: Oslo", True),
        ("ANSWER: Oslo\nANSWER: Rome", False),
        ("ANSWER: Oslo or Rome", False),
        ("ANSWER: oslo", False),
        ("ANSWER: Oslo.", False),
        ("The ANSWER: Oslo", False),
        ("Oslo", False),
        ("ANSWER:", False),
        ("", False),
    ],
)
def test_exact_scorer(completion: str, right: bool) -> None:
    assert exact.score(completion, {"text": "Oslo"}) is right
