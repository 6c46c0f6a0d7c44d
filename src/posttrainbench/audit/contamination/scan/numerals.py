"""Numbers of a text by value: `80,000`, `80000` and `eighty thousand` are equal, as are `2.50` and `2.5`."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.tokens import CARDINALS, MULTIPLIERS, Hashes, Numbers, Words, words

Values = NDArray[np.int64]

SCALE = 10_000
"""Values are stored as multiples of 1 / SCALE; further decimals are cut off."""


@lru_cache(maxsize=1)
def _number_words() -> tuple[Hashes, Values]:
    """Return the sorted hashes of number words, and their values: negative if they multiply the number before."""
    pairs = sorted(
        (int(words(word.encode()).hashes[0]), value)
        for word, value in [*CARDINALS.items(), *((word, -value) for word, value in MULTIPLIERS.items())]
    )
    return np.array([pair[0] for pair in pairs], dtype=np.uint64), np.array([pair[1] for pair in pairs], dtype=np.int64)


def numbers_in(data: bytes, text: Words) -> tuple[Values, Numbers]:
    """Return the values of a text's numbers in order, in units of 1 / SCALE, and the word at which each begins."""
    values, positions = np.empty(text.size, dtype=np.int64), np.empty(text.size, dtype=np.int32)
    keys, meanings = _number_words()
    size = _numbers(np.frombuffer(data, dtype=np.uint8), text, keys, meanings, values, positions)
    return values[:size], positions[:size]


@compiled
def _numbers(data: Any, text: Any, keys: Any, meanings: Any, values: Any, positions: Any) -> Any:
    hashes, starts = text.hashes, text.starts
    size, last_word, decimals, spoken = np.int64(0), np.int64(-2), False, False
    last_end = np.int64(-2)
    for word in range(len(hashes)):
        if not hashes[word] & np.uint64(1):
            continue
        start = np.int64(starts[word])
        end, value = start, np.int64(0)
        while end < len(data) and 48 <= data[end] <= 57 and end - start < 14:
            value, end = value * 10 + (np.int64(data[end]) - 48), end + 1
        follows = word == last_word + 1 and size > 0
        if end > start:
            digits = end - start
            if (
                follows
                and not spoken
                and start == last_end + 1
                and data[last_end] == 44
                and digits == 3
                and not decimals
            ):
                values[size - 1] = values[size - 1] * 1000 + value * SCALE
            elif follows and not spoken and start == last_end + 1 and data[last_end] == 46 and not decimals:
                part = value
                while digits > 4:
                    part, digits = part // 10, digits - 1
                values[size - 1] += part * np.int64(10) ** (4 - digits)
                decimals = True
            else:
                values[size], positions[size] = value * SCALE, word
                size, decimals = size + 1, False
            spoken = False
        else:
            slot = np.searchsorted(keys, hashes[word])
            if slot >= len(keys) or keys[slot] != hashes[word]:
                continue  # digits of another script
            meaning = meanings[slot]
            if meaning < 0 and follows:
                values[size - 1] *= -meaning
            elif (
                follows
                and spoken
                and 0 < meaning < 10
                and values[size - 1] % (10 * SCALE) == 0
                and values[size - 1] > 0
            ):
                values[size - 1] += meaning * SCALE
            else:
                values[size], positions[size] = abs(meaning) * SCALE, word
                size, decimals = size + 1, False
            spoken = True
        last_word, last_end = np.int64(word), end
    return size
