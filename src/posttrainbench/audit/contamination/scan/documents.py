"""Count the documents of a corpus that can contain a test item.

The number of matches that chance explains grows with the number of documents, so padding must not count. Counted are
documents with at least `MIN_WORDS` different words, and documents that differ only in numbers, in punctuation or in the
order of their words count once. The count is exact up to `KEPT` documents. Above, it is estimated from the smallest
hashes, with a standard error of 3 percent, in constant memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.tokens import Hashes, Words
from posttrainbench.audit.contamination.scan.windows import DOCUMENT

MIN_WORDS = 8
KEPT = 1024
_EMPTY = np.empty(0, dtype=np.uint64)


@dataclass(frozen=True)
class Documents:
    """A set of documents.

    Attributes:
        total: number of documents with enough words, repeated ones included.
        smallest: the smallest hashes of these documents, sorted, at most `KEPT`.
    """

    total: int = 0
    smallest: Hashes = field(default_factory=lambda: _EMPTY)

    @property
    def different(self) -> int:
        """The number of different documents."""
        if len(self.smallest) < KEPT:
            return len(self.smallest)
        # Hashes can be chosen so that the estimate is too large, but the true number is at most the total.
        return min(self.total, round((KEPT - 1) / ((int(self.smallest[-1]) + 1) / 2**64)))


def joined(parts: Sequence[Documents]) -> Documents:
    """Return the union of sets of documents."""
    total, hashes = sum(part.total for part in parts), [part.smallest for part in parts if len(part.smallest)]
    if len(hashes) <= 1:
        return Documents(total, hashes[0] if hashes else _EMPTY)
    return Documents(total, np.unique(np.concatenate(hashes))[:KEPT])


def documents_of(text: Words, by_line: bool, end: int) -> Documents:
    """Return the documents of a text.

    Args:
        text: the words of the text.
        by_line: whether each line is a document, else each stretch of `DOCUMENT` bytes is one.
        end: offset in bytes at which to stop.
    """
    hashes = np.empty(text.size // MIN_WORDS + 1, dtype=np.uint64)
    size = _hash_documents(text.hashes, text.lines, text.starts, by_line, end, hashes)
    return Documents(size, np.unique(hashes[:size])[:KEPT])


@compiled
def _hash_documents(words: Any, lines: Any, starts: Any, by_line: Any, end: Any, out: Any) -> Any:
    """Write the hash of each document with enough words; return their number."""
    size, document = np.int64(0), np.int64(-1)
    total = classes = np.uint64(0)
    for word in range(len(words) + 1):
        inside = word < len(words) and starts[word] < end
        own = np.int64(-2) if not inside else np.int64(lines[word]) if by_line else np.int64(starts[word]) // DOCUMENT
        if own != document:
            if _count_bits(classes) >= MIN_WORDS:
                out[size] = _mixed(total)
                size += 1
            document, total, classes = own, np.uint64(0), np.uint64(0)
        if not inside:
            break
        hashed = words[word]
        if not hashed & np.uint64(1):  # numbers do not count
            total += hashed * (hashed >> np.uint64(32))  # not linear, so that sums of words differ
            classes |= np.uint64(1) << (hashed >> np.uint64(58))
    return size


@compiled
def _mixed(value: Any) -> Any:
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@compiled
def _count_bits(value: Any) -> Any:
    count = 0
    while value:
        value &= value - np.uint64(1)
        count += 1
    return count
