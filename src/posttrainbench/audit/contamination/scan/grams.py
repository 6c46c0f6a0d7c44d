"""N-grams of a text as 64-bit rolling hashes, and the lookup of known n-grams.

There are three kinds: five consecutive words; eight consecutive words in which every run of numbers counts as the same
word; and ten consecutive words of a program without its own names (see `identifiers`). The hash of an n-gram is the
exclusive or of its words' hashes, each rotated by its position (a cyclic polynomial), so each next hash takes two
operations.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.identifiers import encode, informative, kept_names
from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.table import Table, look_up, may_hold
from posttrainbench.audit.contamination.scan.tokens import Hashes, Numbers, Words


class Kind(NamedTuple):
    """A kind of n-grams.

    Attributes:
        size: number of words.
        turn: bits by which a word's hash is rotated for each word after it.
        salt: value that makes hashes of different kinds different.
    """

    size: int
    turn: np.uint64
    salt: np.uint64


PLAIN = Kind(5, np.uint64(13), np.uint64(0))
MASKED = Kind(8, np.uint64(7), np.uint64(0xD6E8FEB86659FD93))
NAMELESS = Kind(10, np.uint64(11), np.uint64(0xA0761D6478BD642F))

_NUMBER = np.uint64(0x7F4A7C159E3779B9)
_BLOCK = 4096  # words looked up together, so that their data stay in the L1 cache
_MIN_INFORMATIVE = 5  # entries of a nameless n-gram that are not new names


class Hits(NamedTuple):
    """Known n-grams of a text, grouped by kind and in order within each kind.

    Attributes:
        grams: number of each n-gram in the table.
        first: its first word.
        last: its last word.
    """

    grams: Numbers
    first: Numbers
    last: Numbers


def plain_grams(hashes: Hashes) -> Hashes:
    """Return the 5-grams of words; shape (words - 4,)."""
    return _grams(hashes, PLAIN)


def masked_grams(hashes: Hashes) -> Hashes:
    """Return the 8-grams of words with numbers masked."""
    masked, words = np.empty(len(hashes), dtype=np.uint64), np.empty(len(hashes), dtype=np.int32)
    return _grams(masked[: _mask(hashes, masked, words)], MASKED)


def nameless_grams(data: bytes, text: Words) -> Hashes:
    """Return the 10-grams of a program without its own names, except those that are mostly names."""
    names, sequence = np.empty(text.size, dtype=np.uint64), np.empty(text.size, dtype=np.uint64)
    origin, raw = np.empty(text.size, dtype=np.int32), np.frombuffer(data, dtype=np.uint8)
    sequence = sequence[: encode(raw, text.hashes, text.starts, kept_names(), names, sequence, origin)]
    if len(sequence) < NAMELESS.size:
        return sequence[:0]
    counts = np.convolve(informative(sequence), np.ones(NAMELESS.size, dtype=np.int64), "valid")
    return _grams(sequence, NAMELESS)[counts >= _MIN_INFORMATIVE]


def _grams(sequence: Hashes, kind: Kind) -> Hashes:
    grams = np.empty(len(sequence), dtype=np.uint64)
    _roll(sequence, 0, len(sequence), grams, kind)
    return grams[kind.size - 1 :]


class _Block(NamedTuple):
    """Memory for words looked up together."""

    grams: Hashes
    flags: NDArray[np.uint8]
    likely: Numbers


class Finder:
    """Finds the known n-grams of texts, reusing its memory. Use one for each thread.

    Args:
        table: the known n-grams.
        programs: whether they include nameless n-grams.
    """

    def __init__(self, table: Table, programs: bool = False) -> None:
        self._table, self._programs = table, programs
        self._block = _Block(
            np.empty(_BLOCK, dtype=np.uint64), np.empty(_BLOCK, dtype=np.uint8), np.empty(_BLOCK + 1, dtype=np.int32)
        )
        self._reserve(2**16)

    def _reserve(self, words: int) -> None:
        self._sequence, self._names = np.empty((2, words), dtype=np.uint64)
        self._origin = np.empty(words, dtype=np.int32)
        self._hits = np.empty((3, 3 * words), dtype=np.int32)

    def __call__(self, data: bytes, text: Words) -> Hits:
        """Return the known n-grams of a text; the result is valid until the next call."""
        if text.size > len(self._origin):
            self._reserve(text.size)
        total = self._add(0, PLAIN, text.hashes, text.size, in_place=True)
        total = self._add(total, MASKED, self._sequence, _mask(text.hashes, self._sequence, self._origin))
        if self._programs:
            raw = np.frombuffer(data, dtype=np.uint8)
            size = encode(raw, text.hashes, text.starts, kept_names(), self._names, self._sequence, self._origin)
            total = self._add(total, NAMELESS, self._sequence, size)
        return Hits(*(self._hits[row, :total] for row in range(3)))

    def _add(self, total: int, kind: Kind, sequence: Hashes, size: int, in_place: bool = False) -> int:
        return int(_find(sequence, self._origin, in_place, size, kind, self._table, self._block, self._hits, total))


@compiled
def _roll(sequence: Any, start: Any, end: Any, grams: Any, kind: Any) -> None:
    """Write the n-grams that end at `start:end` to `grams[0:]`; those that begin before the text are meaningless."""
    size, turn = kind.size, kind.turn
    back, out = np.uint64(64) - turn, np.uint64(size) * turn & np.uint64(63)
    out_back = np.uint64(64) - out & np.uint64(63)
    rolling = np.uint64(0)
    for position in range(max(start - size, 0), start):
        rolling = (rolling << turn | rolling >> back) ^ sequence[position]
    for position in range(start, end):
        old = sequence[position - size] if position >= size else np.uint64(0)
        rolling = (rolling << turn | rolling >> back) ^ sequence[position] ^ (old << out | old >> out_back)
        grams[position - start] = rolling ^ kind.salt


@compiled
def _mask(hashes: Any, masked: Any, words: Any) -> Any:
    """Write words with each run of numbers as one word, and their positions; return their number."""
    size, before = np.int64(0), np.uint64(0)
    for word in range(len(hashes)):
        number = hashes[word] & np.uint64(1)
        masked[size] = _NUMBER if number else hashes[word]
        words[size] = word
        size += 1 - np.int64(number & before)
        before = number
    return size


@compiled
def _find(
    sequence: Any, origin: Any, in_place: Any, length: Any, kind: Any, table: Any, block: Any, hits: Any, total: Any
) -> Any:
    """Append the known n-grams of a sequence to `hits[:, total:]`; return the new number of hits."""
    for start in range(0, length, _BLOCK):
        size = min(length - start, _BLOCK)
        _roll(sequence, start, start + size, block.grams, kind)
        # The loads are independent, so that the processor overlaps their latencies.
        for position in range(size):
            block.flags[position] = may_hold(block.grams[position], table)
        count = np.int64(0)
        for position in range(size):
            block.likely[count] = position
            count += np.int64(block.flags[position])
        for chosen in range(count):
            hit = np.int64(block.likely[chosen])
            number = look_up(block.grams[hit], table)
            first, last = start + hit - kind.size + 1, start + hit
            if number >= 0 and first >= 0:
                hits[0, total] = number
                hits[1, total] = first if in_place else origin[first]
                hits[2, total] = last if in_place else origin[last]
                total += 1
    return total
