"""Compiled search for letters that are not adjacent: UTF-16 and UTF-32, and letters with separators between them."""

from typing import Any

import numpy as np

from posttrainbench.audit.contamination.scan.jit import compiled

WIDE_SHARE = 0.01
"""Share of positions that look like a letter of UTF-16 or UTF-32."""
MIN_SPACED = 32
"""Length of a run of one-letter words."""

_FAR, _NEAR = 2**16, 2**12  # bytes around spaced letters within which a region is cut: at a line end, or at a space
_PRINTABLE = np.zeros(256, dtype=np.bool_)
_PRINTABLE[[9, 10, 13, *range(32, 127)]] = True
_LETTER, _GAP = np.zeros((2, 256), dtype=np.bool_)
_LETTER[[*range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256)]] = True
_GAP[list(b" ._|*-")] = True


def wide_texts(data: bytes) -> list[tuple[int, int]]:
    """Return stride and phase by which bytes may be UTF-16 or UTF-32."""
    values = np.frombuffer(data, dtype=np.uint8)
    if len(values) - np.count_nonzero(values) <= WIDE_SHARE * len(values):
        return []
    found = []
    for stride in (2, 4):
        length = len(values) - 2 * stride
        counts = np.zeros(stride, dtype=np.int64)
        if length > 0:
            _count_wide(values, stride, length, counts)
        found += [
            (stride, phase)
            for phase in range(stride)
            if length > phase and counts[phase] > WIDE_SHARE * -((phase - length) // stride)
        ]
    return found


def spaced_regions(data: bytes) -> list[tuple[int, int]]:
    """Return the stretches around runs of four letters, each followed by a separator; none if there are few.

    Stretches end at line ends where there are any nearby.
    """
    values = np.frombuffer(data, dtype=np.uint8)
    places = np.empty(len(values), dtype=np.int32)
    places = places[: _spaced(values, places)]
    if len(places) < MIN_SPACED // 4:
        return []
    edges = np.flatnonzero(np.diff(places) > 2 * _NEAR)
    firsts, lasts = places[np.concatenate([[0], edges + 1])], places[np.concatenate([edges, [len(places) - 1]])]
    regions: list[tuple[int, int]] = []
    for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True):
        start, end = _cut_before(data, first - _NEAR), _cut_after(data, last + _NEAR)
        if regions and start <= regions[-1][1]:
            start = regions.pop()[0]
        regions.append((start, end))
    return regions


def _cut_before(data: bytes, position: int) -> int:
    if position <= 0:
        return 0
    low = max(position - _FAR, 0)
    cut = data.rfind(b"\n", low, position) + 1
    return cut or (data.rfind(b" ", low, position) + 1 or low if low else 0)


def _cut_after(data: bytes, position: int) -> int:
    if position >= len(data):
        return len(data)
    cut = data.find(b"\n", position, position + _FAR) + 1
    return cut or data.find(b" ", position + _FAR) + 1 or len(data)


@compiled
def _count_wide(values: Any, stride: Any, length: Any, counts: Any) -> None:
    """Count the positions of each phase at which a letter is followed by zeros and, `stride` bytes later, a letter."""
    for position in range(length):
        if values[position + 1] == 0 and _PRINTABLE[values[position]] and _PRINTABLE[values[position + stride]]:
            alone = True
            for step in range(2, 2 * stride):
                if step != stride and values[position + step] != 0:
                    alone = False
                    break
            counts[position % stride] += alone


@compiled
def _spaced(values: Any, places: Any) -> Any:
    count = 0
    for position in range(len(values) - 7):
        # pairs of a letter and a separator, at every second byte
        if (
            _GAP[values[position + 1]]
            and _GAP[values[position + 3]]
            and _GAP[values[position + 5]]
            and _GAP[values[position + 7]]
            and _LETTER[values[position]]
            and _LETTER[values[position + 2]]
            and _LETTER[values[position + 4]]
            and _LETTER[values[position + 6]]
        ):
            places[count] = position
            count += 1
    return count
