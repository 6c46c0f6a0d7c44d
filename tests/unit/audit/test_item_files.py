"""Files of the workspace that hold test items: hostile content must neither end the audit nor take its memory."""

import gzip
import io
import pickle
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from posttrainbench.audit.behavior import item_files, plain_pickles
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, is_quick, literal, literal_value, matched
from posttrainbench.audit.behavior.item_files import item_file
from posttrainbench.audit.behavior.rows import World
from posttrainbench.audit.behavior.values import NONE, Value
from posttrainbench.benchmarks import Item

QUESTION = "How many apples are there in the big basket today?"
TWICE = [QUESTION]
ITEMS = [Item("1", QUESTION, "3", {})]


def _table(**columns: list[object]) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"q,a\n" + b"x" * 200_000 + b",1\n", id="long field of CSV"),
        pytest.param(b'q,a\n"' + b"x" * 200_000, id="unterminated field of CSV"),
        pytest.param(b"q,a\nx\0y,1\n", id="zero byte in CSV"),
        pytest.param(gzip.compress(b"hello" * 1000)[:30] + b"zz" * 20, id="damaged gzip"),
        pytest.param(gzip.compress(b"hello" * 1000)[:30], id="truncated gzip"),
        pytest.param(b"[" * 100_000, id="deep list"),
        pytest.param(b'{"a":' * 100_000, id="deep object"),
        pytest.param(b"SQLite format 3\0" + b"\xff" * 5000, id="damaged database"),
        pytest.param(b"PAR1" + b"\xff" * 5000 + b"PAR1", id="damaged Parquet"),
        pytest.param(b"ARROW1" + b"\xff" * 5000, id="damaged Arrow"),
        pytest.param(b"\xff\xff\xff\xff" + b"\xff" * 5000, id="damaged Arrow stream"),
        pytest.param(pickle.dumps([QUESTION])[:-5], id="truncated pickle"),
        pytest.param(b"\x80\x04" + b"\xff" * 5000, id="damaged pickle"),
        pytest.param(b"\x80\x04cos\nsystem\n(X\x04\x00\x00\x00exittR.", id="pickle that calls something"),
        pytest.param(pickle.dumps([[QUESTION], datetime(2026, 1, 1, tzinfo=UTC)]), id="pickle of other objects"),
        pytest.param(pickle.dumps([TWICE, TWICE]), id="pickle with a list in two places"),
        pytest.param(pickle.dumps([QUESTION, 2**20000]), id="pickle of a large number"),
    ],
)
def test_a_file_that_cannot_be_read_has_no_rows(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data").write_bytes(data)
    assert item_file(tmp_path / "data", ("data",), ITEMS, range(1)) is None


def test_a_table_that_is_large_once_decoded_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_files, "LARGEST_DECODED", 2**20)
    (tmp_path / "large").write_bytes(_table(q=["x" * 10_000] * 200 + [QUESTION]))
    (tmp_path / "small").write_bytes(_table(q=["x" * 10_000] * 20 + [QUESTION]))
    assert item_file(tmp_path / "large", ("large",), ITEMS, range(1)) is None
    assert item_file(tmp_path / "small", ("small",), ITEMS, range(1)) is not None


def test_values_of_a_table_keep_their_types(tmp_path: Path) -> None:
    text = f'{QUESTION}\n"quoted"\t\\'
    data = _table(q=[text], when=[datetime(2020, 1, 1, tzinfo=UTC)], b=[True], f=[1.5], n=[None], l=[[1, 2]])
    (tmp_path / "data").write_bytes(data)
    found = item_file(tmp_path / "data", ("data",), ITEMS, range(1))
    assert found is not None
    (row,) = found.document
    assert row["when"].startswith("2020-01-01")
    assert {name: value for name, value in row.items() if name != "when"} == {
        "q": text,
        "b": True,
        "f": 1.5,
        "n": None,
        "l": [1, 2],
    }


@pytest.mark.parametrize("pattern", ["^train", "^train(ing)?$", r"^(train|test)_(\d+)$", "[^/]+/train/.*", " [*+?{]+ "])
def test_ordinary_patterns_are_tried(pattern: str) -> None:
    assert is_quick(pattern)


@pytest.mark.parametrize(
    "pattern", ["a?" * 30 + "a" * 30, "(a|a)" * 20, ".*.*.*x", "(a*)*", "(?:a|b)+", r"(a)\1", "(a+ ) *x"]
)
def test_patterns_that_can_take_long_are_not_tried(pattern: str) -> None:
    assert not is_quick(pattern)
    assert matched(pattern, "a" * 40, "match") is UNKNOWN_VALUE


def test_a_pattern_is_not_tried_on_the_beginning_of_a_long_text() -> None:
    assert matched("^a*$", "a" * 2000, "match") is True
    assert matched("^a*$", "a" * 3000 + "b", "match") is UNKNOWN_VALUE


def test_a_database_with_a_log_is_read_without_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "rows.db")) as base:
        base.execute("pragma journal_mode = wal")
        base.execute("create table rows (q text)")
        base.execute("insert into rows values (?)", (QUESTION,))
        base.commit()
    assert item_file(tmp_path / "rows.db", ("rows.db",), ITEMS, range(1)) is not None


def test_a_database_whose_values_grow_when_they_are_read(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "rows.db")) as base:
        base.execute("create table rows (q text, big blob as (zeroblob(500000000)))")
        base.executemany("insert into rows (q) values (?)", [(QUESTION,)] * 20)
        base.commit()
    assert item_file(tmp_path / "rows.db", ("rows.db",), ITEMS, range(1)) is None


def test_a_value_that_contains_itself_many_times_is_unknown() -> None:
    value = literal_value([1], NONE)
    for _ in range(60):
        value = Value(fields={"0": value, "1": value}, total=2)
    assert literal(value) is UNKNOWN_VALUE


def _world(tmp_path: Path) -> World:
    with closing(sqlite3.connect(tmp_path / "rows.db")) as base:
        base.execute("create table rows (q text, split text)")
        base.executemany("insert into rows values (?, ?)", [("other", "train")] * 300 + [(QUESTION, "test")])
        base.commit()
    file = item_file(tmp_path / "rows.db", ("rows.db",), ITEMS, range(1))
    assert file is not None
    return World(file, file.rows[0])


def test_queries_of_one_row_have_a_common_limit_of_steps(tmp_path: Path) -> None:
    world = _world(tmp_path)
    product = "select count(*) from rows a, rows b, rows c, rows d"
    assert world.query("rows.db", product, (), NONE) is None
    assert world.query_steps < 0
    assert world.query("rows.db", product, (), NONE) is None


def test_a_query_with_a_huge_result_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = _world(tmp_path)
    monkeypatch.setattr(item_files, "MOST_CHARACTERS", 10**6)
    assert world.query("rows.db", "select q from rows where split = 'train'", (), NONE) is not None
    assert world.query("rows.db", "select printf('%.9000c', 'x') from rows", (), NONE) is None


@pytest.mark.parametrize("query", ["attach 'other.db' as other", "pragma writable_schema = 1", "delete from rows"])
def test_a_query_changes_nothing(tmp_path: Path, query: str) -> None:
    assert _world(tmp_path).query("rows.db", query, (), NONE) is None
    assert [path.name for path in tmp_path.iterdir()] == ["rows.db"]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_of_plain_data_is_read_as_it_is(tmp_path: Path, protocol: int) -> None:
    data = {
        "train": [{"q": "x", "n": 2**40, "f": 0.5, "t": ("a", 1)}],
        "test": [{"q": QUESTION, "ok": True, "none": None}],
    }
    (tmp_path / "data").write_bytes(pickle.dumps(data, protocol))
    file = item_file(tmp_path / "data", ("data",), ITEMS, range(1))
    assert file is not None
    assert file.document == {"train": [{"q": "x", "n": 2**40, "f": 0.5, "t": ["a", 1]}], "test": data["test"]}
    assert [row.keys for row in file.rows] == [("test", 0)]


def test_texts_that_a_pickle_repeats_very_often_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = QUESTION * 100
    (tmp_path / "data").write_bytes(pickle.dumps([text] * 1000))
    assert item_file(tmp_path / "data", ("data",), ITEMS, range(1)) is not None
    monkeypatch.setattr(plain_pickles, "MOST_REPEATED", 2**20)
    assert item_file(tmp_path / "data", ("data",), ITEMS, range(1)) is None
