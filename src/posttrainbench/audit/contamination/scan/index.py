"""Index over the n-grams of test items: the patterns by which each unit is found.

A unit is found by containment: the share of its distinct n-grams that occur in a stretch of text not much longer than
the unit itself. Four kinds of patterns find units:

* `5-gram`: half of its word 5-grams;
* `masked 8-gram`: half of its 8-grams with all numbers masked;
* `identifiers`: 0.6 of the 10-grams of a program without its own names;
* `exact`: its words in order, for units with too few distinctive n-grams.

N-grams that occur in permitted text or in many items are not distinctive and do not count. A unit of which most n-grams
are not distinctive comes from a template; it needs a share of 0.8, both of the distinctive n-grams and of all n-grams.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.distinctive_ngrams import (
    all_grams,
    among,
    anchor,
    bodies_of,
    permitted_grams,
    shared_grams,
)
from posttrainbench.audit.contamination.scan.grams import plain_grams
from posttrainbench.audit.contamination.scan.item_parts import PROGRAM, Unit, different_items, units
from posttrainbench.audit.contamination.scan.paraphrase_index import Problems, find_problems
from posttrainbench.audit.contamination.scan.paraphrase_text import ParaphraseFinder
from posttrainbench.audit.contamination.scan.table import Table, make_table
from posttrainbench.audit.contamination.scan.tokens import Hashes, Numbers, Tokenizer
from posttrainbench.audit.contamination.scan.unreadable import strange_words
from posttrainbench.benchmarks import Item

VERSION = 8
"""Version of the scanner; a new number invalidates all cached results."""

METHODS = ("5-gram", "masked 8-gram", "identifiers", "exact")
EXACT = METHODS.index("exact")
CONTAINMENT, NAMELESS_CONTAINMENT = 0.5, 0.6
TEMPLATE_CONTAINMENT = 0.8
MIN_DISTINCTIVE_SHARE = 0.5
"""Share of distinctive n-grams below which a unit counts as made from a template."""

MIN_GRAMS = (5, 4, 12)
"""Minimum number of distinctive n-grams by kind: plain, masked, nameless."""

SHORTEST_EXACT = 8  # minimum number of words of a unit that is searched for as a whole


class Patterns(NamedTuple):
    """The patterns that are searched for, as arrays over patterns.

    Attributes:
        unit: unit that the pattern finds.
        method: index into `METHODS`.
        total: number of distinctive n-grams.
        need: how many of them must be found together.
        width: number of words within which they must occur.
        overall: minimum share of all n-grams of the unit; 0 if all are distinctive.
        body: start in `bodies` of the words (for `exact`), or of all n-grams sorted by hash (if `overall` is not 0).
        body_size: number of these words or n-grams.
        offset: for `exact`, number of words before the n-gram that is looked up.
        bodies: words and n-grams of all patterns.
    """

    unit: Numbers
    method: Numbers
    total: Numbers
    need: Numbers
    width: Numbers
    overall: NDArray[np.float32]
    body: Numbers
    body_size: Numbers
    offset: Numbers
    bodies: Hashes


class Postings(NamedTuple):
    """The patterns that contain each n-gram.

    Attributes:
        first: n-gram -> start of its postings; shape (n-grams + 1,).
        pattern: posting -> pattern.
        position: posting -> position of the n-gram among those of the pattern.
    """

    first: Numbers
    pattern: Numbers
    position: Numbers


@dataclass(frozen=True)
class Index:
    """An index over test items.

    Attributes:
        items: the test items.
        units: the units of the items.
        table: the n-grams of all patterns.
        postings: the patterns that contain each n-gram.
        patterns: the patterns.
        problems: the word problems among the items, or None if there are too few.
        unsearchable: ids of items without a searchable primary unit: too short, or part of permitted text.
        strange_words: hashes of words in those parts of the benchmark's own rows (permitted ones included) that are in
            no known language, such as strings of random letters. Copies of such parts are not reported as unread.
        test_items: number of different items; the units of an item that occurs twice belong to its first occurrence.
        fingerprint: hash of everything that results depend on.
    """

    items: Sequence[Item]
    units: list[Unit]
    table: Table
    postings: Postings
    patterns: Patterns
    problems: Problems | None
    unsearchable: list[str]
    test_items: int
    fingerprint: str
    strange_words: frozenset[int] = frozenset()

    @property
    def programs(self) -> bool:
        """True if any unit is a program, which is searched for without its names."""
        return any(unit.kind == PROGRAM for unit in self.units)

    @property
    def widest(self) -> int:
        """Largest number of words within which a pattern must occur."""
        return int(self.patterns.width.max(initial=0))


@dataclass(frozen=True)
class _Pattern:
    """A pattern; see `Patterns`. `body` is empty if it is not needed."""

    unit: int
    method: int
    grams: Hashes
    need: int
    width: int
    overall: float
    body: Hashes
    offset: int


def build_index(items: Sequence[Item], permitted: Sequence[str] = (), rows: Iterable[str] = ()) -> Index:
    """Build an index over test items.

    Args:
        items: the test items.
        permitted: permitted texts, such as the train split; n-grams that occur in them are ignored.
        rows: the rows of the permitted texts with all their values, as JSON.
    """
    parts = units(items)
    bodies = bodies_of(parts, len(items))
    grams = [all_grams(part, body) for part, body in zip(parts, bodies, strict=True)]
    known, whole = permitted_grams(permitted, grams, bodies)
    common = np.union1d(shared_grams(parts, grams, len(items)), known)
    patterns: list[_Pattern] = []
    templates = {
        number
        for number, (everything, *_) in enumerate(grams)
        if among(everything, common).sum() > (1 - MIN_DISTINCTIVE_SHARE) * len(everything)
    }
    for number, (body, kinds) in enumerate(zip(bodies, grams, strict=True)):
        of_unit = list(_contained(number, body, kinds, common))
        if not of_unit and parts[number].kind != PROGRAM and len(body) >= SHORTEST_EXACT and number not in whole:
            offset = anchor(body, common)
            gram = plain_grams(body)[offset : offset + 1]
            of_unit = [_Pattern(number, EXACT, gram, 1, len(body), 0.0, body, offset)]
        patterns += of_unit
    index = _indexed(items, parts, patterns, _problems(items, parts, templates, permitted))
    everything = [*rows, *(json.dumps(item.row, ensure_ascii=False) for item in items)]
    return replace(index, strange_words=strange_words("\n".join(everything).encode("utf-8", "replace")))


def _problems(
    items: Sequence[Item], parts: list[Unit], templates: set[int], permitted: Sequence[str]
) -> Problems | None:
    """Return the word problems among the items, without those from templates and those like some permitted text."""
    answers = [item.answer for item in items]
    problems = find_problems(parts, answers, templates)
    if problems is None or not permitted:
        return problems
    similar = set(templates)
    split, find = Tokenizer(), ParaphraseFinder(problems)
    for text in permitted:
        data = " ".join(text.split()).encode("utf-8", "replace")
        similar.update(int(problems.unit[match]) for match in find(data, split(data), True).problem)
    return find_problems(parts, answers, similar)


def _contained(unit: int, body: Hashes, kinds: Sequence[Hashes], common: Hashes) -> Iterator[_Pattern]:
    """Yield a containment pattern for each kind of n-grams of which a unit has enough distinctive ones."""
    for method, everything in enumerate(kinds):
        distinctive = everything[~among(everything, common)]
        if len(distinctive) < MIN_GRAMS[method]:
            continue
        share = NAMELESS_CONTAINMENT if METHODS[method] == "identifiers" else CONTAINMENT
        if len(distinctive) < MIN_DISTINCTIVE_SHARE * len(everything):
            share = TEMPLATE_CONTAINMENT
        overall = share if len(distinctive) < len(everything) and METHODS[method] != "identifiers" else 0.0
        width = len(body) * 3 // 2 + 16
        needed = everything if overall else everything[:0]
        yield _Pattern(unit, method, distinctive, math.ceil(share * len(distinctive)), width, overall, needed, 0)


def _indexed(items: Sequence[Item], parts: list[Unit], patterns: list[_Pattern], problems: Problems | None) -> Index:
    everything = np.concatenate([*(pattern.grams for pattern in patterns), _EMPTY])
    grams, number = np.unique(everything, return_inverse=True)
    order = np.argsort(number, kind="stable")
    sizes = [len(pattern.grams) for pattern in patterns]
    first = np.zeros(len(grams) + 1, dtype=np.int32)
    np.cumsum(np.bincount(number, minlength=len(grams)), out=first[1:])
    body_sizes = [len(pattern.body) for pattern in patterns]
    arrays = Patterns(
        unit=_ints(pattern.unit for pattern in patterns),
        method=_ints(pattern.method for pattern in patterns),
        total=_ints(sizes),
        need=_ints(pattern.need for pattern in patterns),
        width=_ints(pattern.width for pattern in patterns),
        overall=np.array([pattern.overall for pattern in patterns], dtype=np.float32),
        body=_ints(np.cumsum([0, *body_sizes])[:-1]),
        body_size=_ints(body_sizes),
        offset=_ints(pattern.offset for pattern in patterns),
        bodies=np.concatenate([*(pattern.body for pattern in patterns), _EMPTY]),
    )
    postings = Postings(
        first=first,
        pattern=np.repeat(np.arange(len(patterns), dtype=np.int32), sizes)[order],
        position=np.concatenate([*(np.arange(size, dtype=np.int32) for size in sizes), _ints(())])[order],
    )
    different = different_items(items)
    reached = {parts[pattern.unit].item for pattern in patterns if parts[pattern.unit].primary}
    return Index(
        items=items,
        units=parts,
        table=make_table(grams),
        postings=postings,
        patterns=arrays,
        problems=problems,
        unsearchable=[items[position].id for position in different if position not in reached],
        test_items=len(different),
        fingerprint=_fingerprint(items, parts, everything, *arrays, *(problems[:8] if problems else ())),
    )


def _ints(values: Iterable[int]) -> Numbers:
    return np.fromiter(values, dtype=np.int32)


def _fingerprint(items: Sequence[Item], parts: Sequence[Unit], *arrays: NDArray[np.generic]) -> str:
    digest = hashlib.sha256(repr((VERSION, [item.id for item in items], [part.text for part in parts])).encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


_EMPTY = np.empty(0, dtype=np.uint64)
