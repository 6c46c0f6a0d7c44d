"""Find the rows of a file that hold test items, in the formats that training programs read."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from posttrainbench.audit.behavior.plain_pickles import read_pickle
from posttrainbench.audit.contamination.scan import columns
from posttrainbench.benchmarks import Item
from posttrainbench.untrusted import UnreadableError, open_regular

LARGEST = 2**26
LARGEST_DECODED = 2**28
LARGEST_VALUE = 2**20
"""Bytes of one value of a database."""
MOST_RESULTS = 200_000
"""Rows of the result of a query."""
MOST_CHARACTERS = 2**27
"""Characters and bytes of the result of a query."""
MOST_ROWS = 500_000
MOST_FOLLOWED = 16
"""Rows of one file that are followed, unless they are of more kinds."""
MOST_KINDS = 60
"""Kinds of rows that are told apart."""
_UNREADABLE = (
    UnreadableError,
    OSError,
    ValueError,
    RecursionError,
    sqlite3.Error,
    EOFError,
    csv.Error,
    zlib.error,
    MemoryError,
)
_WORDS = 6
_COMPARED = 40
"""Words of a question that are compared."""
_CONTENT = re.compile(r"answer|text|question|prompt|output|response|completion|solution|target|gold", re.IGNORECASE)
"""Columns that hold content, not labels."""
_WORD = re.compile(r"\w+")
_DEPTH = 5
_LABEL = 40
"""Characters of the longest label of a row."""
FEW = 12
"""Different values of a column by which rows are told apart."""


@dataclass(frozen=True)
class Database:
    """The content of an SQLite file."""

    data: bytes


@dataclass(frozen=True)
class ItemRow:
    """A row with a test item.

    Attributes:
        keys: keys and positions that lead to it in the document.
        item: position of the item.
        texts: its texts.
        labels: its short values by column.
    """

    keys: tuple[str | int, ...]
    item: int
    texts: tuple[str, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ItemFile:
    """A file with test items.

    Attributes:
        names: its paths, relative to the workspace, or absolute.
        document: its content: rows, or a dictionary with lists of rows.
        lines: its lines as texts.
        rows: the rows with items.
        labeled: True if a column, a key or a table tells them from all other rows.
        only_items: True if every row has a test item.
    """

    names: tuple[str, ...]
    document: Any
    lines: Sequence[str] = field(repr=False)
    rows: tuple[ItemRow, ...]
    labeled: bool
    only_items: bool

    @property
    def is_table(self) -> bool:
        """True for a CSV file."""
        rows = self.document if isinstance(self.document, list) else []
        named = len(self.lines) > len(rows) > 0 and isinstance(rows[0], dict)
        return named and self.lines[0][:1] not in ("[", "{") and all(name in self.lines[0] for name in rows[0])

    def line_of(self, row: ItemRow) -> int | None:
        """Return the number of a row's line, from 0; None if a row is not one line."""
        if len(row.keys) != 1 or not isinstance(self.document, list) or not isinstance(row.keys[0], int):
            return None
        first = len(self.lines) - len(self.document)  # such as the names of columns
        return row.keys[0] + first if first in (0, 1) else None

    def value(self, row: ItemRow) -> Any:
        """Return a row as it stands in the document."""
        found = self.document
        for key in row.keys:
            found = found[key]
        return found

    def typed(self, row: ItemRow) -> Any:
        """Return a row of a CSV file, with numbers, truth values and missing values as libraries read them."""
        return {
            name: self._types[name](text) if name in self._types else text for name, text in self.value(row).items()
        }

    @cached_property
    def _types(self) -> dict[str, Callable[[str], Any]]:
        """Column of a CSV file -> what makes values of its texts; none for columns of texts."""
        names = list(self.document[0])
        return {name: made for name in names if (made := column_type([row[name] for row in self.document])) is not None}

    @cached_property
    def kinds(self) -> list[list[ItemRow]]:
        """The rows by kind: rows of one kind are alike in all columns that have few different values.

        All rows after `MOST_KINDS` kinds are one more kind, as are those in other lists of the document.
        """
        kinds: dict[tuple[object, ...], list[ItemRow]] = {}
        values: dict[str, set[str]] = {}
        for row in self.rows:
            for column, value in row.labels:
                values.setdefault(column, set()).add(value)
        for row in self.rows:
            few = tuple(one for one in row.labels if len(values[one[0]]) <= FEW)
            kind: tuple[object, ...] = (row.keys[:-1], few)
            if kind not in kinds and len(kinds) >= MOST_KINDS:
                kind = (row.keys[:-1],)
            kinds.setdefault(kind, []).append(row)
        return list(kinds.values())

    def followed(self) -> list[list[ItemRow]]:
        """Return rows of each kind that are followed one by one: the first, the last, and some in between."""
        each = max(MOST_FOLLOWED // max(len(self.kinds), 1), 1)
        chosen = []
        for rows in self.kinds:
            count = min(each, len(rows))
            chosen.append([rows[number * (len(rows) - 1) // max(count - 1, 1)] for number in range(count)])
        return chosen


_MISSING = frozenset(["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "n/a", "#N/A", "<NA>"])
_TRUE, _FALSE = frozenset(["True", "TRUE", "true"]), frozenset(["False", "FALSE", "false"])
_WHOLE, _FLOAT = re.compile(r"\s*[+-]?\d{1,18}\s*"), re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")


def column_type(texts: Sequence[str]) -> Callable[[str], Any] | None:
    """Return what makes values of the texts of a column, as `read_csv` does; None for a column of texts."""
    known = [text for text in texts if text not in _MISSING]
    missing = len(known) < len(texts)
    if known and all(text in _TRUE or text in _FALSE for text in known):
        return lambda text: None if text in _MISSING else text in _TRUE
    if known and not missing and all(map(_WHOLE.fullmatch, known)):
        return int
    if known and all(map(_FLOAT.fullmatch, known)):
        return lambda text: None if text in _MISSING else float(text)
    return (lambda text: None if text in _MISSING else text) if missing else None


def item_file(path: Path, names: tuple[str, ...], items: Sequence[Item], wanted: Iterable[int]) -> ItemFile | None:
    """Read a file and find its rows with items; None if it cannot be read or none are found."""
    try:
        with open_regular(path) as file:
            data = file.read(LARGEST + 1)
        document, lines = _parsed(path, data) if len(data) <= LARGEST else (None, [])
        tables = _tables(document.data) if isinstance(document, Database) else document
    except _UNREADABLE:
        return None
    beginnings: dict[tuple[str, ...], list[tuple[int, list[str]]]] = {}
    for number in wanted:
        words = _WORD.findall(items[number].question)
        beginnings.setdefault(tuple(words[:_WORDS]), []).append((number, words[:_COMPARED]))
    rows: list[ItemRow] = []
    other: dict[str, set[str]] = {}
    count = 0
    for keys, row in _rows(tables):
        texts = tuple(_texts(row))
        labels = (("<key>", "/".join(str(key) for key in keys if isinstance(key, str))), *_labels(row))
        item = next((found for text in texts if (found := _item(text, beginnings)) is not None), None)
        if item is None:
            count += 1
            for column, value in labels:
                other.setdefault(column, set()).add(value)
        else:
            rows.append(ItemRow(keys, item, texts, labels))
    if not rows:
        return None
    own: dict[str, set[str]] = {}
    for one in rows:
        for column, value in one.labels:
            own.setdefault(column, set()).add(value)
    labeled = any(
        not values & other.get(column, values)
        and 2 * len(values) <= max(len(rows), 2)
        and 2 * len(other[column]) <= max(count, 2)
        and not _CONTENT.search(column)
        for column, values in own.items()
    )
    return ItemFile(names, document, lines, tuple(rows), labeled, not count)


def _parsed(path: Path, data: bytes) -> tuple[Any, list[str]]:
    """Return the content of a file, and its lines."""
    if data.startswith(b"SQLite format 3\0"):
        return Database(data), []
    if data.startswith((b"PAR1", b"ARROW1", b"\xff\xff\xff\xff")):
        return _column_rows(path), []
    if data.startswith(b"\x80") and data[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        document = read_pickle(data)
        return (document if isinstance(document, dict | list) else []), []
    if data.startswith(b"\x1f\x8b"):
        with gzip.open(io.BytesIO(data)) as file:
            data = file.read(LARGEST)
    text = data.decode("utf-8-sig")
    lines = text.splitlines() if "\x85" not in text and "\u2028" not in text else text.split("\n")
    lines = lines[:MOST_ROWS]
    try:
        whole = json.loads(text)
        return (whole if isinstance(whole, dict | list) else lines), lines
    except ValueError:
        pass
    try:
        full = [line for line in lines if line.strip()]
        return [json.loads(line) for line in full], full
    except ValueError:
        pass
    head = lines[0] if lines else ""
    separator = max("\t,;", key=head.count)
    if head.count(separator) and len(head) < 500:
        rows = list(csv.DictReader(io.StringIO(text), delimiter=separator))
        if rows and all(None not in row and None not in row.values() for row in rows):
            return rows, lines
    return lines, lines


def _column_rows(path: Path) -> list[Any]:
    """Return the rows of a Parquet or Arrow file, which another process with limits decodes."""
    with (
        open_regular(path) as file,
        subprocess.Popen(
            [sys.executable, "-I", columns.__file__], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child,
    ):
        try:
            text = child.stdout.read(LARGEST_DECODED + 1) if child.stdout else b""
            if len(text) > LARGEST_DECODED or child.wait():
                raise ValueError("it is damaged or too large")
        finally:
            child.kill()
    rows = [json.loads(line, strict=False) for line in text.decode().split("\n") if line]
    if len(rows) > MOST_ROWS:
        raise ValueError("too many rows")
    return rows


def open_database(base: sqlite3.Connection, data: bytes, steps: Callable[[], bool]) -> None:
    """Load an SQLite file into memory, such that queries can only read it.

    Args:
        base: a connection to an empty database in memory.
        data: the file; of one with a write-ahead log, what it contains without the log.
        steps: called every thousand instructions; ends the query if it returns True.
    """
    base.deserialize(data[:18] + b"\1\1" + data[20:])  # not the mode with a log, which needs more files
    limit_queries(base, steps)


def limit_queries(base: sqlite3.Connection, steps: Callable[[], bool]) -> None:
    """Let queries only read, with limits; `steps` as in `open_database`."""
    base.text_factory = lambda text: text.decode(errors="replace")
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_VALUE)
    base.set_authorizer(_only_reads)
    base.set_progress_handler(steps, 1000)


def bounded(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a result.

    Raises:
        ValueError: it is too large.
    """
    size = 0
    for number, row in enumerate(rows):
        size += sum(len(part) for part in row if isinstance(part, str | bytes))
        if number >= MOST_RESULTS or size > MOST_CHARACTERS:
            raise ValueError("the result is too large")
        yield row


_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}


def _only_reads(action: int, *_: str | None) -> int:
    """Allow queries of what is in memory: no other files, no changes."""
    return sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY


def _tables(data: bytes) -> dict[str, Any]:
    """Return the tables of a database."""
    tables: dict[str, Any] = {}
    steps = iter(range(MOST_ROWS))
    with closing(sqlite3.connect(":memory:")) as base:
        open_database(base, data, lambda: next(steps, None) is None)
        for (name,) in base.execute("select name from sqlite_master where type = 'table'").fetchall()[:100]:
            found = base.execute(f'select * from "{name.replace(chr(34), chr(34) * 2)}"')  # noqa: S608 - quoted
            columns = [column[0] for column in found.description]
            tables[name] = [dict(zip(columns, row, strict=True)) for row in bounded(found)]
    return tables


def is_keyed(value: Any) -> bool:
    """Return True for a dictionary of rows, such as by their id, instead of one of lists of rows."""
    return isinstance(value, dict) and len(value) > FEW and all(isinstance(part, dict) for part in value.values())


def _rows(
    value: Any, keys: tuple[str | int, ...] = (), depth: int = _DEPTH
) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Yield the rows of a document: what stands in its lists, and is not itself a list of rows."""
    if isinstance(value, dict):
        for key, part in value.items():
            if is_keyed(value):
                yield (*keys, key), part
            elif isinstance(part, list | dict) and depth:
                yield from _rows(part, (*keys, key), depth - 1)
    elif isinstance(value, list):
        for number, part in enumerate(value[:MOST_ROWS]):
            if isinstance(part, list) and depth and any(isinstance(inner, dict) for inner in part[:1]):
                yield from _rows(part, (*keys, number), depth - 1)
            else:
                yield (*keys, number), part


def _item(text: str, beginnings: dict[tuple[str, ...], list[tuple[int, list[str]]]]) -> int | None:
    """Return the item whose question a text contains, by its first words."""
    words = _WORD.findall(text[:20_000])
    for start in range(len(words)):
        for number, question in beginnings.get(tuple(words[start : start + _WORDS]), ()):
            if words[start : start + len(question)] == question:
                return number
    return None


def _texts(value: Any, depth: int = 4) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth and isinstance(value, list | dict):
        for part in value if isinstance(value, list) else value.values():
            yield from _texts(part, depth - 1)


def _labels(row: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(row, dict):
        return ()
    found = []
    for column, value in row.items():
        if isinstance(value, dict):
            found += [(f"{column}.{key}", value) for key, value in _labels(value)]
        elif isinstance(value, str | int | float | bool) and len(str(value)) <= _LABEL:
            found.append((str(column), str(value)))
    return tuple(found)
