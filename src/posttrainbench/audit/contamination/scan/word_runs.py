"""Stretches of a text that consist of numbers or of single letters, found in its words."""

from typing import Any, NamedTuple

import numpy as np

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.tokens import Words

NUMBERS, LETTERS = 0, 1
SHORTEST = (24, 32)
"""Fewest words of a run: of numbers, of letters."""

_AROUND = 16  # bytes that belong to a word and the separators around it
_NEAR = 64  # bytes between runs that are joined: a few letters, or codes of other characters
_INSIDE = np.zeros(256, dtype=np.bool_)
_INSIDE[[*range(48, 58), *range(65, 91), *range(97, 123), *range(128, 256)]] = True


class Stretch(NamedTuple):
    """A stretch of a text, and of which words it consists."""

    start: int
    end: int
    kind: int


def word_runs(text: Words, data: bytes) -> list[Stretch]:
    """Return the stretches with runs of numbers or of single letters."""
    if text.counts[2] < SHORTEST[LETTERS] and text.counts[3] < SHORTEST[NUMBERS]:
        return []
    found: list[Stretch] = []
    rows = np.empty((text.size // SHORTEST[NUMBERS] + 1, 2), dtype=np.int64)
    for kind in (NUMBERS, LETTERS):
        count = _runs(np.frombuffer(data, dtype=np.uint8), text.hashes, text.starts, kind, SHORTEST[kind], rows)
        for start, end in rows[:count].tolist():
            if found and found[-1].kind == kind and start <= found[-1].end + _NEAR:
                start = found.pop().start
            found.append(Stretch(max(start - _AROUND, 0), min(end + _AROUND, len(data)), kind))
    return found


@compiled
def _runs(data: Any, hashes: Any, starts: Any, kind: Any, shortest: Any, rows: Any) -> Any:
    """Write the first bytes of first and last words of runs; return their number."""
    count, size = np.int64(0), 0
    for word in range(len(hashes) + 1):
        inside = word < len(hashes)
        if inside:
            after = starts[word] + 1
            inside = (
                (after >= len(data) or not _INSIDE[data[after]])
                if kind == LETTERS
                else bool(hashes[word] & np.uint64(1))
            )
        if inside:
            size += 1
            continue
        if size >= shortest:
            rows[count, 0], rows[count, 1] = starts[word - size], starts[word - 1]
            count += 1
        size = 0
    return count
