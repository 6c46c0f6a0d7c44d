"""Reading rows of published files in all supported formats."""

import gzip
import io
import json
from pathlib import Path

import pytest

from posttrainbench.benchmarks.rows import ENDINGS, read_rows
from posttrainbench.errors import InputError

ROWS = [{"question": 'Zwölf,\n\u2028or "more"?', "answer": "12"}, {"question": "b", "answer": ""}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
TABLE = 'question,answer\r\n"Zwölf,\n\u2028or ""more""?",12\r\nb,\r\n'


def parquet() -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet  # noqa: F811

    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", LINES.encode()),
        ("a.jsonl", b"\xef\xbb\xbf" + LINES.encode()),
        ("a.jsonl", LINES.replace("\n", "\n\n").encode()),
        ("a.jsonl", LINES.removesuffix("\n").encode()),
        ("a.json", LINES.encode()),
        ("a.json", json.dumps(ROWS, indent=1).encode()),
        ("a.csv", TABLE.encode()),
        ("a.v2.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("a.json.gz", gzip.compress(json.dumps(ROWS).encode(), mtime=0)),
        ("a.csv.gz", gzip.compress(TABLE.encode(), mtime=0)),
    ],
)
def test_formats(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert read_rows(tmp_path / name) == ROWS


def test_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet())
    assert read_rows(tmp_path / "a.parquet") == ROWS


def test_single_object(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(ROWS[0], indent=1))
    assert read_rows(tmp_path / "a.json") == ROWS[:1]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": '),
        ("a.json", b""),
        ("a.jsonl", b"\xff\xfe"),
        ("a.jsonl.gz", LINES.encode()),
        ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)[:-9]),
        ("a.parquet", b"PAR1"),
        ("a.json", b"1"),
        ("a.json", b"[1]"),
        ("a.jsonl", b'{"a": 1}\n[]\n'),
    ],
)
def test_broken_file(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    if data:
        with pytest.raises(InputError) as error:
            read_rows(tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)
    else:
        assert read_rows(tmp_path / name) == []


def test_other_format_and_absent_file(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()
    with pytest.raises(InputError, match=r"its name must end in one of: \.parquet, \.jsonl"):
        read_rows(tmp_path / "a.txt")
    for ending in ENDINGS:
        with pytest.raises(InputError, match=r"The file .* does not exist"):
            read_rows(tmp_path / f"absent{ending}")
