"""Rows of files as Python values: the row that holds a test item, followed through a script as if it were run.

A *world* supposes one row of one file. All values of that row are known, so conditions and slices that choose among
rows are computed instead of being recognized by their form. A world may stand for a group of rows: then only the values
that all of them share are known, and what is computed holds for each of them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from posttrainbench.audit.behavior.concrete import MOST_FIELDS, literal_value
from posttrainbench.audit.behavior.item_files import (
    Database,
    ItemFile,
    ItemRow,
    bounded,
    is_keyed,
    limit_queries,
    open_database,
)
from posttrainbench.audit.behavior.values import FILE, UNKNOWN, Taints, Value, unclear

MOST_QUERY_STEPS = 20_000
"""Thousands of instructions of SQLite for all queries of one world."""
WITHOUT = "rows without the one that is followed"
"""Name of collections from which the row was excluded."""
DOCUMENT = "<document>"
"""Field of an open file: its content, parsed."""
HEADER = "<header>"
"""Field of a reader of CSV: the names of its columns, which are read first."""
INDEX = "<index>"
"""Field of a row: the value by which a table was indexed."""
_SOURCE = re.compile(r"\bfrom\s+(?:read_\w+\s*\(\s*)?'[^']{1,300}'(?:\s*\))?", re.IGNORECASE)
"""A file as the table of a query."""
_SELECT = re.compile(r"\bselect\b", re.IGNORECASE)
_SELECTED = re.compile(r"\bselect\s+(?:distinct\s+)?([^()|+]{1,1000}?)\s+from\b", re.IGNORECASE)
_PLAIN = re.compile(
    r"[\w.\"`\[\]]*(\*|\w[\"`\]]?)(\s+as\s+\w+)?(\s*,\s*[\w.\"`\[\]]*(\*|\w[\"`\]]?)(\s+as\s+\w+)?)*", re.IGNORECASE
)
_BY_PLACE = re.compile(r"\b(limit|offset|rowid|row_number|sample)\b", re.IGNORECASE)
_SMALL = 8
"""Elements of a list whose elements are followed one by one, such as a pair of splits."""


def collection(row: Value, place: int | None = None, total: int | None = None) -> Value:
    """Return a collection of rows in which `row` is the one that is followed."""
    return Value(fields={UNKNOWN: row}, place=place, total=total, whole=True)


def is_collection(value: Value) -> bool:
    """Return True for a collection with the row that is followed."""
    return UNKNOWN in value.fields


def placed(document: Any, keys: tuple[str | int, ...], taints: Taints, rows: Sequence[Any]) -> Value:
    """Return a document in which only the row at `keys` is followed.

    Args:
        document: the document.
        keys: keys and positions that lead to the row.
        taints: origins of the row.
        rows: the row as it is read; several if it stands for a group, whose positions are then unknown.
    """
    if not keys:
        return shared(rows, taints)
    key, rest = keys[0], keys[1:]
    if isinstance(document, dict):
        shown = [*document][: _SMALL - 1 if is_keyed(document) else MOST_FIELDS]
        fields = {
            str(name): placed(document[name], rest, taints, rows) if name == key else _other(document[name])
            for name in dict.fromkeys([*shown, key])
        }
        return Value(fields=fields, truth=True)
    inner = placed(document[key], rest, taints, rows)
    if len(document) <= _SMALL and any(isinstance(part, list) for part in document):
        fields = {str(number): inner if number == key else _other(part) for number, part in enumerate(document)}
        return Value(fields=fields, total=len(document), truth=True)
    return collection(inner, None if len(rows) > 1 else int(key), len(document))


def shared(rows: Sequence[Any], taints: Taints, depth: int = 5) -> Value:
    """Return what some values have in common, which is known; all else is unknown."""
    first = rows[0]
    if all(type(row) is type(first) and row == first for row in rows):
        return literal_value(first, taints)
    if depth and all(isinstance(row, dict) for row in rows):
        names = [name for name in first if all(name in row for row in rows)][:MOST_FIELDS]
        fields = {str(name): shared([row[name] for row in rows], taints, depth - 1) for name in names}
        return Value(taints, fields=fields, closed=all(len(row) == len(names) for row in rows), truth=True)
    return Value(taints)


def _other(value: Any) -> Value:
    """Return a part of a document without the row."""
    if isinstance(value, list):
        plain = all(isinstance(part, str | int | float | None) for part in value)
        names = frozenset() if plain else frozenset([WITHOUT])
        return Value(names=names, total=len(value), whole=True, literal=value if plain else ...)
    return Value() if isinstance(value, dict) else literal_value(value, frozenset())


def is_plain(query: str) -> bool:
    """Return True if a query returns columns as they are, so that its result holds whole texts of a row or none."""
    selected = _SELECTED.findall(query)
    return len(selected) == len(_SELECT.findall(query)) and all(map(_PLAIN.fullmatch, selected))


NO_ROW = ItemRow((), -1)
NO_FILE = ItemFile((), [], [], (), labeled=False, only_items=False)
"""Of a world in which only names of files are computed, and no row is followed."""


@dataclass
class World:
    """The supposition of one row with a test item; other files are known by their rows with the same item.

    Attributes:
        file: the file that is followed.
        row: its row.
        paths: paths that any program used, as far as they are known; None if they are not.
        opened: those that the program in question opened.
        listed: files that the program found in directories: the positions of their rows among others are unknown.
        texts: path -> text of small configuration files, as the program read them.
        group: all rows that it stands for, if there are several: values in which they differ are unknown.
        others: all files with test items.
        counts: path -> number of rows, of files without test items.
        opaque: whether a script did something that is not followed and may change what its selections choose.
        compared: whether something was compared with other test items, with an unknown result.
        query_steps: thousands of instructions of SQLite that queries may still take; after that, results are unknown.
    """

    file: ItemFile
    row: ItemRow
    others: Iterable[ItemFile] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    opaque: bool = False
    compared: bool = False
    query_steps: int = MOST_QUERY_STEPS
    group: Sequence[ItemRow] = ()
    paths: Collection[str] | None = None
    opened: Collection[str] = ()
    listed: set[str] = field(default_factory=set)
    texts: dict[str, str] = field(default_factory=dict)

    def is_other(self, taints: Taints) -> bool:
        """Return True if data comes from another file with test items."""
        names = {name for file in self.others if file is not self.file for name in file.names}
        return any(taint.what.removeprefix(FILE) in names for taint in taints)

    def content(self, place: str, taints: Taints, *, raw: bool = False) -> Value | None:
        """Return the content of a file; None if it is unknown.

        Args:
            place: its path, or a pattern.
            taints: its origins.
            raw: whether the file is opened, not parsed.
        """
        for file in (self.file, *self.others):
            rows = self._rows(file)
            if not rows and place in file.names and not isinstance(file.document, Database):
                return _other(file.document)
            if not rows:
                continue
            if any(place == name or ("*" in place and fnmatchcase(name, place)) for name in file.names):
                return self._content(file, rows, taints, raw=raw)
            inside = [name[len(place) + 1 :] for name in file.names if name.startswith(f"{place}/")]
            if inside and not raw:
                value = self._content(file, rows, taints, raw=False) or Value(taints)
                *folders, name = inside[0].split("/")
                split = next((part for part in _SPLITS if part in name), "train")
                for part in reversed(folders or [split]):
                    value = Value(fields={other: Value(whole=True) for other in _SPLITS} | {part: value})
                return value
        count = self.counts.get(place)
        return None if count is None else Value(total=count, whole=True)

    def may_be(self, place: str) -> bool:
        """Return True if a path, pattern or directory may be one of the files with test items."""
        if place == "." or UNKNOWN in place or "*" in place or not self.file.names:
            return True
        return any(
            name == place or name.startswith(f"{place}/") for file in (self.file, *self.others) for name in file.names
        )

    def _rows(self, file: ItemFile) -> Sequence[ItemRow]:
        """Return the rows of a file that hold the items in question."""
        if file is self.file:
            return self.group or (self.row,)
        if not self.group:
            return [one for one in file.rows if one.item == self.row.item][:1]
        items = {one.item for one in self.group}
        return [one for one in file.rows if one.item in items and one.keys[:-1] == file.rows[0].keys[:-1]]

    def _content(self, file: ItemFile, rows: Sequence[ItemRow], taints: Taints, *, raw: bool) -> Value | None:
        if isinstance(file.document, Database):
            return None
        keys = rows[0].keys
        if len(rows) > 1 and isinstance(keys[-1], str):  # rows by their ids
            return unclear(Value(taints))
        document = placed(file.document, keys, taints, [file.value(row) for row in rows])
        if not raw:
            return placed(file.document, keys, taints, [file.typed(row) for row in rows]) if file.is_table else document
        lines = [line for row in rows if (line := file.line_of(row)) is not None]
        if not lines:
            return Value(taints, fields={DOCUMENT: document})
        text = shared([file.lines[line] + "\n" for line in lines], taints)
        if text.literal is ... and is_collection(document) and not file.is_table:
            text.fields[DOCUMENT] = document.fields[UNKNOWN]  # what a parser makes of one of the lines
        whole = collection(text, lines[0] if len(lines) == 1 else None, len(file.lines))
        whole.fields[DOCUMENT] = document
        return whole

    def query(self, place: str, query: str, parameters: tuple[Any, ...], taints: Taints) -> Value | None:
        """Return the result of a query of a database, or of the table of a file; None if it cannot be computed."""
        file = next((one for one in (self.file, *self.others) if place in one.names), None)
        if file is None:
            return None
        with closing(sqlite3.connect(":memory:")) as base:
            try:
                if isinstance(file.document, Database):
                    open_database(base, file.document.data, self._is_query_too_long)
                elif (table := self._table(file, query, base)) is not None:
                    query = table
                else:
                    return None
                cursor = base.execute(query, parameters)
                columns = [column[0] for column in cursor.description or ()]
                found = list(bounded(cursor))
            except (sqlite3.Error, ValueError, OverflowError):
                return None
        texts = {text for row in self.group or (self.row,) for text in row.texts}
        for number, row in enumerate(found):
            if texts & {str(part) for part in row}:
                if self.group:  # which of them were found is not known
                    return unclear(collection(Value(taints)))
                fields = {str(index): part for index, part in enumerate(row)} | dict(zip(columns, row, strict=True))
                if isinstance(file.document, Database):
                    return collection(literal_value(fields, taints), number, len(found))
                return collection(literal_value(fields, taints))
        if not is_plain(query) and any(isinstance(part, str | bytes) for row in found for part in row):
            return unclear(collection(Value(taints)))
        return Value(total=len(found) if isinstance(file.document, Database) else None, whole=True)

    def _is_query_too_long(self) -> bool:
        self.query_steps -= 1
        return self.query_steps < 0

    def _table(self, file: ItemFile, query: str, base: sqlite3.Connection) -> str | None:
        """Make a table of the row in a file that a query names; return the query of that table, None if it has none."""
        rows = self.group or [next((one for one in (self.row, *file.rows) if one.item == self.row.item), self.row)]
        found = [file.value(row) for row in rows]
        if not all(isinstance(one, dict) for one in found) or _BY_PLACE.search(query):
            return None
        names = list(dict.fromkeys(str(name) for one in found for name in one))
        columns = ", ".join('"' + name.replace('"', "") + '"' for name in names)
        base.execute(f"create table followed ({columns})")
        for one in found:
            cells = [one.get(name) for name in names]
            values = [part if isinstance(part, str | int | float | None) else str(part) for part in cells]
            base.execute(f"insert into followed values ({', '.join('?' * len(values))})", values)  # noqa: S608 - no texts
        limit_queries(base, self._is_query_too_long)
        return _SOURCE.sub("from followed", query, count=1)


_SPLITS = ("test", "validation", "train")
