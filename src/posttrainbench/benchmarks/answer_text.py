"""Prepare a completion for grading: strip a leading `<think>` block and cap repetitions.

A pattern is any text of at least three characters, or any number of whole lines. If it is repeated more than five times
in a row, it is cut to five repetitions. The search is exact. It sorts windows of 1, 2, 4, ... characters and takes
O(n log² n) time in the worst case for n characters, a few milliseconds for a typical answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

MOST_REPEATS = 5
SHORTEST = 3
"""Characters; whole lines may be shorter."""

_LINE_BREAK = 10
_FEWEST_ALIKE = 4
"""Minimum number of occurrences of a window within one repetition."""


class Repetition(NamedTuple):
    """A maximal periodic stretch of text; start, length and period in characters."""

    start: int
    length: int
    period: int


def graded_answer(completion: str) -> str:
    """Return the answer in a completion: no leading `<think>...</think>`, capped repetitions, no surrounding space.

    An unclosed `<think>` block is kept, since it is the whole answer. Lone surrogates, which cannot be sent to a
    grader, become question marks.
    """
    answer = completion.encode(errors="replace").decode().strip()
    if answer.startswith("<think>"):
        _, ended, rest = answer.partition("</think>")
        answer = rest.strip() if ended else answer
    return limit_repetitions(answer)


def limit_repetitions(text: str) -> str:
    """Cut every pattern that is repeated more than `MOST_REPEATS` times in a row to that many repetitions.

    Short patterns are cut before the longer ones that contain them, until none is left. A cut can create only
    repetitions with more than four times its period, so there are O(log n) rounds.

    Args:
        text: of any length; lone surrogates are preserved.
    """
    import numpy as np

    # Terminate the last line like the others, so that it counts as another repetition.
    codes = np.frombuffer(f"{text}\n".encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.int64)
    while chosen := _without_overlaps(repetitions(codes), len(codes)):
        keep = np.ones(len(codes), dtype=bool)
        for start, length, period in chosen:
            surplus = (length // period - MOST_REPEATS) * period
            keep[start : start + surplus] = False
        codes = codes[keep]
    return codes[:-1].astype("<u4").tobytes().decode("utf-32-le", "surrogatepass")


def repetitions(codes: Numbers) -> list[Repetition]:
    """Return all stretches that repeat a pattern more than `MOST_REPEATS` times, in no particular order.

    Args:
        codes: code points; shape (n,).
    """
    import numpy as np

    # Two windows of `width` characters have the same rank if and only if they are equal; windows that occur too rarely
    # have rank -1. In a stretch of period p with width/2 < p <= width, each window recurs after exactly p characters.
    found: list[Repetition] = []
    most = len(codes) // (MOST_REPEATS + 1)
    width, where, key = 1, np.arange(len(codes)), codes
    while width < 2 * most and len(where):
        order = np.argsort(key, kind="stable")
        place, sorted_key = where[order], key[order]
        new = np.concatenate(([True], sorted_key[1:] != sorted_key[:-1]))
        label = np.cumsum(new) - 1
        often = np.bincount(label)[label] >= _FEWEST_ALIKE
        ahead = np.zeros(len(codes), dtype=np.int64)
        ahead[place[:-1]] = np.where(new[1:], 0, np.diff(place))
        found += _stretches(ahead, width, codes)

        rank = np.full(len(codes), -1, dtype=np.int64)
        rank[place[often]] = label[often]
        where = np.flatnonzero(rank[: len(codes) - width] >= 0)
        second = rank[where + width]
        where, second = where[second >= 0], second[second >= 0]
        key = rank[where] * len(codes) + second
        width *= 2
    return found


def _stretches(ahead: Numbers, width: int, codes: Numbers) -> list[Repetition]:
    """Return the repetitions with a period above `width` / 2 and up to `width`.

    Args:
        ahead: distance from each window of `width` characters to its next occurrence, 0 for none; shape (n,).
    """
    import numpy as np

    begins = np.flatnonzero(np.concatenate(([True], ahead[1:] != ahead[:-1])))
    periods = ahead[begins]
    lengths = np.diff(np.append(begins, len(ahead))) - 1 + periods + width
    wanted = (periods > width // 2) & (periods <= width) & (lengths > MOST_REPEATS * periods)
    found = []
    for start, length, period in zip(*(a[wanted].tolist() for a in (begins, lengths, periods)), strict=True):
        if period < SHORTEST and _LINE_BREAK not in codes[start : start + period]:
            period *= -(-SHORTEST // period)
        if length >= (MOST_REPEATS + 1) * period:
            found.append(Repetition(start, length, period))
    return found


def _without_overlaps(found: list[Repetition], size: int) -> list[Repetition]:
    """Select the repetitions to cut in this round: short periods first, no overlaps."""
    import numpy as np

    taken = np.zeros(size, dtype=bool)
    chosen = []
    for repetition in sorted(found, key=lambda repetition: (repetition.period, repetition.start)):
        stretch = taken[repetition.start : repetition.start + repetition.length]
        if not stretch.any():
            stretch[:] = True
            chosen.append(repetition)
    return chosen
