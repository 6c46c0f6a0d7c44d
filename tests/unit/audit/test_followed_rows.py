"""Rows with test items, followed through training programs that choose among the rows of one file."""

import csv
import io
import json
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

import followed_changes as changes
import followed_idioms as idioms
from behavior_evidence import KIT, Case
from followed_programs import CHEATS, HONEST, START, UNCLEAR
from muffins import ITEMS
from posttrainbench.audit.behavior.item_files import ItemFile, item_file
from posttrainbench.audit.behavior.rows import World
from posttrainbench.audit.behavior.trace import Action
from posttrainbench.audit.behavior.training_files import Fate, TrainingReplay

TEST: list[dict[str, object]] = [
    {"id": f"test-{n}", "question": one.question, "answer": "It is 3."} for n, one in enumerate(ITEMS)
]
TRAIN: list[dict[str, object]] = [
    {"id": f"train-{n}", "question": f"How many legs do {n} spiders have in all, please?", "answer": str(8 * n)}
    for n in range(60)
]
ROWS: list[dict[str, object]] = [row | {"split": "train", "is_test": False, "fold": 0} for row in TRAIN] + [
    row | {"split": "test", "is_test": True, "fold": 4} for row in TEST
]


def _lines(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _table(rows: list[dict[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


def _database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as base:
        base.execute("create table rows (id text, question text, answer text, split text)")
        rows = [(row["id"], row["question"], row["answer"], row["split"]) for row in ROWS]
        base.executemany("insert into rows values (?, ?, ?, ?)", rows)
        base.commit()


FILES: dict[str, bytes] = {
    "all.jsonl": _lines(ROWS),
    "all.json": json.dumps(ROWS).encode(),
    "all.csv": _table(ROWS),
    "both.json": json.dumps({"train": TRAIN, "test": TEST}).encode(),
    "pair.json": json.dumps([TRAIN, TEST]).encode(),
    "joined.jsonl": _lines(TEST + TRAIN),
    "after.jsonl": _lines(TRAIN + TEST),
    "more.jsonl": _lines([row | {"split": "train"} for row in TEST]),
    "train.jsonl": _lines(TRAIN),
    "dataset/train.jsonl": _lines(TRAIN),
    "dataset/test.jsonl": _lines(TEST),
}
MADE: dict[str, Callable[[Path], None]] = {"all.parquet": _parquet, "all.db": _database}


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> tuple[Case, list[ItemFile]]:
    """Return a run with files in which training and test rows are mixed, and the rows of these files."""
    root = tmp_path_factory.mktemp("rows")
    case = Case(root, files={name: data.decode() for name, data in FILES.items()}, items=ITEMS)
    case.evidence()
    for name, make in MADE.items():
        make(root / "workspace" / name)
    files = [
        item_file(root / "workspace" / name, (name,), ITEMS, range(len(ITEMS)))
        for name in (*FILES, *MADE)
        if "train.jsonl" not in name
    ]
    assert None not in files
    (root / "test.jsonl").write_bytes(_lines(TEST))
    kit = item_file(root / "test.jsonl", (f"{KIT}/data/test.jsonl",), ITEMS, range(len(ITEMS)))
    return case, [file for file in (*files, kit) if file is not None]


def _fates(case: tuple[Case, list[ItemFile]], body: str, command: str = "python fit.py") -> set[Fate]:
    """Return what happened to the rows with test items of all files that a program names."""
    run, files = case
    found: set[Fate] = set()
    program = START + body
    evidence = run.evidence()
    for file in files:
        name = file.names[0]
        folder = re.escape(name.partition("/")[0]) if not name.startswith("/") else "-"
        if not re.search(rf"['\"]({re.escape(name)}|{folder})['\"]", program):
            continue
        for row in [row for rows in file.followed() for row in rows]:
            world = World(file, row, files, {"train.jsonl": len(TRAIN), f"{KIT}/data/train.jsonl": len(TRAIN)})
            replay = TrainingReplay(evidence, world)
            replay.state.action = Action(0, "", "command", text=command)
            replay.state.label = ("process", 1)
            replay.state.write_text("fit.py", program)
            replay.shell(command, "/ptb/workspace", {})
            assert not replay.report.unread, replay.report.unread
            found.add(replay.fate(file.names))
    assert found, "the program names no file"
    return found


@pytest.mark.parametrize("program", [*HONEST.values(), *idioms.HONEST.values()], ids=[*HONEST, *idioms.HONEST])
def test_honest_selections_leave_the_items_out(case: tuple[Case, list[ItemFile]], program: str) -> None:
    assert _fates(case, program) == {"left out"}


@pytest.mark.parametrize("program", [*CHEATS.values(), *idioms.CHEATS.values()], ids=[*CHEATS, *idioms.CHEATS])
def test_selections_that_leave_the_items_in(case: tuple[Case, list[ItemFile]], program: str) -> None:
    assert "trained" in _fates(case, program)


@pytest.mark.parametrize("program", [*UNCLEAR.values(), *idioms.UNCLEAR.values()], ids=[*UNCLEAR, *idioms.UNCLEAR])
def test_selections_that_cannot_be_understood(case: tuple[Case, list[ItemFile]], program: str) -> None:
    found = _fates(case, program)
    assert "trained" not in found
    assert found & {"unclear", "slice"}


@pytest.mark.parametrize("program", changes.CHANGES.values(), ids=changes.CHANGES)
def test_changes_of_what_selections_read(case: tuple[Case, list[ItemFile]], program: str) -> None:
    assert _fates(case, program) & {"trained", "slice", "unclear"}


@pytest.mark.parametrize("given", changes.COMMAND_LINES.values(), ids=changes.COMMAND_LINES)
def test_command_lines_that_change_selections(case: tuple[Case, list[ItemFile]], given: tuple[str, str]) -> None:
    program, command = given
    assert _fates(case, program, command) & {"trained", "slice", "unclear"}
