"""Compiled decoder of special characters: UTF-8 sequences, JSON and Python escapes, HTML entities."""

from typing import Any

import numpy as np

from posttrainbench.audit.contamination.scan.case_folding import ALONE, LAST, SEPARATOR, TAGS
from posttrainbench.audit.contamination.scan.jit import compiled, inlined

_SEPARATOR, _ALONE = np.uint64(SEPARATOR), np.uint64(ALONE)
_INVALID = 1 << 16
_DIGIT = np.full(256, _INVALID, dtype=np.int64)
_DIGIT[list(b"0123456789abcdef")] = range(16)
_DIGIT[list(b"ABCDEF")] = range(10, 16)


@inlined
def _hex(byte: Any) -> Any:
    if 48 <= byte <= 57:
        return byte - 48
    lower = byte | 32
    return lower - 87 if 97 <= lower <= 102 else -1


@inlined
def _hex_number(data: Any, start: Any, digits: Any, end: Any) -> Any:
    """Return the number of `digits` hexadecimal digits from `start` on, or -1 if they are not all digits."""
    if start + digits > end:
        return -1
    value = 0
    for position in range(start, start + digits):
        digit = _hex(np.int64(data[position]))
        if digit < 0:
            return -1
        value = value * 16 + digit
    return value


@inlined
def folded(code: Any, folds: Any) -> Any:
    """Return the folding of a code point; see `case_folding.folding`."""
    if code < LAST:
        return folds[code]
    return np.uint64(code) | _ALONE if code < TAGS else np.uint64(0)


@inlined
def utf8(data: Any, start: Any, end: Any) -> Any:
    """Return code point and length of the character at `start`; a byte that is not valid UTF-8 counts as Latin-1."""
    code, size = np.int64(data[start]), np.int64(1)
    if code >= 0xC2 and start + 1 < end:
        second = np.int64(data[start + 1])
        if second & 0xC0 == 0x80:
            if code < 0xE0:
                code, size = (code & 0x1F) << 6 | (second & 0x3F), np.int64(2)
            elif code < 0xF5 and start + 2 < end:
                third = np.int64(data[start + 2])
                if third & 0xC0 == 0x80:
                    if code < 0xF0:
                        code, size = (code & 0xF) << 12 | (second & 0x3F) << 6 | (third & 0x3F), np.int64(3)
                    elif start + 3 < end:
                        fourth = np.int64(data[start + 3])
                        if fourth & 0xC0 == 0x80:
                            tail = (second & 0x3F) << 12 | (third & 0x3F) << 6 | (fourth & 0x3F)
                            code, size = (code & 7) << 18 | tail, np.int64(4)
    return code, size


@compiled
def _escaped_bytes(data: Any, start: Any, end: Any, first: Any) -> Any:
    """Return code point and end of `\\xHH` escapes; `first` was read before. UTF-8 if valid, else Latin-1."""
    size = 2 if 0xC2 <= first < 0xE0 else 3 if 0xE0 <= first < 0xF0 else 4 if 0xF0 <= first < 0xF5 else 1
    code, position = first & (0x7F >> size) if size > 1 else first, start
    for _ in range(size - 1):
        slash = position
        while slash < end and data[slash] == 92:
            slash += 1
        byte = _hex_number(data, slash + 1, 2, end) if slash > position and slash < end and data[slash] == 120 else -1
        if byte < 0 or byte & 0xC0 != 0x80:
            return first, start
        code, position = code << 6 | (byte & 0x3F), slash + 3
    return code, position


@compiled
def _escape(data: Any, start: Any, end: Any, folds: Any) -> Any:
    """Return the folding of the escape at `start`, and its end."""
    position = start
    while position < end and data[position] == 92:
        position += 1
    if position >= end:
        return _SEPARATOR, position
    kind = data[position]
    if kind == 117 or kind == 85:  # \uXXXX, \UXXXXXXXX
        digits = 4 if kind == 117 else 8
        code = _hex_number(data, position + 1, digits, end)
        if code >= 0 and code < 0x110000:
            position += 1 + digits
            if 0xD800 <= code < 0xDC00:
                slash = position
                while slash < end and data[slash] == 92:
                    slash += 1
                low = _hex_number(data, slash + 1, 4, end) if slash < end and data[slash] == 117 else -1
                if 0xDC00 <= low < 0xE000:
                    code, position = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), slash + 5
            return folded(code, folds), position
    elif kind == 120:  # \xXX
        code = _hex_number(data, position + 1, 2, end)
        if code >= 0:
            code, position = _escaped_bytes(data, position + 3, end, code)
            return folded(code, folds), position
    elif kind == 110 or kind == 114 or kind == 116 or kind == 102 or kind == 118:  # \n \r \t \f \v
        return _SEPARATOR, position + 1
    return _SEPARATOR, position


@compiled
def _entity(data: Any, start: Any, end: Any, folds: Any) -> Any:
    """Return the folding of the HTML entity at `start`, and its end; a lone `&` is a separator."""
    stop = min(end, start + 10)
    position = start + 1
    if position + 1 < stop and data[position] == 35:
        code, position = 0, position + 1
        hexadecimal = data[position] == 120 or data[position] == 88
        position += 1 if hexadecimal else 0
        while position < stop and data[position] != 59:
            digit = _hex(np.int64(data[position]))
            if digit < 0 or (digit > 9 and not hexadecimal):
                return _SEPARATOR, start + 1
            code, position = code * (16 if hexadecimal else 10) + digit, position + 1
        if position < stop and code < 0x110000:
            return folded(code, folds), position + 1
        return _SEPARATOR, start + 1
    while position < stop and 97 <= data[position] <= 122:
        position += 1
    # Named entities count as punctuation; the few that are letters do not matter for test items.
    return (_SEPARATOR, position + 1) if position < stop and data[position] == 59 else (_SEPARATOR, start + 1)


@compiled
def special(data: Any, start: Any, end: Any, folds: Any) -> Any:
    """Return the folding of the character at `start` (see `case_folding.folding`), and its end."""
    byte = data[start]
    if byte == 92:
        return _escape(data, start, end, folds)
    if byte == 38:
        return _entity(data, start, end, folds)
    code, size = utf8(data, start, end)
    return folded(code, folds), start + size


@inlined
def escaped(data: Any, position: Any, end: Any, folds: Any) -> Any:
    """Do the same as `special`, faster for the most frequent escapes."""
    symbol, after = _SEPARATOR, np.int64(0)
    if data[position] == 92 and position + 6 <= end:
        kind = data[position + 1]
        if kind == 117:  # \uXXXX
            code = _DIGIT[data[position + 2]] << 12 | _DIGIT[data[position + 3]] << 8
            code |= _DIGIT[data[position + 4]] << 4 | _DIGIT[data[position + 5]]
            if code < 0xD800 or 0xE000 <= code < _INVALID:
                symbol, after = folds[code], position + 6
        elif kind == 110 or kind == 34 or kind == 116:
            after = position + 2
    if after == 0:
        symbol, after = special(data, position, end, folds)
    return symbol, after
