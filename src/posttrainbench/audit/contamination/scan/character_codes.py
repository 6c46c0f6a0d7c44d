"""Text as the numbers of its characters: lists of bytes or code points, in any notation.

Recognized are decimal, hexadecimal, octal and binary numbers with separators between them (`72, 101`, `48:65`, `0x48,
0x65`, `=48=65`, `U+0048`), also if one number was added to all of them or combined with them by XOR, if they were
combined with a key of several bytes, or scaled to fractions. The separator of words, the most frequent character of a
text, shows which number it was.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.opaque import is_language

SHORTEST = 24
"""Fewest numbers of a list."""

_ROWS = 1024
_MIN_PERCENT, _PERCENT_GAP = 8, 64
_LONGEST = 8  # digits of a number, and bytes between two
_HEX = np.zeros(256, dtype=np.bool_)
_HEX[list(b"0123456789abcdefABCDEF")] = True
_LETTER = np.zeros(256, dtype=np.bool_)
_LETTER[[*range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256)]] = True
_PREFIX = re.compile(rb"0[xXoObB](?=[0-9a-fA-F])")
_NUMBER = re.compile(rb"[0-9a-fA-F]+(?:\.[0-9]+)?")
_SAMPLE = 512
_MIN_LETTERS = 0.7  # share of letters, digits and spaces in a text
_MIN_SPACES, _MAX_SPACES = 0.08, 0.35
_MIN_DIFFERENT, _MAX_DIFFERENT = 12, 128
_MASKED_SIZE, _MASKED_SAMPLE, _LONGEST_KEY = 96, 2048, 16
_SHIFTED_SIZE = 64  # numbers from which a list is tried with another zero
_LAST = 0x110000
_EXACT = 0.05
_TEXT = np.zeros(256, dtype=np.bool_)
_TEXT[[*range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256), 9, 10, 13, 32]] = True

Values = NDArray[np.int64]


class CodedText(NamedTuple):
    """A text that was decoded from numbers, and where its list begins."""

    start: int
    text: bytes


def coded_texts(data: bytes) -> Iterator[CodedText]:
    """Yield the texts that are written as numbers."""
    raw, position = np.frombuffer(data, dtype=np.uint8), 0
    rows = np.empty((_ROWS, 2), dtype=np.int64)
    while position + SHORTEST < len(data):
        count, position = _lists(raw, position, rows)
        for start, end in rows[:count].tolist():
            if text := _decoded(_NUMBER.findall(_PREFIX.sub(b"", data[start:end]))):
                yield CodedText(start, text)


def other_codes(data: bytes) -> Iterator[CodedText]:
    """Yield the texts in which white space and other characters are written as `%20`, or all of them as `U+0020`."""
    raw = np.frombuffer(data, dtype=np.uint8)
    if data.count(b"+") >= SHORTEST and data.count(b"U+00") >= SHORTEST:
        yield from coded_texts(data)
    if data.count(b"%") < _MIN_PERCENT:
        return
    places = np.flatnonzero(raw[:-2] == ord("%"))
    places = places[(raw[places + 1] == ord("2")) & (raw[places + 2] == ord("0"))]
    if len(places) < _MIN_PERCENT:
        return
    edges = np.flatnonzero(np.diff(places) > _PERCENT_GAP)
    starts, ends = np.concatenate([[0], edges + 1]), np.concatenate([edges, [len(places) - 1]])
    for number in np.flatnonzero(ends - starts >= _MIN_PERCENT).tolist():
        first, last = int(places[starts[number]]), int(places[ends[number]])
        start = max(first - _PERCENT_GAP, 0)
        yield CodedText(start, unquote_to_bytes(data[start : last + _PERCENT_GAP]))


def _decoded(numbers: list[bytes]) -> bytes:
    """Return the text of numbers; nothing if they are something else."""
    joined = b"".join(numbers)
    if b"." in joined:
        return _decoded_fractions(numbers)
    lengths, read = {len(number) for number in numbers}, []
    for base, digits, widths in _NOTATIONS:
        if lengths <= widths and not joined.translate(None, digits):
            read.append(np.array([int(number, base) for number in numbers], dtype=np.int64))
            if text := _text(read[-1]):
                return text
    return next(filter(None, map(_shifted, read)), b"") or next(filter(None, map(unmasked, read)), b"")


_NOTATIONS = (
    (2, b"01", frozenset([7, 8])),
    (10, b"0123456789", frozenset(range(1, _LONGEST + 1))),
    (16, b"0123456789abcdefABCDEF", frozenset([2])),
    (16, b"0123456789abcdefABCDEF", frozenset([4])),
    (8, b"01234567", frozenset([2, 3])),
)
"""Base, digits, and lengths of a number."""


def _text(values: Values) -> bytes:
    """Return the text of bytes or code points; nothing if they are something else."""
    if not 0 <= values.min() <= values.max() < _LAST:
        return b""
    sample = values[:_SAMPLE]
    known = _TEXT[np.minimum(sample, 255)]
    spaces = ((sample == 32) | (sample == 10)).mean()
    if known.mean() < _MIN_LETTERS or not _MIN_SPACES <= spaces <= _MAX_SPACES or (sample >= 128).mean() > spaces * 4:
        return b""
    if values.max() < 256:
        return values.astype(np.uint8).tobytes()
    return "".join(map(chr, values.tolist())).encode("utf-8", "replace")


def _shifted(values: Values) -> bytes:
    """Return the text of numbers that were shifted or combined by XOR."""
    if len(values) < _SHIFTED_SIZE:
        return b""
    different, counts = np.unique(values[:_SAMPLE], return_counts=True)
    if not _MIN_DIFFERENT <= len(different) <= _MAX_DIFFERENT or counts.max() > _MAX_SPACES * counts.sum():
        return b""
    space = different[counts.argmax()]
    return _text(values - space + 32) or _text(values ^ (space ^ 32))


def unmasked(values: Values) -> bytes:
    """Return the text of bytes that were combined by XOR with a key of several bytes; nothing if they are others.

    The most frequent byte at each place of the key stands for a space.
    """
    if len(values) < _MASKED_SIZE or not 0 <= values.min() <= values.max() < 256:
        return b""
    sample = values[:_MASKED_SAMPLE]
    if len(np.unique(sample)) < _MIN_DIFFERENT:
        return b""
    for size in range(2, _LONGEST_KEY + 1):
        key = np.array([np.bincount(sample[place::size]).argmax() ^ 32 for place in range(size)])
        if (text := _text(sample ^ np.resize(key, len(sample)))) and is_language(text, len(text)):
            return _text(values ^ np.resize(key, len(values)))
    return b""


def _decoded_fractions(numbers: list[bytes]) -> bytes:
    """Return the text of numbers that are multiples of one fraction."""
    try:
        values = np.array([float(number) for number in numbers])
    except ValueError:
        return b""
    different = np.unique(values)
    if not _MIN_DIFFERENT <= len(different) <= _MAX_DIFFERENT:
        return b""
    places = (values - different[0]) / np.diff(different).min()
    if places.max() >= _LAST or np.abs(places - places.round()).max() > _EXACT * max(places.max() / 100, 1):
        return b""
    return _shifted(places.round().astype(np.int64))


@compiled
def _lists(data: Any, position: Any, rows: Any) -> Any:
    """Write start and end of lists from `position` on; return their number and where to continue."""
    end, count = np.int64(len(data)), np.int64(0)
    while position < end and count < len(rows):
        if not 48 <= data[position] <= 57:  # in the codes of Latin letters, hexadecimal ones too
            position += 1
            continue
        if position > 0 and _LETTER[data[position - 1]] and data[position - 1] | 32 != 120:  # x
            while position < end and _HEX[data[position]]:
                position += 1
            continue
        start, last, size = position, position, 0
        while position < end:
            length = 0
            while position < end and _HEX[data[position]]:
                position += 1
                length += 1
            if length == 1 and position + 1 < end and data[position - 1] == 48 and data[position] | 32 in (120, 111):
                position += 1
                continue
            if length == 0 or length > _LONGEST + 2 or (position < end and _LETTER[data[position]]):
                break
            if position + 1 < end and data[position] == 46 and 48 <= data[position + 1] <= 57:
                position += 1
                while position < end and 48 <= data[position] <= 57:
                    position += 1
            size += 1
            last = position
            position = _after_separator(data, position, end)
            if position == last:
                break
        if size >= SHORTEST:
            rows[count, 0], rows[count, 1] = start, last
            count += 1
        position = max(last, start + 1)
        while position < end and _HEX[data[position]]:
            position += 1
    return count, position


@compiled
def _after_separator(data: Any, position: Any, end: Any) -> Any:
    """Return where the separator at `position` ends: at most `_LONGEST` bytes without letters, except in escapes."""
    after = position
    while after < end and after - position <= _LONGEST:
        byte = data[after]
        if _LETTER[byte]:
            before = data[after - 1]
            kind = byte | 32
            escape = before == 92 and (kind == 110 or kind == 114 or kind == 116)
            point = byte == 85 and after + 1 < end and data[after + 1] == 43
            if not (escape or point or (before == 35 and kind == 120)):
                return after
        after += 1
    return position
