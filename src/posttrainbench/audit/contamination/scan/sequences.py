"""Recognize sequences of independent letters, such as DNA and proteins, which no text is.

The letters of a text depend on the letter before, and those of encoded text on their place in a group of digits.
"""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WORDS = re.compile(rb"[A-Za-z]{40,}")
_MIN_SHARE = 0.7  # of the stretches
_MOST_LETTERS = 25
_MIN_PAIRS = 8  # for each pair of letters
_MOST_SHARED = 0.12  # bits that a letter tells of the next one
_PERIODS = range(2, 13)
_FEWEST_IN_PLACE = 16
_MOST_DIFFERENT = 0.1  # total variation between the letters at one place of a group and all, beside chance


def are_sequences(stretches: Sequence[bytes]) -> bool:
    """Return True if stretches mostly consist of long words of independent letters."""
    words = [word for stretch in stretches for word in _WORDS.findall(stretch)]
    if sum(map(len, words)) < _MIN_SHARE * sum(map(len, stretches)):
        return False
    letters, codes = np.unique(np.frombuffer(b"".join(words).upper(), dtype=np.uint8), return_inverse=True)
    size = len(letters)
    if not 1 < size <= _MOST_LETTERS or len(codes) < _MIN_PAIRS * size * size:
        return False
    pairs = np.bincount(codes[:-1] * size + codes[1:], minlength=size * size).reshape(size, size) / (len(codes) - 1)
    alone = np.outer(pairs.sum(1), pairs.sum(0))
    known = pairs > 0
    shared = float((pairs[known] * np.log2(pairs[known] / alone[known])).sum())
    chance = (size - 1) ** 2 / (2 * np.log(2) * len(codes))
    if shared - chance > _MOST_SHARED:
        return False
    lengths = [len(word) for word in words]
    apart = np.split(codes, np.cumsum(lengths)[:-1])
    return not (_has_groups([codes], size) or _has_groups(apart, size))


def _has_groups(words: Sequence[NDArray[np.int64]], size: int) -> bool:
    """Return True if letters depend on their position in groups of a fixed length, from the start of each word."""
    usual = np.bincount(np.concatenate(words), minlength=size) / sum(map(len, words))
    for period in _PERIODS:
        for start in range(period):
            here = np.concatenate([codes[start::period] for codes in words])
            if len(here) < _FEWEST_IN_PLACE:
                continue
            different = np.abs(np.bincount(here, minlength=size) / len(here) - usual).sum() / 2
            if different > _MOST_DIFFERENT + np.sqrt(size / len(here)) / 2:
                return True
    return False
