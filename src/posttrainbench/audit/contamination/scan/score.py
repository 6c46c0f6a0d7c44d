"""Match patterns by the known n-grams of a text: containment within a stretch.

A first loop counts the n-grams of each pattern in stretches of fixed length, which finds all candidates at little cost.
Each candidate is then scored exactly: the largest number of distinct n-grams within the pattern's width.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.grams import Hits, masked_grams, plain_grams
from posttrainbench.audit.contamination.scan.index import EXACT, Index
from posttrainbench.audit.contamination.scan.jit import compiled, inlined
from posttrainbench.audit.contamination.scan.tokens import Numbers, Words

CAPACITY = 2**16


class Matches(NamedTuple):
    """Patterns matches in a text, as arrays over matches; overlapping matches of a pattern are reported once.

    Attributes:
        pattern: the pattern.
        first: first word of the stretch.
        last: its last word.
        score: containment, 0 to 1.
    """

    pattern: Numbers
    first: Numbers
    last: Numbers
    score: NDArray[np.float32]


class _Counts(NamedTuple):
    """State per pattern while a text is read.

    Attributes:
        line: line of its last n-gram, from 1 on.
        stretch: stretch of its last n-gram.
        before: number of its n-grams in the stretch before.
        inside: number of its n-grams in that stretch.
        tried: last stretch that was scored exactly.
        done: last word of its last match.
    """

    line: Numbers
    stretch: Numbers
    before: Numbers
    inside: Numbers
    tried: Numbers
    done: Numbers


class Scorer:
    """Matches patterns in texts, reusing its memory. Use one for each thread."""

    def __init__(self, index: Index) -> None:
        self._index = index
        patterns = index.patterns
        self._memory = np.zeros((6, len(patterns.unit)), dtype=np.int32)
        self._seen = np.zeros(int(patterns.total.max(initial=1)), dtype=np.int32)
        rows = np.empty((3, CAPACITY), dtype=np.int32)
        self._out = Matches(rows[0], rows[1], rows[2], np.empty(CAPACITY, dtype=np.float32))

    def __call__(self, text: Words, hits: Hits, by_line: bool) -> Matches:
        """Return the patterns matches in a text.

        Args:
            text: the words of the text.
            hits: its n-grams that are in the index.
            by_line: whether each line is a document of its own; matches then do not cross line ends.
        """
        patterns, out = self._index.patterns, self._out
        if not len(hits.grams):
            return Matches(out.pattern[:0], out.first[:0], out.last[:0], out.score[:0])
        self._memory[:] = 0
        size = _score(text, by_line, hits, self._index.postings, patterns, _Counts(*self._memory), self._seen, out)
        matches = Matches(out.pattern[:size], out.first[:size], out.last[:size], out.score[:size])
        checked = patterns.overall[matches.pattern] > 0
        if not checked.any():
            return matches
        confirmed = [not check or self._whole(text, matches, number) for number, check in enumerate(checked)]
        return Matches(
            matches.pattern[confirmed], matches.first[confirmed], matches.last[confirmed], matches.score[confirmed]
        )

    def _whole(self, text: Words, matches: Matches, number: int) -> bool:
        """Return True if enough of all the unit's n-grams occur there, including those that are not distinctive."""
        patterns = self._index.patterns
        pattern = matches.pattern[number]
        start, size = patterns.body[pattern], patterns.body_size[pattern]
        around = patterns.width[pattern]
        first, last = matches.first[number], matches.last[number]
        hashes = text.hashes[max(first - around, 0) : last + around]
        grams = plain_grams(hashes) if patterns.method[pattern] == 0 else masked_grams(hashes)
        everything = patterns.bodies[start : start + size]
        return bool(np.isin(everything, grams).mean() >= patterns.overall[pattern])


@compiled
def _score(text: Any, by_line: Any, hits: Any, postings: Any, patterns: Any, counts: Any, seen: Any, out: Any) -> Any:
    # Tuples are unpacked outside the loop, because each access costs reference counting.
    grams, lasts, lines, methods = hits.grams, hits.last, text.lines, patterns.method
    posting_first, posting_pattern = postings.first, postings.pattern
    needs, widths = patterns.need, patterns.width
    line_of, stretch_of, before, inside, tried, done = counts
    size = 0
    for hit in range(len(grams)):
        word, gram = lasts[hit], grams[hit]
        line = lines[word] + 1 if by_line else 1
        for posting in range(posting_first[gram], posting_first[gram + 1]):
            pattern = posting_pattern[posting]
            if size >= CAPACITY:
                return size
            if methods[pattern] == EXACT:
                first = hits.first[hit] - patterns.offset[pattern]
                if _stands_at(text.hashes, first, pattern, patterns):
                    last = first + patterns.body_size[pattern] - 1
                    out.pattern[size], out.first[size], out.last[size], out.score[size] = pattern, first, last, 1.0
                    size += 1
                continue
            stretch = word // widths[pattern] + 2
            if line_of[pattern] != line:
                line_of[pattern], stretch_of[pattern] = line, stretch
                before[pattern] = inside[pattern] = tried[pattern] = done[pattern] = 0
            elif stretch_of[pattern] != stretch:
                before[pattern] = inside[pattern] if stretch_of[pattern] == stretch - 1 else 0
                inside[pattern], stretch_of[pattern] = 0, stretch
            inside[pattern] += 1
            need = needs[pattern]
            if before[pattern] + inside[pattern] < need or word <= done[pattern]:
                continue
            if tried[pattern] == stretch or (tried[pattern] == stretch - 1 and inside[pattern] < need):
                continue
            tried[pattern] = stretch
            best, first, last = _densest(hit, pattern, hits, lines, by_line, postings, patterns, seen)
            if best >= need:
                out.pattern[size], out.first[size], out.last[size] = pattern, first, last
                out.score[size] = best / patterns.total[pattern]
                done[pattern] = last
                size += 1
    return size


@compiled
def _stands_at(hashes: Any, first: Any, pattern: Any, patterns: Any) -> bool:
    """Return True if the words of an exact pattern occur from word `first` on."""
    size, body = patterns.body_size[pattern], patterns.body[pattern]
    if first < 0 or first + size > len(hashes):
        return False
    for position in range(size):  # noqa: SIM110
        if hashes[first + position] != patterns.bodies[body + position]:
            return False
    return True


@inlined
def _place_in(gram: Any, pattern: Any, firsts: Any, patterns: Any, positions: Any) -> Any:
    for posting in range(firsts[gram], firsts[gram + 1]):
        if patterns[posting] == pattern:
            return np.int64(positions[posting])
    return np.int64(-1)


@compiled
def _densest(
    hit: Any, pattern: Any, hits: Any, lines: Any, by_line: Any, postings: Any, patterns: Any, seen: Any
) -> Any:
    """Return the stretch around a hit with most distinct n-grams of a pattern: their number, first and last word."""
    grams, firsts, lasts = hits
    posting_first, posting_pattern, posting_place = postings
    width, middle = np.int64(patterns.width[pattern]), lasts[hit]
    begin = end = hit
    while begin > 0 and 0 <= middle - lasts[begin - 1] <= 2 * width:
        if by_line and lines[lasts[begin - 1]] != lines[middle]:
            break
        begin -= 1
    while end + 1 < len(grams) and 0 <= lasts[end + 1] - middle <= 2 * width:
        if by_line and lines[lasts[end + 1]] != lines[middle]:
            break
        end += 1
    seen[: patterns.total[pattern]] = 0
    left, distinct, best, first, last = begin, 0, 0, 0, 0
    for right in range(begin, end + 1):
        position = _place_in(grams[right], pattern, posting_first, posting_pattern, posting_place)
        if position < 0:
            continue
        distinct += seen[position] == 0
        seen[position] += 1
        while True:
            old = _place_in(grams[left], pattern, posting_first, posting_pattern, posting_place)
            if old >= 0:
                if lasts[right] - firsts[left] < width and not (left < right and seen[old] > 1):
                    break
                seen[old] -= 1
                distinct -= seen[old] == 0
            left += 1
        if distinct > best:
            best, first, last = distinct, firsts[left], lasts[right]
    return best, first, last
