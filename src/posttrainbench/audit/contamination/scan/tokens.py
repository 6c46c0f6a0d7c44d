"""Compiled tokenizer from raw bytes to words: a 64-bit hash, the start and the line of each word.

Characters are decoded from UTF-8 (Latin-1 where that is invalid), JSON and Python escapes (also repeated ones) and HTML
entities, and folded by `case_folding`. Everything else that is not a letter or digit separates words, including bytes
of binary formats.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.case_folding import ALONE, SEPARATOR, byte_classes, folding
from posttrainbench.audit.contamination.scan.characters import escaped, folded, utf8
from posttrainbench.audit.contamination.scan.jit import compiled, load8, zero_bits

Bytes = NDArray[np.uint8]
Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int32]

_BETWEEN = b"\n\n"
LONG = 20
"""Length from which a word may be part of base64 or hexadecimal data."""
LINES, LONG_WORDS, LETTER_RUN, NUMBER_RUN = range(4)
_COUNTS = 4
CARDINALS = {
    word: value
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
} | {word: 10 * value for value, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
"""Number words below a hundred, with their values."""
MULTIPLIERS = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}
"""Number words that multiply the number before them."""
_NUMBER_SLOTS = 256

_SEPARATOR, _ALONE = np.uint64(SEPARATOR), np.uint64(ALONE)
_SEED = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLY_1, _MULTIPLY_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_HIGH = np.uint64(0x8080808080808080)
_CASE = np.uint64(0x2020202020202020)
_FROM_A, _BEHIND_Z = np.uint64(0x1F1F1F1F1F1F1F1F), np.uint64(0x0505050505050505)
_FROM_0, _BEHIND_9 = np.uint64(0x5050505050505050), np.uint64(0x4646464646464646)


class Words(NamedTuple):
    """The words of a text.

    Attributes:
        hashes: hash of each word; the lowest bit is set for numbers.
        starts: offset of each word in bytes.
        lines: number of newlines before each word.
        counts: indexed by `LINES` (newlines in the text), `LONG_WORDS`, `LETTER_RUN` (longest run of
            one-letter words) and `NUMBER_RUN` (longest run of numbers).
    """

    hashes: Hashes
    starts: Numbers
    lines: Numbers
    counts: Numbers

    @property
    def size(self) -> int:
        """Number of words."""
        return len(self.hashes)


class Tokenizer:
    """Splits texts into words, reusing its memory: a result is valid until the next call. Use one for each thread."""

    def __init__(self, capacity: int = 2**16, number_words: Hashes | None = None) -> None:
        self._number_words = _number_words() if number_words is None else number_words
        self._reserve(capacity)

    def _reserve(self, capacity: int) -> None:
        self._hashes = np.empty(capacity, dtype=np.uint64)
        self._starts = np.empty(capacity, dtype=np.int32)
        self._lines = np.empty(capacity, dtype=np.int32)
        self._counts = np.zeros(_COUNTS, dtype=np.int32)

    def __call__(self, text: Any) -> Words:
        """Split a read-only buffer of less than 2 GiB into words."""
        data = np.frombuffer(text, dtype=np.uint8)
        if len(self._hashes) < len(data) // 2 + 1:
            self._reserve(len(data) // 2 + 1)
        size = _tokenize(
            data, byte_classes(), folding(), self._number_words, self._hashes, self._starts, self._lines, self._counts
        )
        return Words(self._hashes[:size], self._starts[:size], self._lines[:size], self._counts)


def words(text: bytes) -> Words:
    """Return the words of a short text."""
    return Tokenizer(len(text) // 2 + 1)(text)


def words_of_each(texts: Sequence[bytes]) -> list[Words]:
    """Return the words of short texts, split in one call, which is faster; `counts` are those of all texts."""
    joined = words(_BETWEEN.join(texts))
    starts = np.cumsum([0, *(len(text) + len(_BETWEEN) for text in texts)], dtype=np.int32)
    cuts = np.searchsorted(joined.starts, starts)
    return [
        Words(joined.hashes[first:last], joined.starts[first:last] - start, joined.lines[first:last], joined.counts)
        for first, last, start in zip(cuts[:-1], cuts[1:], starts, strict=False)
    ]


def word_hashes(text: bytes) -> list[int]:
    """Return the hashes of the words of a short text."""
    hashes: list[int] = words(text).hashes.tolist()
    return hashes


@lru_cache(maxsize=1)
def _number_words() -> Hashes:
    """Return the hashes of the number words as a table of `hash_set`."""
    split = Tokenizer(number_words=hash_set([], 2))
    return hash_set([int(split(word.encode()).hashes[0]) for word in (*CARDINALS, *MULTIPLIERS)], _NUMBER_SLOTS)


def hash_set(hashes: list[int], slots: int) -> Hashes:
    """Return an open-addressing table of hashes; 0 marks a free slot.

    Args:
        hashes: the hashes.
        slots: size of the table, a power of two greater than twice the number of hashes.
    """
    table = np.zeros(slots, dtype=np.uint64)
    for value in hashes:
        slot = (value >> 1) & (slots - 1)
        while table[slot]:
            slot = (slot + 1) & (slots - 1)
        table[slot] = value
    return table


@compiled
def in_set(value: Any, table: Any) -> bool:
    """Return True if a hash is in a table of `hash_set`."""
    mask = np.uint64(len(table) - 1)
    slot = (value >> np.uint64(1)) & mask
    while table[slot]:
        if table[slot] == value:
            return True
        slot = (slot + np.uint64(1)) & mask
    return False


@compiled
def _mix(value: Any) -> Any:
    value = value * _MULTIPLY_1
    value ^= value >> np.uint64(32)
    value = value * _MULTIPLY_2
    return value ^ (value >> np.uint64(29))


@compiled
def _push(hashed: Any, lane: Any, filled: Any, letters: Any, count: Any) -> Any:
    """Append up to eight letters to a word's hash; `lane` holds the `filled` letters not mixed in yet."""
    lane |= letters << np.uint64(8 * filled)
    total = filled + count
    if total >= 8:
        hashed = _mix(hashed ^ lane)
        lane = letters >> np.uint64(64 - 8 * filled) if filled > 0 else np.uint64(0)
        total -= 8
    return hashed, lane, total


@compiled
def _tokenize(
    data: Any, classes: Any, folds: Any, number_words: Any, hashes: Any, starts: Any, lines: Any, counts: Any
) -> Any:
    end = np.int64(len(data))
    position, line, size = np.int64(0), 0, 0
    long_words, letter_run, letters_most, number_run, numbers_most = 0, 0, 0, 0, 0
    while True:
        kind = np.uint8(0)
        while position < end:
            kind = classes[data[position]]
            if kind != 0:
                break
            line += data[position] == 10
            position += 1
        if position >= end:
            break
        if kind == 255:
            if data[position] >= 128:
                code, taken = utf8(data, position, end)
                symbol, after = folded(code, folds), position + taken
            else:
                symbol, after = escaped(data, position, end, folds)
            if symbol == 0 or symbol == _SEPARATOR:
                position = after
                continue
        start, length, first = position, 0, np.uint64(0)
        hashed, lane, filled = _SEED, np.uint64(0), 0
        while position < end:
            if position + 8 <= end:
                eight = load8(data, position)
                lower = eight | _CASE
                inside = (lower & ~_HIGH) + _FROM_A & ~((lower & ~_HIGH) + _BEHIND_Z)
                inside |= (eight & ~_HIGH) + _FROM_0 & ~((eight & ~_HIGH) + _BEHIND_9)
                outside = ~inside & _HIGH | eight & _HIGH
                if length == 0:
                    first = lower & np.uint64(0xFF)
                if outside == 0:
                    hashed, lane, filled = _push(hashed, lane, filled, lower, 8)
                    position += 8
                    length += 8
                    continue
                count = int(zero_bits(outside) >> np.uint64(3))
                if count > 0:
                    letters = lower & ((np.uint64(1) << np.uint64(8 * count)) - np.uint64(1))
                    hashed, lane, filled = _push(hashed, lane, filled, letters, count)
                    position += count
                    length += count
            kind = classes[data[position]]
            if kind == 0:
                break
            if kind < 255:
                if length == 0:
                    first = np.uint64(kind)
                hashed, lane, filled = _push(hashed, lane, filled, np.uint64(kind), 1)
                position += 1
                length += 1
                continue
            if data[position] >= 128:
                code, taken = utf8(data, position, end)
                symbol, after = folded(code, folds), position + taken
            else:
                symbol, after = escaped(data, position, end, folds)
            if symbol == _SEPARATOR or (symbol & _ALONE and length > 0):
                break
            alone = symbol & _ALONE
            symbol &= ~_ALONE
            while symbol:
                letter = symbol & np.uint64(0x1FFFFF)
                if length == 0:
                    first = letter
                if letter < 128:
                    hashed, lane, filled = _push(hashed, lane, filled, letter, 1)
                else:
                    hashed, lane, filled = _push(hashed, lane, filled, letter | np.uint64(0x800000), 3)
                symbol >>= np.uint64(21)
                length += 1
            position = after
            if alone:
                break
        hashed = _mix(hashed ^ lane) & ~np.uint64(1)
        number = 48 <= first <= 57
        if number or (length <= 9 and in_set(hashed, number_words)):
            hashed |= np.uint64(1)
        hashes[size], starts[size], lines[size] = hashed, start, line
        size += 1
        long_words += length >= 20
        letter_run = letter_run + 1 if length == 1 else 0
        letters_most = max(letters_most, letter_run)
        number_run = number_run + 1 if number else 0
        numbers_most = max(numbers_most, number_run)
    counts[0], counts[1], counts[2], counts[3] = line, long_words, letters_most, numbers_most
    return size
