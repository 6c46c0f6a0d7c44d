"""Text in encodings with a dense alphabet other than base64: base32, base85, ascii85, Z85 and uuencode.

Their digits stand in long runs without spaces. Of each run in one of the alphabets, the first digits are decoded by a
compiled kernel, so that minified code, paths and tables cost almost nothing. Base64 and hexadecimal digits are those of
`encoded_digits`.
"""

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.encoded_digits import after_break, is_readable
from posttrainbench.audit.contamination.scan.jit import compiled

SHORTEST = 48
"""Fewest digits of a run."""

_SAMPLE = 128  # digits that are decoded first
_BLOCK = 256
_NONE = 255
_MIN_DIFFERENT = 12  # digits
_SKIPPED = 8  # digits that may be other text, or belong to data that begins in an earlier window
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS = b"0123456789"
_ALPHABETS = (
    (5, _LETTERS + b"234567"),
    (5, _DIGITS + _LETTERS[:22]),
    (85, _DIGITS + _LETTERS + _LETTERS.lower() + b"!#$%&()*+-;<=>?@^_`{|}~"),
    (85, bytes(range(33, 118))),
    (85, _DIGITS + _LETTERS.lower() + _LETTERS + b".-:+=^!/*?&<>()[]{}@%$#"),
    (6, b" " + bytes(range(33, 96))),
)
"""Bits of a digit, or the base if it is not a power of two; and the digits by their value."""
_BASE32, _UUENCODE = (0, 1), 5
_KIND = np.array([kind for kind, _ in _ALPHABETS], dtype=np.int64)
_VALUES = np.full((len(_ALPHABETS), 256), _NONE, dtype=np.uint8)
for _number, (_, _alphabet) in enumerate(_ALPHABETS):
    _VALUES[_number, list(_alphabet)] = range(len(_alphabet))
for _number in _BASE32:
    _VALUES[_number, list(_LETTERS.lower())] = _VALUES[_number, list(_LETTERS)]
_VALUES[_UUENCODE, ord("`")] = 0
_SOME = (_VALUES[:_UUENCODE] != _NONE).any(axis=0)
_POWERS = np.array([85**4, 85**3, 85**2, 85, 1])
_BREAKS = re.compile(rb"\s+")
_ESCAPED = re.compile(rb"\\([nrt\"\\])")


class DenseRun(NamedTuple):
    """A run of digits.

    Attributes:
        start: offset of its first byte.
        end: offset after its last byte.
        alphabet: number of the alphabet.
        skipped: digits before the first group.
        escaped: whether quotes and backslashes are escaped.
    """

    start: int
    end: int
    alphabet: int
    skipped: int
    escaped: bool


def dense_runs(data: bytes) -> list[DenseRun]:
    """Return the runs of at least `SHORTEST` digits that may be text or compressed."""
    rows = np.empty((len(_ALPHABETS) * (len(data) // SHORTEST), 5), dtype=np.int32)
    lines = b"\nM" in data or b"\\nM" in data  # of uuencode, which begin with their length
    count = _runs(np.frombuffer(data, dtype=np.uint8), lines, rows)
    return [DenseRun(a, b, kind, skip, bool(escaped)) for a, b, kind, skip, escaped in rows[:count].tolist()]


def decoded_run(data: bytes, run: DenseRun) -> bytes:
    """Return the bytes that a run encodes; the first and the last ones may be wrong."""
    text = data[run.start : run.end]
    if run.escaped:
        text = _ESCAPED.sub(lambda match: b"\n" if match[1] in b"nrt" else match[1], text)
    if run.alphabet == _UUENCODE:
        first, *others = text.splitlines()
        text = first[run.skipped :] + b"".join(line[1:] for line in others)
    else:
        text = _BREAKS.sub(b"", text)[run.skipped :]
    values = _VALUES[run.alphabet][np.frombuffer(text, dtype=np.uint8)]
    return _unpacked(values[values != _NONE], _ALPHABETS[run.alphabet][0])


def _unpacked(values: NDArray[np.uint8], kind: int) -> bytes:
    if kind == 85:
        groups = values[: len(values) // 5 * 5].reshape(-1, 5).astype(np.int64) @ _POWERS
        return bytes(groups.astype(">u4").tobytes())
    bits = np.unpackbits(values[:, None], axis=1)[:, 8 - kind :].ravel()
    return np.packbits(bits[: len(bits) // 8 * 8]).tobytes()


@compiled
def _runs(data: Any, lines: Any, rows: Any) -> Any:
    """Write the runs and return their number."""
    end, count, position = np.int64(len(data)), np.int64(0), np.int64(0)
    digits, decoded = np.empty(_SAMPLE, dtype=np.uint8), np.empty(_SAMPLE, dtype=np.uint8)
    if lines:
        count = _runs_of(data, position, end, _UUENCODE, rows, count, digits, decoded)
    while position + SHORTEST <= end:
        probe = position + SHORTEST - 1
        while probe >= position and _SOME[data[probe]] and not _is_code(data, probe, end):
            probe -= 1
        if probe >= position:
            position = probe + 1
            continue
        stop = position
        while stop < end and _SOME[data[stop]] and not _is_code(data, stop, end):
            stop += 1
        while position < stop:
            while position < stop and _is_base64(data, position, stop):
                position += _BLOCK
            part = position
            while part < stop and not _is_base64(data, part, stop):
                part += _BLOCK
            part = min(part, stop)
            for alphabet in range(_UUENCODE):
                count = _runs_of(data, position, part, alphabet, rows, count, digits, decoded)
            position = max(part, position + 1)
    return count


@compiled
def _runs_of(
    data: Any, position: Any, stop: Any, alphabet: Any, rows: Any, count: Any, digits: Any, decoded: Any
) -> Any:
    """Write the runs of an alphabet that begin between `position` and `stop`; return the number of all runs."""
    values = _VALUES[alphabet]
    while position + SHORTEST <= stop and count < len(rows):
        probe = position + SHORTEST - 1
        while probe >= position and values[data[probe]] != _NONE:
            probe -= 1
        if probe >= position:
            position = probe + 1
            continue
        if not _may_be(data, position, _KIND[alphabet]):
            position += SHORTEST // 2
            continue
        last = _end(data, position, alphabet, digits, decoded)
        found = _readable(data, position, last, alphabet, digits, decoded)
        if found >= 0:
            rows[count, 0], rows[count, 1], rows[count, 2] = position, last, alphabet
            rows[count, 3], rows[count, 4] = found >> 1, found & 1
            count += 1
        position = max(last, position + 1)
    return count


@compiled
def _may_be(data: Any, start: Any, kind: Any) -> Any:
    """Return False for what is certainly not such digits: mostly words, base64 or numbers."""
    upper, lower, marks, known = 0, 0, 0, np.uint64(0)
    for place in range(start, start + SHORTEST):
        byte = data[place]
        known |= np.uint64(1) << np.uint64(byte & 63)
        upper += 65 <= byte <= 90
        lower += 97 <= byte <= 122
        marks += not (65 <= byte <= 90 or 97 <= byte <= 122 or 48 <= byte <= 57)
    if not _has_bits(known, _MIN_DIFFERENT):
        return False
    if kind == 5:
        return max(upper, lower) >= SHORTEST // 4 and min(upper, lower) == 0
    return SHORTEST // 12 <= marks <= SHORTEST * 3 // 4


@compiled
def _has_bits(value: Any, needed: Any) -> Any:
    while value and needed > 0:
        value &= value - np.uint64(1)
        needed -= 1
    return needed == 0


@compiled
def _is_base64(data: Any, start: Any, stop: Any) -> Any:
    """Return True if a block can only be base64: both cases, and no other punctuation in every third byte."""
    upper, lower = 0, 0
    if start + _BLOCK > stop:
        return False
    for place in range(start, start + _BLOCK, 3):
        byte = data[place]
        upper += 65 <= byte <= 90
        lower += 97 <= byte <= 122
        if not (65 <= byte <= 90 or 97 <= byte <= 122 or 47 <= byte <= 57 or byte == 43 or byte == 45 or byte == 95):
            return False
    return min(upper, lower) > _BLOCK // 24


@compiled
def _is_code(data: Any, position: Any, end: Any) -> Any:
    """Return True for the backslash of `\\uXXXX`."""
    return data[position] == 92 and position + 1 < end and data[position + 1] == 117


@compiled
def _end(data: Any, start: Any, alphabet: Any, digits: Any, decoded: Any) -> Any:
    """Return where a run of digits that begins at `start` ends; it continues after line breaks and escapes."""
    end, position, last, values = np.int64(len(data)), start, start, _VALUES[alphabet]
    while True:
        segment = position
        while position < end and values[data[position]] != _NONE and not _is_escape(data, position, end):
            position += 1
        if position == segment:
            return last
        last = position
        after = after_break(data, position, end)
        if after > position:
            if _is_text(data, after, end, alphabet, digits, decoded):
                return last  # a text of its own
        elif _is_escape(data, position, end):
            after = position + 2
        else:
            return last
        position = after


@compiled
def _is_escape(data: Any, position: Any, end: Any) -> Any:
    """Return True for an escaped quote, backslash or line break."""
    if position + 1 >= end or data[position] != 92:
        return False
    kind = data[position + 1]
    return kind == 34 or kind == 92 or kind == 110 or kind == 114


@compiled
def _readable(data: Any, start: Any, end: Any, alphabet: Any, digits: Any, decoded: Any) -> Any:
    """Return twice the skipped digits of a run that is text, plus 1 if there are escapes; -1 if it is not text."""
    for escaped in range(2):
        size, position, escapes = 0, start, 0
        while position < end and size < len(digits):
            byte = data[position]
            if escaped and _is_escape(data, position, end):
                escapes += 1
                position += 1
                byte = data[position]
                if byte == 110 or byte == 114:
                    byte = np.uint8(10)
            position += 1
            if byte == 10 and alphabet == _UUENCODE:
                break  # each line begins with its length
            if _VALUES[alphabet, byte] != _NONE:
                digits[size] = _VALUES[alphabet, byte]
                size += 1
        if escaped and not escapes:
            break
        for skipped in range(5 if _KIND[alphabet] == 85 else _SKIPPED):
            length = _decode(digits, skipped, size, _KIND[alphabet], decoded)
            if length >= SHORTEST // 2 and is_readable(decoded, length):
                return skipped << 1 | escaped
    return -1


@compiled
def _is_text(data: Any, start: Any, end: Any, alphabet: Any, digits: Any, decoded: Any) -> Any:
    """Return True if the digits of a line are text by themselves."""
    if alphabet == _UUENCODE:
        return False
    size = 0
    while start + size < end and size < SHORTEST and _VALUES[alphabet, data[start + size]] != _NONE:
        digits[size] = _VALUES[alphabet, data[start + size]]
        size += 1
    length = _decode(digits, 0, size, _KIND[alphabet], decoded)
    return size >= SHORTEST and is_readable(decoded, length)


@compiled
def _decode(digits: Any, skipped: Any, size: Any, kind: Any, decoded: Any) -> Any:
    """Decode digits from `skipped` on; return the number of bytes."""
    length = 0
    if kind == 85:
        for place in range(skipped, size - 4, 5):
            number = np.int64(0)
            for digit in range(5):
                number = number * 85 + np.int64(digits[place + digit])
            for byte in range(4):
                decoded[length] = number >> (24 - 8 * byte) & 255
                length += 1
        return length
    value, bits = np.int64(0), 0
    for place in range(skipped, size):
        value, bits = (value << kind | np.int64(digits[place])) & 0xFFFF, bits + kind
        if bits >= 8:
            bits -= 8
            decoded[length] = value >> bits & 255
            length += 1
    return length
