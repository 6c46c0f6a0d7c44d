"""Texts in which each word, or the order of the letters, was changed in a simple way.

Recognized are texts that were reversed as a whole or word by word, with letters shifted in the alphabet (rot13, Caesar)
or mirrored (Atbash), with digits for letters, with doubled letters, and in Pig Latin. What shows them are the frequent
words of English in the same disguise.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from posttrainbench.audit.contamination.scan.decodings import unescape
from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.tokens import Hashes, Words, word_hashes
from posttrainbench.audit.contamination.scan.windows import DOCUMENT

_COMMON = (
    "the and that with are was this from you how what for each many his her she has have does return def they there "
    "all of to in is it he if not but can will which when where much more than"
).split()
_LETTERS = bytes(range(97, 123))
_ALPHABET = _LETTERS + _LETTERS.upper()
_DIGITS = bytes.maketrans(b"0134578@$", b"oieastbas")
_LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"}
_MIXED = re.compile(rb"[\w@$]*[A-Za-z][\w@$]*")
_DOUBLED = re.compile(rb"([^\W_])\1")
_PIG_LATIN = re.compile(rb"\b([^\W\d_]+)([^\W\d_])ay\b")
_WORD = re.compile(r"[^\W_]+")
_PLAIN, _REVERSED, _LEETSPEAK, _TWICE, _PIG, _ATBASH, _SHIFTED = range(7)
_KINDS = _SHIFTED + 26
_SLOTS, _MAYBE = 4096, 2**14
_MIN_SHARE = 0.1  # of a document's words
_MIN_WORDS = 12  # of a document
_FEWEST = 5  # frequent words of a document


class Region(NamedTuple):
    """Consecutive documents in one disguise."""

    start: int
    end: int
    kind: int


def disguised(text: Words, by_line: bool, size: int) -> list[Region]:
    """Return the regions of a text that are disguised.

    Args:
        text: the words of the text.
        by_line: whether each line is a document, else each stretch of `DOCUMENT` bytes is one.
        size: bytes of the text.
    """
    keys, kinds, some = _table()
    rows = np.empty((text.size // _MIN_WORDS + 1, 3), dtype=np.int64)
    count = _disguised(text.hashes, text.lines, text.starts, by_line, size, keys, kinds, some, rows)
    regions: list[Region] = []
    for start, end, kind in rows[:count].tolist():
        if not by_line and regions and regions[-1].end == start and regions[-1].kind == kind:
            start = regions.pop().start
        regions.append(Region(start, end, kind))
    return regions


def plain_texts(data: bytes, regions: Sequence[Region]) -> Iterator[bytes]:
    """Yield what is disguised, with the lines of the text: the regions in one disguise as one text."""
    for kind in sorted({region.kind for region in regions}):
        read: list[list[bytes]] = []
        before = 0
        for region in regions:
            if region.kind == kind:
                above = b"\n" * data.count(b"\n", before, region.start)
                read.append([above + text for text in _plain(unescape(data[region.start : region.end]), kind)])
                before = region.end
        yield from map(b"".join, zip(*read, strict=True))


def _plain(text: bytes, kind: int) -> Iterator[bytes]:
    """Yield what a text in a disguise may be."""
    if kind == _REVERSED:
        characters = text.decode("utf-8", "replace")
        yield characters[::-1].encode()
        yield _WORD.sub(lambda word: word[0][::-1], characters).encode()
    elif kind == _LEETSPEAK:
        yield _MIXED.sub(lambda word: word[0].translate(_DIGITS), text)
    elif kind == _TWICE:
        yield _DOUBLED.sub(rb"\1", text)
    elif kind == _PIG:
        yield _PIG_LATIN.sub(rb"\2\1", text)
    else:
        yield text.translate(bytes.maketrans(_disguise_of(kind), _ALPHABET))


def _disguise_of(kind: int) -> bytes:
    """Return the letters for which those of `_ALPHABET` are written."""
    letters = _LETTERS[::-1] if kind == _ATBASH else _LETTERS[kind - _SHIFTED :] + _LETTERS[: kind - _SHIFTED]
    return letters + letters.upper()


def _written(word: str, kind: int) -> list[str]:
    """Return a word in a disguise."""
    if kind == _PLAIN:
        return [word]
    if kind == _REVERSED:
        return [word[::-1]]
    if kind == _TWICE:
        return ["".join(2 * letter for letter in word)]
    if kind == _PIG:
        return [f"{word[1:]}{word[0]}ay"]
    if kind == _LEETSPEAK:
        written = [""]
        for letter in word:
            written = [start + other for start in written for other in {letter, _LEET.get(letter, letter)}]
        return [one for one in written if one != word and not one.isdigit()]
    return [word.encode().translate(bytes.maketrans(_ALPHABET, _disguise_of(kind))).decode()] if len(word) > 2 else []


@lru_cache(maxsize=1)
def _table() -> tuple[Hashes, Any, Any]:
    """Return an open-addressing table of hashes, their disguises, and whether the last bits occur in the table."""
    known: dict[int, int] = {}
    for kind in range(_KINDS):
        if kind != _SHIFTED:  # by no letter
            for word in [written for common in _COMMON for written in _written(common, kind)]:
                hashes = word_hashes(word.encode())
                if len(hashes) == 1:
                    known.setdefault(hashes[0], kind)
    keys, kinds, some = np.zeros(_SLOTS, dtype=np.uint64), np.zeros(_SLOTS, dtype=np.uint8), np.zeros(_MAYBE, np.bool_)
    for hashed, kind in known.items():
        if kind != _PLAIN:
            slot = (hashed >> 1) & (_SLOTS - 1)
            while keys[slot]:
                slot = (slot + 1) & (_SLOTS - 1)
            keys[slot], kinds[slot], some[(hashed >> 1) & (_MAYBE - 1)] = hashed, kind, True
    return keys, kinds, some


@compiled
def _disguised(
    words: Any, lines: Any, starts: Any, by_line: Any, size: Any, keys: Any, kinds: Any, some: Any, rows: Any
) -> Any:
    """Write start, end and disguise of documents; return their number."""
    mask, count, first, document = np.uint64(len(keys) - 1), np.int64(0), 0, np.int64(-1)
    counts = np.zeros(_KINDS, dtype=np.int32)
    for word in range(len(words) + 1):
        inside = word < len(words)
        own = np.int64(-2) if not inside else np.int64(lines[word]) if by_line else np.int64(starts[word]) // DOCUMENT
        if own != document:
            total = word - first
            if total >= _MIN_WORDS and counts[0] >= _FEWEST:
                best = 1
                for kind in range(1, _KINDS):
                    if counts[kind] > counts[best]:
                        best = kind
                if counts[best] >= max(_MIN_SHARE * total, _FEWEST) and count < len(rows):
                    rows[count, 0], rows[count, 2] = starts[first], best
                    rows[count, 1] = starts[word] if inside else size
                    count += 1
            first, document = word, own
            if counts[0]:  # in any disguise
                counts[:] = 0
        if not inside:
            break
        hashed = words[word]
        if not some[(hashed >> np.uint64(1)) & np.uint64(_MAYBE - 1)]:
            continue
        slot = (hashed >> np.uint64(1)) & mask
        while keys[slot]:
            if keys[slot] == hashed:
                counts[0] += 1
                counts[kinds[slot]] += 1
                break
            slot = (slot + np.uint64(1)) & mask
    return count
