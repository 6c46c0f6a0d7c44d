"""Read the rows of published data files: Parquet, JSON, JSON lines or CSV; text formats may be gzipped."""

import csv
import gzip
import io
import json
import zlib
from pathlib import Path

from posttrainbench.benchmarks.base import Row
from posttrainbench.errors import InputError, one_line

ENDINGS = (".parquet", ".jsonl", ".json", ".csv", ".jsonl.gz", ".json.gz", ".csv.gz")


def read_rows(file: Path) -> list[Row]:
    """Return all rows of a file, in order.

    Raises:
        InputError: the file does not exist, has an unknown suffix, or cannot be read in the format of its suffix.
    """
    if not file.is_file():
        raise InputError(f"The file {file} does not exist.")
    if not file.name.endswith(ENDINGS):
        raise InputError(f"{file} has an unknown format; its name must end in one of: {', '.join(ENDINGS)}.")
    try:
        if file.suffix == ".parquet":
            return _parquet(file)
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        text = data.decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline=""))) if ".csv" in file.suffixes else _json(text)
    except (OSError, ValueError, EOFError, RecursionError, zlib.error) as error:
        raise InputError(f"{file} cannot be read; check that it is complete: {one_line(error)}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"Row {number} of {file} is not an object with keys.")
    return rows


def _parquet(file: Path) -> list[Row]:
    import pyarrow.parquet  # type: ignore[import-untyped]

    rows: list[Row] = pyarrow.parquet.read_table(file).to_pylist()
    return rows


def _json(text: str) -> list[Row]:
    """Parse a JSON array, or one object per line; data sets use the suffix .json for both."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    return whole if isinstance(whole, list) else [whole]
