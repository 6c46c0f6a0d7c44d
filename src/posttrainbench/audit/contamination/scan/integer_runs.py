"""Compiled search for runs of integers that may be token ids: in digits, in arrays of 32 or 64 bits, and in pickles."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.jit import compiled, inlined

SHORTEST = 24
"""Length from which a run of numbers may be token ids."""
SMALL = 127
"""Arrays with no larger values are not token ids."""

_MAX_DIGITS = 7
_ROWS = 1024

Ids = NDArray[np.int64]


def number_lists(data: bytes) -> list[tuple[int, Ids]]:
    """Return offset and values of each list of numbers of at most seven digits, separated by white space and commas."""
    raw, found, position = np.frombuffer(data, dtype=np.uint8), [], 0
    rows = np.empty((_ROWS, 3), dtype=np.int64)
    while position < len(data):
        count, position = _number_lists(raw, position, rows)
        for start, end, size in rows[:count].tolist():
            ids = np.empty(size, dtype=np.int64)
            _parse(raw, start, end, ids)
            found.append((start, ids))
    return found


def array_runs(data: bytes, largest: int) -> list[tuple[int, Ids]]:
    """Return offset and values above 0 of each run in which all values of 32 bits are below `largest`.

    Values of 64 bits are found too, because every second number is then 0.
    """
    raw, found = np.frombuffer(data, dtype=np.uint8), []
    rows = np.empty((_ROWS, 2), dtype=np.int64)
    for kind in ("<u4", ">u4"):
        for phase in range(4):
            count, position = np.int64(0), 0
            values = np.frombuffer(data, dtype=kind, count=max(len(data) - phase, 0) // 4, offset=min(phase, len(data)))
            while position + SHORTEST <= len(values):
                count, position = _small_runs(raw, phase, kind == ">u4", len(values), largest, position, rows)
                for start, end in rows[:count].tolist():
                    run = values[start:end]
                    found.append((phase + 4 * start, run[run > 0].astype(np.int64)))
    return found


def pickled_runs(data: bytes) -> list[tuple[int, int]]:
    """Return start and end of each run of consecutive integers in data with a pickled list of integers."""
    raw, found, position = np.frombuffer(data, dtype=np.uint8), [], 0
    if not _has_pickled_list(raw):
        return []
    rows = np.empty((_ROWS, 2), dtype=np.int64)
    while position < len(data):
        count, position = _pickled(raw, position, rows)
        found += [(int(start), int(end)) for start, end in rows[:count]]
    return found


@compiled
def _is_separator(byte: Any) -> Any:
    return byte == 32 or 9 <= byte <= 13 or byte == 44


@compiled
def _number_lists(data: Any, position: Any, rows: Any) -> Any:
    """Write start, end and size of lists from `position` on; return their number and where to continue."""
    end, count = np.int64(len(data)), np.int64(0)
    while position < end and count < len(rows):
        if not 48 <= data[position] <= 57:
            position += 1
            continue
        first = position
        while position < end and 48 <= data[position] <= 57:
            position += 1
        start, size, stop = max(first, position - _MAX_DIGITS), np.int64(1), position
        while True:
            after = stop
            while after < end and _is_separator(data[after]):
                after += 1
            if after == stop or after >= end or not 48 <= data[after] <= 57:
                break
            stop = after
            while stop < end and stop - after < _MAX_DIGITS and 48 <= data[stop] <= 57:
                stop += 1
            size += 1
            position = after
            if stop < end and 48 <= data[stop] <= 57:
                break  # a longer number, of which only the first digits belong to the list
        if size >= SHORTEST:
            rows[count, 0], rows[count, 1], rows[count, 2] = start, stop, size
            count += 1
            position = stop
    return count, position


@compiled
def _parse(data: Any, start: Any, end: Any, ids: Any) -> None:
    size, inside = np.int64(-1), False
    for position in range(start, end):
        digit = 48 <= data[position] <= 57
        if digit and not inside:
            size += 1
            ids[size] = 0
        if digit:
            ids[size] = ids[size] * 10 + (np.int64(data[position]) - 48)
        inside = digit


@inlined
def _value(data: Any, place: Any, big: Any) -> Any:
    one, two = np.uint32(data[place]), np.uint32(data[place + 1])
    three, four = np.uint32(data[place + 2]), np.uint32(data[place + 3])
    little = four << np.uint32(24) | three << np.uint32(16) | two << np.uint32(8) | one
    return one << np.uint32(24) | two << np.uint32(16) | three << np.uint32(8) | four if big else little


@compiled
def _small_runs(data: Any, phase: Any, big: Any, length: Any, largest: Any, position: Any, rows: Any) -> Any:
    """Write start and end of runs of small values; return their number and where to continue."""
    count = np.int64(0)
    while position + SHORTEST <= length and count < len(rows):
        probe = position + SHORTEST - 1
        while probe >= position and _value(data, phase + 4 * probe, big) < largest:
            probe -= 1
        if probe >= position:
            position = probe + 1
            continue
        stop, present, most = position, 0, np.uint32(0)
        while stop < length:
            value = _value(data, phase + 4 * stop, big)
            if value >= largest:
                break
            present += value > 0
            most = max(most, value)
            stop += 1
        if present >= SHORTEST and most > SMALL:
            rows[count, 0], rows[count, 1] = position, stop
            count += 1
        position = stop + 1
    return count, position


@inlined
def _pickled_size(data: Any, position: Any, end: Any) -> Any:
    """Return the size of an opcode of an integer, or of those between two batches of a list; 0 for others."""
    byte, size = data[position], 0
    if byte == 75:  # K
        size = 2
    elif byte == 77:  # M
        size = 3
    elif byte == 74 and position + 5 <= end and data[position + 3] < 16 and data[position + 4] == 0:  # J
        size = 5
    elif byte == 101 and position + 2 <= end and data[position + 1] == 40:  # e(
        size = 2
    return size if position + size <= end else 0


@compiled
def _pickled(data: Any, position: Any, rows: Any) -> Any:
    end, count = np.int64(len(data)), np.int64(0)
    while position < end and count < len(rows):
        stop, size = position, 0
        while stop < end:
            step = _pickled_size(data, stop, end)
            if step == 0:
                break
            stop += step
            size += 1
        if size >= SHORTEST:
            rows[count, 0], rows[count, 1] = position, stop
            count += 1
            position = stop
        else:
            position += 1
    return count, position


@compiled
def _has_pickled_list(data: Any) -> Any:
    """Return True if a list, or a further batch of one, begins with an integer."""
    for place in range(len(data) - 1):
        if data[place] != 40:
            continue
        kind = data[place + 1]
        if kind != 75 and kind != 77 and kind != 74:
            continue
        if place > 0 and (data[place - 1] == 93 or data[place - 1] == 101):
            return True
        # with the opcode that stores the list in the memo
        if place > 1 and data[place - 2] == 93 and data[place - 1] == 0x94:
            return True
        if place > 2 and data[place - 3] == 93 and data[place - 2] == 113:
            return True
        if place > 5 and data[place - 6] == 93 and data[place - 5] == 114:
            return True
    return False
