"""Words that are cut: into letters with any separators between them, or by markup inside of words."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from posttrainbench.audit.contamination.scan.jit import compiled

MIN_LETTERS = 32
"""Fewest letters of a run with separators between them."""
_MIN_CUTS = 256
"""Fewest words that markup cuts in a text."""

_MIN_MARKS = 0.01  # share of a text's bytes that may be marks of Markdown
_LONGEST = 32  # bytes of a separator
_LONGEST_TAG = 64
_FIRST = 9  # byte of a text
_ROWS = 1024
_LETTER = np.zeros(256, dtype=np.bool_)
_LETTER[[*range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256)]] = True
_SPACE = ~_LETTER
_SPACE[:_FIRST] = False
_MARK = np.zeros(256, dtype=np.bool_)
_MARK[list(b"*~")] = True
_SEPARATOR = re.compile(rb"((?<=[0-9A-Za-z])[^0-9A-Za-z\x80-\xff]+(?=[0-9A-Za-z]))")
_MIN_SPACES = 0.05  # separators of words for each one of letters
_CUT = re.compile(rb"(?<=[0-9A-Za-z])(?:<[^<>]{1,%d}>|[*~])+(?=[0-9A-Za-z])" % _LONGEST_TAG)


def joined_letters(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield offset and text of stretches with separated letters, without the separator that is most frequent there."""
    raw, position = np.frombuffer(data, dtype=np.uint8), 0
    rows = np.empty((_ROWS, 2), dtype=np.int64)
    while position < len(data):
        count, position = _letter_runs(raw, position, rows)
        for start, end in rows[:count].tolist():
            stretch = data[start:end]
            separators = Counter(_SEPARATOR.findall(stretch))
            ((separator, times),) = separators.most_common(1) or [(b"", 0)]
            others = separators.total() - times
            if times >= others and others >= _MIN_SPACES * times:
                yield start, b"".join(b"" if piece == separator else piece for piece in _SEPARATOR.split(stretch))


def without_inner_markup(data: bytes) -> bytes:
    """Return a text without the tags and marks inside of words; nothing if there are few."""
    raw = np.frombuffer(data, dtype=np.uint8)
    tags, *marks = (np.count_nonzero(raw == ord(mark)) for mark in "<*~")  # faster than `count` if they are frequent
    if tags < _MIN_CUTS and sum(marks) < len(data) * _MIN_MARKS:
        return b""
    return _CUT.sub(b"", data) if _count_cuts(raw) >= _MIN_CUTS else b""


@compiled
def _letter_runs(data: Any, position: Any, rows: Any) -> Any:
    """Write start and end of runs of single letters from `position` on; return their number and where to continue."""
    end, count = np.int64(len(data)), np.int64(0)
    while position < end and count < len(rows):
        start, last, size, alike, gap = position, position, 0, np.int64(0), np.int64(0)
        while position < end:
            while position < end and position - last <= _LONGEST and _SPACE[data[position]]:
                position += 1
            if position >= end or not _LETTER[data[position]]:
                break
            if position + 1 < end and _LETTER[data[position + 1]]:
                break
            if size == 0:
                start = position
            alike, gap = alike + (position - last == gap), position - last
            position += 1
            last, size = position, size + 1
        if size >= MIN_LETTERS and 2 * alike >= size:
            rows[count, 0], rows[count, 1] = start, last
            count += 1
        while position < end and _LETTER[data[position]]:
            position += 1
        while position < end and not _LETTER[data[position]]:
            position += 1
    return count, position


@compiled
def _count_cuts(data: Any) -> Any:
    """Return how many pairs of letters have only tags and marks between them."""
    end, count, position = np.int64(len(data)), np.int64(0), np.int64(1)
    while position + 1 < end:
        byte = data[position]
        if not (byte == 60 or _MARK[byte]) or not 97 <= data[position - 1] | 32 <= 122:  # <
            position += 1
            continue
        while position < end:
            if _MARK[data[position]]:
                position += 1
            elif data[position] == 60:
                stop = min(position + _LONGEST_TAG + 2, end)
                after = position + 1
                while after < stop and data[after] != 62 and data[after] != 60:
                    after += 1
                if after >= stop or data[after] != 62:
                    break
                position = after + 1
            else:
                break
        count += position < end and 97 <= data[position] <= 122
        position += 1
    return count
