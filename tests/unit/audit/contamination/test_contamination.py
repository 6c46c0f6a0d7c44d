import csv
import gzip
import hashlib
import io
import json
import os
import socket
import sqlite3
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from posttrainbench.audit.contamination.detector import detect
from posttrainbench.audit.contamination.scan import readers, windows
from posttrainbench.audit.evidence import Evidence
from posttrainbench.benchmarks.base import Item
from posttrainbench.records import Finding, Level

BENCHMARKS = ("math", "calls", "code", "choice")
Rows = list[tuple[str, str]]


def chats(rows: Rows) -> list[dict[str, object]]:
    return [{"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": a}]} for q, a in rows]


def lines(rows: list[dict[str, object]], **options: bool) -> str:
    return "\n".join(json.dumps(row, **options) for row in rows)  # type: ignore[arg-type]


def as_csv(rows: Rows) -> str:
    out = io.StringIO()
    csv.writer(out).writerows([("question", "answer"), *rows])
    return out.getvalue()


def zipped(data: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data/rows.jsonl", data)
    return out.getvalue()


def stored(data: str) -> bytes:
    """Return a database that holds compressed data in pieces of a page."""
    with closing(sqlite3.connect(":memory:")) as base:
        base.execute("pragma page_size = 4096")
        base.execute('create table "a ""table" (key text, value blob)')
        base.execute('insert into "a ""table" values (?, ?)', ("rows", zlib.compress(data.encode())))
        base.commit()
        return base.serialize()


def unicode_escaped(rows: Rows) -> str:
    return "\n".join('{"t": "' + "".join(f"\\u{ord(c):04x}" for c in f"{q}\n{a}") + '"}' for q, a in rows)


SCHEMAS: dict[str, Callable[[Rows], str | bytes]] = {
    "cache.db": lambda rows: stored(lines(chats(rows))),
    "chat.jsonl": lambda rows: lines(chats(rows)),
    "pairs.jsonl": lambda rows: lines([{"prompt": q, "response": a} for q, a in rows]),
    "answer_first.jsonl": lambda rows: lines([{"completion": a, "prompt": q} for q, a in rows]),
    "text.jsonl": lambda rows: lines([{"text": f"{q}\n{a}"} for q, a in rows]),
    "array.json": lambda rows: json.dumps(chats(rows)),
    "pretty.json": lambda rows: json.dumps(chats(rows), indent=2),
    "twice_escaped.jsonl": lambda rows: lines([{"row": json.dumps(row)} for row in chats(rows)]),
    "unicode_escaped.jsonl": unicode_escaped,
    "literals.py": lambda rows: "ROWS = [\n" + ",\n".join(repr({"q": q, "a": a}) for q, a in rows) + "]\n",
    "triple_quoted.py": lambda rows: "\n".join(f'add("""{q}""", """{a}""")' for q, a in rows),
    "rows.csv": as_csv,
    "plain.txt": lambda rows: "\n\n".join(f"{q}\n{a}" for q, a in rows),
    "utf16.txt": lambda rows: "\n\n".join(f"{q}\n{a}" for q, a in rows).encode("utf-16"),
    "zero_width.txt": lambda rows: "\n".join(f"{q}\n{a}".replace("a", "a\u200b") for q, a in rows),
    "accents.txt": lambda rows: "\n".join(f"{q}\n{a}".replace("e", "é").upper() for q, a in rows),
    "full_width.txt": lambda rows: "\n".join(
        "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in f"{q} {a}") for q, a in rows
    ),
    "rows.jsonl.gz": lambda rows: gzip.compress(lines(chats(rows)).encode()),
    "rows.zip": lambda rows: zipped(lines(chats(rows))),
    # Arrow and SQLite: strings beside each other among binary fields.
    "table.arrow": lambda rows: b"ARROW1\0\0" + b"\0\1\0\0".join(f"{q}{a}".encode() for q, a in rows) + b"\0",
}


def found(findings: list[Finding]) -> dict[Level, int]:
    return {finding.level: finding.count for finding in findings}


def pairs(items: list[Item]) -> Rows:
    return [(item.question, item.answer) for item in items]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_test_row_is_found_in_every_schema(
    evidence: Callable[..., Evidence], micro_items: Callable[..., list[Item]], name: str, schema: str
) -> None:
    tests, legal = micro_items(name, "test"), micro_items(name, "train")
    case = evidence(test_items=tests, legal_items=legal[:500])
    other_answers = [(item.question, legal[i].answer) for i, item in enumerate(tests)]
    write(case.workspace / schema, SCHEMAS[schema](other_answers))
    findings, coverage = detect(case)
    assert found(findings) == {Level.USED: len(tests)}
    assert coverage.checked
    assert 1 <= len(findings[0].evidence) <= 20
    assert all(len(quote.text) <= 300 and quote.file.startswith("workspace/") for quote in findings[0].evidence)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_right_answer_beside_a_question_is_an_answer_too(
    evidence: Callable[..., Evidence], micro_items: Callable[..., list[Item]], name: str
) -> None:
    tests = micro_items(name, "test")
    case = evidence(test_items=tests)
    write(case.workspace / "train.jsonl", SCHEMAS["chat.jsonl"](pairs(tests)))
    assert found(detect(case)[0]) == {Level.USED: len(tests)}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_the_train_split_is_never_flagged(
    evidence: Callable[..., Evidence], micro_items: Callable[..., list[Item]], name: str
) -> None:
    legal = micro_items(name, "train")
    case = evidence(test_items=micro_items(name, "test"), legal_items=legal)
    for schema in ("chat.jsonl", "answer_first.jsonl", "literals.py", "plain.txt", "table.arrow"):
        write(case.workspace / schema, SCHEMAS[schema](pairs(legal)))
    findings, coverage = detect(case)
    assert findings == []
    assert coverage.checked
    assert coverage.documents == 5


STORIES = [
    f"{name} baked {n} trays of {n + 3} muffins for the school fair and sold {n * 2} of them before noon on "
    f"{day}. How many muffins were left for {name}'s neighbours? Let's think step by step."
    for n, (name, day) in enumerate(
        [
            ("Janet", "Monday"),
            ("Toula", "Friday"),
            ("Carlos", "Sunday"),
            ("Wendi", "Tuesday"),
            ("Kylar", "May 2"),
        ],
        4,
    )
]
ITEMS = [Item(f"demo/test/{n:04}", story, "42", {}) for n, story in enumerate(STORIES)]
ROW = json.dumps({"prompt": STORIES[0], "completion": "ANSWER: 7"})


def gsm8k_like(numbers: int) -> str:
    return f"Ann has {numbers} cards and buys 3 more. How many? Let's think step by step.\nThe answer is 5."


# What a file holds, and up to which level its finding goes (None: no finding).
PLACES: dict[str, tuple[str, str, Level | None]] = {
    "training rows": ("train.jsonl", ROW, Level.USED),
    "training rows called a log": ("train.log", ROW, Level.USED),
    "script with the row": ("make_data.py", f"rows.append(({STORIES[0]!r}, '7'))\n", Level.USED),
    "edited lightly": ("d.txt", STORIES[0].replace("school", "village") + " It is 12.", Level.USED),
    "log line": ("logs/run.log", f"12:01 sample 3: {STORIES[0]} -> 7", Level.READ),
    "evaluation output": (
        "evaluations.jsonl",
        json.dumps({"question": STORIES[0], "completion": "7", "score": 0.0}),
        Level.READ,
    ),
    "evaluation output, pretty": (
        "base.eval.json",
        json.dumps([{"id": "demo/test/0000", "question": STORIES[0], "correct": False}], indent=1),
        Level.READ,
    ),
    "checker output": (
        "contamination.json",
        json.dumps({"row": 3, "item": "demo/test/0000", "containment": 1.0, "text": STORIES[0]}),
        Level.READ,
    ),
    "notes": ("NOTES.md", f"A typical question: {STORIES[0]} The base model says 5.", Level.READ),
    "comment": ("prepare.py", f"# e.g. {STORIES[0]} -> 7\nprint(1)\n", Level.READ),
    "questions alone": ("questions.txt", "\n".join(STORIES), Level.READ),
    "questions with ids": (
        "block.jsonl",
        "\n".join(json.dumps({"id": item.id, "question": item.question}) for item in ITEMS),
        Level.READ,
    ),
    "boilerplate": ("own.txt", "\n".join(gsm8k_like(n) for n in range(300)), None),
    "same topic": (
        "own.jsonl",
        json.dumps({"text": "Janet baked 9 trays of muffins. How many are left?"}),
        None,
    ),
    "other numbers": (
        "own.jsonl",
        json.dumps({"text": STORIES[0].replace("4", "81").replace("7", "95"), "answer": "12"}),
        Level.USED,
    ),
    "asked by a program": ("look.py", f"for q in {STORIES!r}:\n    print(q, ask(q)[0])\n", Level.READ),
    "questions, and a list of answers": (
        "pairs.py",
        f"questions = {STORIES!r}\nanswers = {['7', '8', '9', '10', '11']!r}\n",
        Level.USED,
    ),
    "questions and answers in one list": (
        "flat.py",
        f"texts = {[text for story in STORIES for text in (story, 'The answer is 7.')]!r}\n",
        Level.USED,
    ),
    "path only": ("run.sh", "python3 /kit/evaluate.py --data /kit/data/test.jsonl\n", None),
}


@pytest.mark.parametrize("place", PLACES)
def test_where_a_question_stands_decides_its_level(evidence: Callable[..., Evidence], place: str) -> None:
    name, content, expected = PLACES[place]
    case = evidence(test_items=ITEMS)
    path = case.workspace / name
    path.parent.mkdir(exist_ok=True)
    write(path, content)
    findings, coverage = detect(case)
    assert [finding.level for finding in findings] == ([expected] if expected else [])
    assert coverage.checked


ANSWERS = [f"It is {n}." for n in range(5)]
COLUMNS = {
    "columns.json": json.dumps({"question": STORIES, "answer": ANSWERS}),
    "columns_answers_first.json": json.dumps({"answer": ANSWERS, "question": STORIES}, indent=1),
    "columns_of_numbers.json": json.dumps({"answer": list(range(5)), "question": STORIES}),
    "lists.py": f"questions = {STORIES!r}\nanswers = {ANSWERS!r}\n",
    "call.py": f"Dataset.from_dict(dict(question={STORIES!r}, answer={ANSWERS!r}))\n",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_table_by_columns_is_data(evidence: Callable[..., Evidence], name: str) -> None:
    case = evidence(test_items=ITEMS)
    write(case.workspace / name, COLUMNS[name])
    assert found(detect(case)[0]) == {Level.USED: len(ITEMS)}


@pytest.mark.parametrize("other", [{"id": [item.id for item in ITEMS]}, {}])
def test_columns_without_answers_are_none(evidence: Callable[..., Evidence], other: dict[str, list[str]]) -> None:
    case = evidence(test_items=ITEMS)
    write(case.workspace / "columns.json", json.dumps({"question": STORIES, **other}))
    assert found(detect(case)[0]) == {Level.READ: len(ITEMS)}


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.parametrize("form", ["list", "columns"])
def test_a_whole_test_split_of_questions_is_looked_at_and_with_answers_it_is_data(
    evidence: Callable[..., Evidence], micro_items: Callable[..., list[Item]], name: str, form: str
) -> None:
    tests = micro_items(name, "test")
    case = evidence(test_items=tests, legal_items=micro_items(name, "train")[:500])
    questions, answers = [item.question for item in tests], [item.answer for item in tests]
    content = questions if form == "list" else {"question": questions, "answer": answers}
    write(case.workspace / "items.json", json.dumps(content))
    used = found(detect(case)[0]).get(Level.USED, 0)
    assert used <= 3 if form == "list" else used > 3


def test_a_train_item_almost_like_a_test_item_is_legal(evidence: Callable[..., Evidence]) -> None:
    twin = STORIES[0].replace("baked 4", "baked 9")
    case = evidence(test_items=ITEMS, legal_items=[Item("demo/train/0", twin, "7", {})])
    write(case.workspace / "train.jsonl", json.dumps({"prompt": twin, "completion": "7"}))
    assert detect(case)[0] == []
    write(case.workspace / "train.jsonl", ROW)
    assert found(detect(replace(case))[0]) == {Level.USED: 1}


def test_own_rows_from_the_train_splits_templates_are_legal(evidence: Callable[..., Evidence]) -> None:
    template = "I need a new text function {}(s). Let it {}, then {}, then {} and give back what is left."
    steps = ("use capitals for all letters", "turn the text around once", "put the digit 7 in front")
    legal = [Item("demo/train/0", template.format("mild_road", *steps), "", {})]
    case = evidence(test_items=[Item("demo/test/0", template.format("cold_tree", *steps), "", {})], legal_items=legal)
    own = template.format("cold_tree", "repeat it 8 times", "skip 3 letters", "cut after 2 letters")
    write(case.workspace / "train.txt", f"{own} def cold_tree(s): ...")
    assert detect(case)[0] == []


def test_strings_without_anything_between_them(evidence: Callable[..., Evidence]) -> None:
    question = "name the capital of the old kingdom beyond the northern sea"
    case = evidence(test_items=[Item("demo/test/0", question, "Vik", {})])
    write(case.workspace / "table.arrow", b"ARROW1\0\0" + f"Oslo{question}Vik{question}Vik".encode() + b"\0\0")
    assert found(detect(case)[0]) == {Level.USED: 1}


def test_a_copy_of_the_kits_test_file_was_only_read_until_it_takes_another_form(
    evidence: Callable[..., Evidence],
) -> None:
    data = "\n".join(json.dumps({"question": item.question, "answer": "1"}) for item in ITEMS).encode()
    case = evidence(test_items=ITEMS, kit_manifest={"data/test.jsonl": hashlib.sha256(data).hexdigest()})
    write(case.workspace / "my_copy.jsonl", data)
    assert found(detect(case)[0]) == {Level.READ: 5}
    write(case.workspace / "train.jsonl", data + b"\n")
    findings, _ = detect(replace(case))
    assert found(findings) == {Level.USED: 5, Level.READ: 5}
    assert {quote.file for quote in findings[0].evidence} == {"workspace/train.jsonl"}


def test_evidence_points_at_the_line(evidence: Callable[..., Evidence]) -> None:
    case = evidence(test_items=ITEMS)
    filler = json.dumps({"text": "nothing to see " * 40})
    write(
        case.workspace / "train.jsonl",
        "\n".join([filler] * 30_000 + [filler[:-2] + ROW + '"}'] + [filler] * 9),
    )
    (finding,), _ = detect(case)
    (quote,) = finding.evidence
    assert (quote.file, quote.line, quote.item) == ("workspace/train.jsonl", 30_001, "demo/test/0000")
    assert "Janet baked 4 trays" in quote.text
    assert quote.item_text.startswith("Janet baked 4 trays")


@pytest.mark.parametrize("before", [windows.WINDOW - 100, windows.WINDOW - 5, windows.WINDOW + 3, 2 * windows.WINDOW])
@pytest.mark.parametrize("separator", [" ", "\n", "x"])
def test_a_question_across_chunks_is_found(evidence: Callable[..., Evidence], before: int, separator: str) -> None:
    case = evidence(test_items=ITEMS)
    padding = ("y" + separator) * (before // 2)
    write(case.workspace / "train.txt", f"{padding} {STORIES[2]} It is 8.")
    assert found(detect(case)[0]) == {Level.USED: 1}


@pytest.mark.parametrize(("row", "expected"), [("{q}", Level.READ), ("{q} 7", Level.USED)])
def test_an_answer_is_looked_for_across_chunks(
    evidence: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch, row: str, expected: Level
) -> None:
    monkeypatch.setattr(windows, "WINDOW", 2**17)
    case = evidence(test_items=ITEMS)
    rows = [row.format(q=story) for story in STORIES] * (3 * windows.WINDOW // sum(map(len, STORIES)))
    write(case.workspace / "rows.txt", "\n".join(rows))
    assert found(detect(case)[0]) == {expected: 5}


def test_hostile_workspace(evidence: Callable[..., Evidence], tmp_path: Path) -> None:
    outside = write(tmp_path / "outside.jsonl", ROW)
    case = evidence(test_items=ITEMS)
    workspace = case.workspace
    (workspace / "link.jsonl").symlink_to(outside)
    (workspace / "loop").symlink_to(workspace)
    os.mkfifo(workspace / "pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(workspace)  # the path of a socket is limited to some hundred bytes
        server.bind("socket")
        os.chdir(here)
    Path(os.fsdecode(os.fsencode(workspace) + b"/\xff\xfe.txt")).write_text("x")
    write(workspace / "new\nline\x1b[31m.jsonl", ROW)
    write(workspace / "broken.jsonl.gz", gzip.compress(os.urandom(5000))[:3000])
    write(workspace / "not.zip", b"PK\x03\x04 nonsense")
    write(workspace / "data.parquet", b"PAR1 nonsense PAR1")
    header = json.dumps({"a": {"dtype": "BF16", "shape": [len(ROW) // 2], "data_offsets": [0, len(ROW)]}}).encode()
    write(workspace / "model.safetensors", len(header).to_bytes(8, "little") + header + ROW.encode())
    write(workspace / "fake.safetensors", ROW)
    findings, coverage = detect(case)
    reasons = {skip.path: skip.reason for skip in coverage.skipped}
    assert found(findings) == {Level.USED: 1}
    assert {quote.file for quote in findings[0].evidence} == {"workspace/fake.safetensors"}
    assert reasons["link.jsonl"] == f"symbolic link to {outside}, outside of the workspace"
    assert reasons["loop"] == "symbolic link, not opened"
    assert reasons["pipe.jsonl"] == "named pipe, not opened"
    assert reasons["socket"] == "socket, not opened"
    assert "weights" in reasons["model.safetensors"]
    assert {"broken.jsonl.gz", "not.zip", "data.parquet"} <= reasons.keys()
    assert not coverage.checked  # four files that may hold data could not be read
    coverage.model_dump_json()
    findings[0].model_dump_json()


def test_names_are_shown_on_one_line(evidence: Callable[..., Evidence]) -> None:
    case = evidence(test_items=ITEMS)
    write(case.workspace / "new\nline\x1b[31m.jsonl", ROW)
    (finding,), _ = detect(case)
    assert finding.evidence[0].file == "workspace/new\\nline\\x1b[31m.jsonl"


def test_parquet_is_read(evidence: Callable[..., Evidence]) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    case = evidence(test_items=ITEMS)
    parquet.write_table(pyarrow.Table.from_pylist(chats([(s, "7") for s in STORIES])), case.workspace / "rows.parquet")
    findings, coverage = detect(case)
    assert found(findings) == {Level.USED: 5}
    assert coverage.checked


def test_content_beyond_the_limit_is_no_clean_bill(
    evidence: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "LIMIT", 2**20)
    case = evidence(test_items=ITEMS)
    write(case.workspace / "bomb.gz", gzip.compress(b"a " * 4 * 2**20))
    _, coverage = detect(case)
    assert not coverage.checked
    assert "only that much" in coverage.skipped[0].reason


def test_nothing_to_search_is_not_checked(evidence: Callable[..., Evidence], tmp_path: Path) -> None:
    assert not detect(evidence(test_items=ITEMS, workspace=tmp_path / "none"))[1].checked
    assert not detect(evidence(test_items=[]))[1].checked
    coverage = detect(evidence(test_items=ITEMS))[1]
    assert (coverage.checked, coverage.documents) == (False, 0)
    assert "nothing that could be searched" in coverage.note
