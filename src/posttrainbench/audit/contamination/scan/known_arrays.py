"""Recognize arrays of integers that carry no text: shuffled indices, and weights quantized to 8 bits.

Both are told from text by statistics that tokens and characters do not have: indices occur once each and in random
order, and quantized weights are spread like a bell and independent of their neighbors.
"""

import numpy as np
from numpy.typing import NDArray

_FEWEST = 256
_WIDTHS = ("<i8", "<i4")
_SPARSE = 64  # times as large may be indices of a part of a data set
_DEVIATIONS = 5  # standard deviations of the number of falling steps of a random order
_SAMPLE = 2**16
_BINS = 16
_OFFSETS = (0, 128)  # of signed and unsigned bytes
_MIN_VALUES = 64
_MOST_SKEWED = 0.15  # of a standard deviation
_MIN_PEAK = 3  # times as many values in the middle as at two standard deviations
_MOST_SHARED = 0.05  # bits that a value tells of another one
_NEAR = (1, 2, 3, 4, 8)

Values = NDArray[np.int64]


def carries_no_text(data: bytes) -> bool:
    """Return True if bytes, after the header of a NumPy file, are shuffled indices or quantized weights."""
    if data.startswith(b"\x93NUMPY"):
        start = data.find(b"\n") + 1
        data = data[start:] if 0 < start < _SAMPLE else data
    return any(_is_shuffled(_values(data, kind)) for kind in _WIDTHS) or _are_quantized(data)


def _values(data: bytes, kind: str) -> Values:
    return np.frombuffer(data, dtype=kind, count=len(data) // np.dtype(kind).itemsize).astype(np.int64)


def _is_shuffled(values: Values) -> bool:
    """Return True if all values are different and in random order, and their places too.

    The places tell ranks of tokens from indices: equal tokens have consecutive ranks, in the order of the text.
    """
    size = len(values)
    if size < _FEWEST or values.min() < 0 or values.max() >= _SPARSE * size:
        return False
    order = np.argsort(values, kind="stable")
    if (np.diff(values[order]) == 0).any():
        return False
    allowed = _DEVIATIONS * np.sqrt((size + 1) / 12)
    return all(abs((np.diff(one) < 0).sum() - (size - 1) / 2) <= allowed for one in (values, order))


def _are_quantized(data: bytes) -> bool:
    """Return True if bytes are spread around zero like a bell, and independent of those before."""
    raw = np.frombuffer(data, dtype=np.uint8)
    starts = range(0, max(len(raw) - _SAMPLE, 1), max(len(raw) // 4, 1))
    samples = [raw[start : start + _SAMPLE].astype(np.int64) for start in starts]
    return len(raw) >= _SAMPLE // 4 and all(any(map(_is_bell, _signed(sample))) for sample in samples)


def _signed(sample: Values) -> list[Values]:
    return [((sample + 128 + offset) & 255) - 128 for offset in _OFFSETS]


def _is_bell(values: Values) -> bool:
    spread = float(values.std())
    if len(np.unique(values)) < _MIN_VALUES or abs(values.mean()) > _MOST_SKEWED * spread:
        return False
    counts = np.bincount(values + 128, minlength=256)
    middle = counts[128 - int(spread / 4) : 129 + int(spread / 4)].mean()
    if any(middle < _MIN_PEAK * counts[[128 + side * min(int(2 * spread), 127)]].mean() for side in (-1, 1)):
        return False
    bins = (values + 128) * _BINS // 256
    return all(_shared(bins[:-step], bins[step:]) <= _MOST_SHARED for step in _NEAR)


def _shared(one: Values, two: Values) -> float:
    """Return how many bits a value tells of another one, without those that chance explains."""
    pairs = np.bincount(one * _BINS + two, minlength=_BINS * _BINS).reshape(_BINS, _BINS) / len(one)
    alone = np.outer(pairs.sum(1), pairs.sum(0))
    known = pairs > 0
    used = (pairs.sum(1) > 0).sum()
    return float(
        (pairs[known] * np.log2(pairs[known] / alone[known])).sum() - (used - 1) ** 2 / (2 * np.log(2) * len(one))
    )
