import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench.audit.contamination.scan import read_items
from posttrainbench.errors import InputError
from scan_problems import chat, lines, problems

TESTS = problems()
KEYS = {
    *("verdict", "basis", "documents", "counted_documents", "bytes", "seconds", "flagged_documents", "hits", "skipped"),
    *("test_items", "test_items_hit", "test_items_verbatim", "unsearchable"),
}
HIT_KEYS = {"file", "document", "item", "unit", "method", "score", "text", "item_text"}

Here = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def items_file(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_bytes(lines([{"id": item.id, "question": item.question, "answer": item.answer} for item in TESTS]))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus" / "train.jsonl"
    path.parent.mkdir()
    path.write_bytes(lines([chat(item.question, "7") for item in TESTS[:9]]))
    return path.parent


def test_a_flagged_corpus_as_json(ptb_here: Here, items_file: Path, corpus: Path) -> None:
    done = ptb_here("scan", corpus, "--benchmark-file", items_file, "--json")
    report = json.loads(done.stdout)
    assert done.returncode == 1
    assert report.keys() == KEYS
    assert report["hits"][0].keys() == HIT_KEYS
    assert (report["verdict"], report["documents"], report["flagged_documents"]) == ("flagged", 9, 9)
    assert {hit["item"] for hit in report["hits"]} == {item.id for item in TESTS[:9]}


def test_a_flagged_corpus_as_sarif(ptb_here: Here, items_file: Path, corpus: Path) -> None:
    done = ptb_here("scan", corpus, "--benchmark-file", items_file, "--sarif")
    (run,) = json.loads(done.stdout)["runs"]
    assert done.returncode == 1
    result = run["results"][0]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][0]["id"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "train.jsonl"
    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] in range(1, 10)


def test_for_people_both_texts_are_shown(ptb_here: Here, items_file: Path, corpus: Path) -> None:
    done = ptb_here("scan", corpus, "--benchmark-file", items_file)
    assert done.returncode == 1
    assert "train.jsonl:1" in done.stdout.replace("\n", "")
    assert "flagged: 9 test items in 9 of 9 documents" in " ".join(done.stdout.split())


def test_what_an_agent_wrote_cannot_steer_the_terminal(ptb_here: Here, items_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "evil\x1b[31m[bold]x.txt"
    path.write_text("".join(f"[red]{item.question}\x1b[2J\n" for item in TESTS[:5]))
    done = ptb_here("scan", path, "--benchmark-file", items_file)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "[bold]x.txt" in done.stdout.replace("\n", "")


def test_a_clean_corpus_and_one_that_cannot_be_read(ptb_here: Here, items_file: Path, tmp_path: Path) -> None:
    clean = tmp_path / "clean.txt"
    clean.write_text("Nothing that any test asks.\n" * 50)
    assert ptb_here("scan", clean, "--benchmark-file", items_file).returncode == 0
    broken = tmp_path / "broken.gz"
    broken.write_bytes(gzip.compress(b"x" * 10_000)[:-9])
    done = ptb_here("scan", clean, broken, "--benchmark-file", items_file, "--json")
    assert done.returncode == 2
    assert json.loads(done.stdout)["skipped"] == [
        {"path": "broken.gz", "reason": "it is damaged: its compressed data is truncated", "lost": True}
    ]


def test_the_train_split_of_a_benchmark_is_legal(ptb_here: Here, tmp_path: Path) -> None:
    from posttrainbench.benchmarks.registry import load_benchmark

    benchmark = load_benchmark("micro-math")
    path = tmp_path / "train.jsonl"
    path.write_bytes(lines([chat(item.question, item.answer) for item in benchmark.load("train")]))
    assert ptb_here("scan", path, "--benchmark", "micro-math").returncode == 0
    path.write_bytes(lines([chat(item.question, item.answer) for item in benchmark.load("test")]))
    assert ptb_here("scan", path, "--benchmark", "micro-math").returncode == 1


def test_the_whitelist_and_the_number_of_threads(ptb_here: Here, items_file: Path, corpus: Path) -> None:
    done = ptb_here("scan", corpus, "--benchmark-file", items_file, "--allow", corpus, "--workers", "1")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["."], "--benchmark-file"),
        ([".", "--benchmark", "micro-math", "--benchmark-file", "x"], "--benchmark-file"),
        (["no-such-file", "--benchmark", "micro-math"], "no-such-file"),
        ([".", "--benchmark", "no-such-benchmark"], "no-such-benchmark"),
        ([".", "--benchmark-file", "no-such-file.jsonl"], "no-such-file.jsonl"),
        ([".", "--benchmark", "micro-math", "--json", "--sarif"], "not both"),
        ([".", "--benchmark", "micro-math", "--tokenizer", "no-such-directory"], "does not exist"),
    ],
)
def test_wrong_input_is_told_in_one_sentence(
    ptb_here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = ptb_here("scan", *arguments)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


ROWS = {
    "GSM8K": ({"question": "How many?", "answer": "7\n#### 7"}, "How many?", "7\n#### 7"),
    "HumanEval": (
        {"task_id": "H/1", "prompt": "def f():", "canonical_solution": " return 1", "test": "assert"},
        "def f():",
        " return 1",
    ),
    "BFCL": (
        {"id": "b1", "question": [[{"role": "user", "content": "Call it."}]], "function": [{"name": "it"}]},
        "Call it.",
        "",
    ),
    "HealthBench": (
        {
            "prompt": [{"role": "user", "content": "It hurts."}, {"role": "assistant", "content": "Where?"}],
            "rubrics": [{"criterion": "Asks where.", "points": 3}],
            "ideal_completions_data": {"ideal_completion": "See a doctor."},
        },
        "It hurts.\nWhere?",
        "See a doctor.",
    ),
    "Arena-Hard": ({"uid": "u", "prompt": "Write a poem."}, "Write a poem.", ""),
    "GPQA": (
        {"Question": "Which?", "Correct Answer": "a", "Incorrect Answer 1": "b", "Incorrect Answer 2": "c"},
        "Which?",
        "a",
    ),
    "ShareGPT": ({"conversations": [{"from": "human", "value": "Hello?"}]}, "Hello?", ""),
    "SVAMP": ({"Body": "Dan had 3.", "Question": "How many?", "Answer": 4.0}, "Dan had 3. How many?", "4.0"),
}


@pytest.mark.parametrize("schema", ROWS)
def test_published_schemas_are_read(tmp_path: Path, schema: str) -> None:
    row, question, answer = ROWS[schema]
    for name, content in (
        ("a.jsonl", json.dumps(row)),
        ("a.json", json.dumps([row])),
        ("a.jsonl.gz", gzip.compress(json.dumps(row).encode())),
    ):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (item,) = read_items(path)
        assert (item.question, item.answer) == (question, answer)
        assert item.id


def test_what_else_a_row_holds_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps(ROWS[name][0]) for name in ("HumanEval", "BFCL", "HealthBench", "GPQA")))
    program, call, advice, choice = read_items(path)
    assert program.target == {"test": "assert"}
    assert call.tools == [{"name": "it"}]
    assert advice.target == {"rubrics": ["Asks where."]}
    assert choice.target == {"choices": ["a", "b", "c"]}
    assert [item.id for item in (program, call, advice, choice)] == ["H/1", "b1", "a/0002", "a/0003"]


@pytest.mark.parametrize("content", ["", "{}", "[]", "no json", '{"question": ""}', '{"question": 3'])
def test_a_file_without_items_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=r"a\.jsonl"):
        read_items(path)


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\x1f\x8b\x08\x00" + b"\xff" * 50])
def test_a_hostile_file_of_items_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.jsonl cannot be read as JSONL"):
        read_items(path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(InputError, match="is not a file"):
        read_items(fifo)


def test_odd_values_in_a_row_are_no_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        '\ufeff{"question": "How many?", "ideal_completions_data": [1]}\n{"prompt": [[[]]], "rubrics": [null]}'
    )
    assert [item.question for item in read_items(path)] == ["How many?", ""]


def test_the_command_line_stays_light() -> None:
    code = (
        "import sys, posttrainbench.cli.scan; sys.exit(any(m in sys.modules for m in ('numba', 'llvmlite', 'pyarrow')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
