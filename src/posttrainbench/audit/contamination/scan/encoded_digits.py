"""Compiled search for base64 and hexadecimal digits that may encode text.

A run is at least `LONG` digits, continued after a line break by further runs. Of each run, the first digits are decoded
here, so that identifiers, hashes, images and rules of dashes cost almost nothing.
"""

from typing import Any

import numpy as np

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.tokens import LONG

MIN_DIGITS = 48
"""Fewest digits of a run: those of eight short words."""
MIN_BINARY = 256
"""Fewest digits of data that is recognized by its beginning."""
MIN_READABLE = 0.85
"""Share of a text's characters that must be printable, and of a wide encoding's other bytes that must be zero."""
SAMPLE = 512
"""Digits of base64, or decoded bytes, that are tested."""

_ROWS = 256
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NONE = 255
_VALUE = np.full(256, _NONE, dtype=np.uint8)
_VALUE[list(_ALPHABET)] = range(64)
_VALUE[list(b"-_")] = 62, 63
_HEX = np.full(256, _NONE, dtype=np.uint8)
_HEX[list(b"0123456789abcdef")] = range(16)
_HEX[list(b"ABCDEF")] = range(10, 16)
_PRINTABLE = np.zeros(256, dtype=np.bool_)
_PRINTABLE[[9, 10, 13, *range(32, 127)]] = True


def encoded_runs(data: bytes, shortest: int = MIN_DIGITS) -> list[tuple[int, int]]:
    """Return start and end of each run of at least `shortest` digits that may be text or compressed."""
    return _digit_runs(data, shortest, True)


def binary_runs(data: bytes) -> list[tuple[int, int]]:
    """Return start and end of each run of at least `MIN_BINARY` digits, whatever they encode."""
    return _digit_runs(data, MIN_BINARY, False)


def _digit_runs(data: bytes, shortest: int, text: bool) -> list[tuple[int, int]]:
    raw, found = np.frombuffer(data, dtype=np.uint8), []
    rows, position = np.empty((_ROWS, 2), dtype=np.int64), 0
    while position + LONG <= len(data):
        count, position = _runs(raw, position, shortest, text, rows)
        found += [(int(start), int(end)) for start, end in rows[:count]]
    return found


@compiled
def _runs(data: Any, position: Any, shortest: Any, text: Any, rows: Any) -> Any:
    """Write start and end of runs from `position` on; return their number and where to continue."""
    end, count = np.int64(len(data)), np.int64(0)
    digits, decoded = np.empty(2 * SAMPLE + 4, dtype=np.uint8), np.empty(SAMPLE, dtype=np.uint8)
    while position + LONG <= end and count < len(rows):
        probe = position + LONG - 1
        while probe >= position and _VALUE[data[probe]] != _NONE:
            probe -= 1
        if probe >= position:
            position = probe + 1
            continue
        start, total, last = position, np.int64(0), position
        while True:
            run = position
            while position < end and _VALUE[data[position]] != _NONE:
                position += 1
            if position - run < LONG:
                position = run
                break
            total, last = total + position - run, position
            position = after_break(data, position, end)
            if position == last:
                break
        if total >= shortest and (not text or _may_be_text(data, start, last, digits, decoded)):
            rows[count, 0], rows[count, 1] = start, last
            count += 1
    return count, position


@compiled
def after_break(data: Any, position: Any, end: Any) -> Any:
    """Return where the line breaks at `position` end: any number of escaped ones, or one or two that are not."""
    after = position
    while True:
        slash = after
        while slash < end and data[slash] == 92:
            slash += 1
        if slash == after or slash >= end or (data[slash] != 110 and data[slash] != 114):
            break
        after = slash + 1
    if after == position:
        while after < end and after < position + 2 and (data[after] == 32 or 9 <= data[after] <= 13):
            after += 1
    return after


@compiled
def _may_be_text(data: Any, start: Any, end: Any, digits: Any, decoded: Any) -> Any:
    """Return False if neither base64 nor hexadecimal digits of the run are text or compressed."""
    size, position, hexadecimal = 0, start, True
    while position < end and size < len(digits):
        if data[position] == 92:
            while data[position] == 92:
                position += 1
            position += 1
            continue
        if _VALUE[data[position]] != _NONE:
            digits[size] = data[position]
            hexadecimal = hexadecimal and _HEX[data[position]] != _NONE
            size += 1
        position += 1
    if hexadecimal:
        length = min(size // 2, SAMPLE)
        for place in range(length):
            decoded[place] = _HEX[digits[2 * place]] << 4 | _HEX[digits[2 * place + 1]]
        if is_readable(decoded, length):
            return True
    for skipped in range(4):
        length = 0
        for place in range(skipped, skipped + min(size - skipped, SAMPLE) // 4 * 4, 4):
            first, second = np.uint32(_VALUE[digits[place]]), np.uint32(_VALUE[digits[place + 1]])
            third, fourth = np.uint32(_VALUE[digits[place + 2]]), np.uint32(_VALUE[digits[place + 3]])
            value = first << 18 | second << 12 | third << 6 | fourth
            decoded[length] = value >> 16 & 255
            decoded[length + 1] = value >> 8 & 255
            decoded[length + 2] = value & 255
            length += 3
        if is_readable(decoded, length):
            return True
    return False


@compiled
def is_readable(decoded: Any, size: Any) -> Any:
    """Return False if bytes are neither text, in UTF-8 or a wide encoding, nor begin like compressed data."""
    one, two = decoded[0], decoded[1]
    if (one == 0x1F and two == 0x8B) or (one == 0x42 and two == 0x5A) or (one == 0xFD and two == 0x37):
        return True
    if (one == 0x28 and two == 0xB5) or (one == 0x50 and two == 0x4B):
        return True
    if one == 0x78 and (two == 0x9C or two == 0xDA or two == 0x01 or two == 0x5E):
        return True
    printable, high, even, odd = 0, 0, 0, 0
    for place in range(size):
        byte = decoded[place]
        printable += _PRINTABLE[byte]
        high += byte >= 128
        if byte == 0:
            even += place & 1 == 0
            odd += place & 1
    if even >= MIN_READABLE * ((size + 1) // 2) or odd >= MIN_READABLE * (size // 2):
        return True
    if printable + high < MIN_READABLE * size:
        return False
    return printable >= MIN_READABLE * size or _is_utf8(decoded, size - 3)


@compiled
def _is_utf8(data: Any, size: Any) -> Any:
    position = 0
    while position < size:
        lead = data[position]
        length = 2 if 0xC2 <= lead < 0xE0 else 3 if 0xE0 <= lead < 0xF0 else 4 if 0xF0 <= lead < 0xF5 else 0
        if lead < 128:
            length = 1
        if length == 0 or position + length > size:
            return False
        for place in range(position + 1, position + length):
            if data[place] & 0xC0 != 0x80:
                return False
        position += length
    return True
