"""Compiled comparison of a stretch of text with a word problem, which it may paraphrase.

All functions take the text as `paraphrase_text.Text` and the problems as `paraphrase_index.Problems`.
"""

from typing import Any

import numpy as np

from posttrainbench.audit.contamination.scan.jit import compiled, inlined
from posttrainbench.audit.contamination.scan.numerals import SCALE
from posttrainbench.audit.contamination.scan.paraphrase_index import (
    ANSWER_DISTANCE,
    ANSWER_NUMBERS,
    DISTANCE_TOLERANCE,
    EXTRA_COSINE_WITHOUT_LINES,
    MAX_NUMBERS,
    MIN_COSINE,
    MIN_COSINE_OTHER_ANSWER,
    MIN_COSINE_SMALL,
    MIN_COSINE_SMALL_PAIR,
    MIN_JACCARD,
    MIN_NUMBERS_OTHER_ANSWER,
    MIN_SHARED_WEIGHT,
    SMALL,
)
from posttrainbench.audit.contamination.scan.table import look_up, may_hold

NUMBER_MARGIN = 10
"""Words before and after a stretch in which its numbers may be."""


@compiled
def compare(position: Any, problem: Any, text: Any, problems: Any, seen: Any) -> Any:
    """Find the stretch around word `position` that matches a problem.

    `seen` is scratch memory: zeros, shape (2, words of the table).

    Returns:
        The words at its first and at its last number, and the cosine of the words. The last word is -1 without a match.
    """
    lines, positions, width = text.words.lines, text.positions, np.int64(problems.width[problem])
    start, end = max(position - width, 0), min(position + width, len(lines))
    if text.by_line:
        while lines[start] != lines[position]:
            start += 1
        while lines[end - 1] != lines[position]:
            end -= 1
    low, high = np.searchsorted(positions, start - NUMBER_MARGIN), np.searchsorted(positions, end + NUMBER_MARGIN)
    if not _has_enough_numbers(problem, low, high, text.values, problems):
        return np.int64(0), np.int64(-1), 0.0
    cosine, last, shared = _best_cosine(problem, start, end, width, text.words.hashes, problems, seen)
    first = max(last - width + 1, start)
    if cosine >= MIN_COSINE and shared >= MIN_SHARED_WEIGHT:
        low, high = (
            np.searchsorted(positions, first - NUMBER_MARGIN),
            np.searchsorted(positions, last + NUMBER_MARGIN + 1),
        )
        size = problems.value_first[problem + 1] - problems.value_first[problem]
        used = np.zeros(MAX_NUMBERS, dtype=np.bool_)
        for length in range(max(size - 1, 1), size + 3):
            for number in range(low, high - length + 1):
                until = number + length - 1
                if text.by_line and (
                    lines[positions[number]] != lines[position] or lines[positions[until]] != lines[position]
                ):
                    continue
                if _fits(problem, number, until, last, cosine, text, problems, used):
                    return np.int64(positions[number]), np.int64(positions[until]), cosine
    return np.int64(0), np.int64(-1), 0.0


@compiled
def _has_enough_numbers(problem: Any, low: Any, high: Any, values: Any, problems: Any) -> Any:
    return has_enough_numbers(problem, low, high, values, problems.value_first, problems.values)


@inlined
def has_enough_numbers(problem: Any, low: Any, high: Any, values: Any, value_first: Any, wanted: Any) -> Any:
    """Return True if enough of a problem's numbers are in `values[low:high]` for an exact comparison."""
    first, last = value_first[problem], value_first[problem + 1]
    present, size = 0, last - first
    for value in range(first, last):
        for number in range(low, high):
            if values[number] == wanted[value]:
                present += 1
                break
    return present >= MIN_JACCARD * size


@compiled
def _best_cosine(problem: Any, start: Any, end: Any, width: Any, hashes: Any, problems: Any, seen: Any) -> Any:
    """Return the greatest cosine between a problem and `width` words in `start:end`.

    Also return the last of those words, and the sum of the weights of the words that they share with the problem.
    """
    inside, own, table, weight = seen[0], seen[1], problems.table, problems.weight
    norm, words, word_first = problems.norm[problem], problems.words, problems.word_first
    known = np.full(end - start, -1, dtype=np.int64)
    for word in range(end - start):
        if may_hold(hashes[start + word], table):
            known[word] = look_up(hashes[start + word], table)
    for word in range(word_first[problem], word_first[problem + 1]):
        own[look_up(words[word], table)] = 1
    shared, total, best, last = 0.0, 0.0, 0.0, np.int64(end - 1)
    common, most = 0.0, 0.0  # sums of the weights of shared words
    for word in range(len(known)):
        entering = known[word]
        if entering >= 0:
            if inside[entering] == 0:
                total += weight[entering] ** 2
                shared += weight[entering] ** 2 * own[entering]
                common += weight[entering] * own[entering]
            inside[entering] += 1
        leaving = known[word - width] if word >= width else np.int64(-1)
        if leaving >= 0:
            inside[leaving] -= 1
            if inside[leaving] == 0:
                total -= weight[leaving] ** 2
                shared -= weight[leaving] ** 2 * own[leaving]
                common -= weight[leaving] * own[leaving]
        if shared > 0 and (word >= width - 1 or word == len(known) - 1):
            cosine = shared / (norm * np.sqrt(max(total, 1e-6)))
            if cosine > best + 1e-6:
                best, last, most = cosine, np.int64(start + word), common
    for word in range(len(known)):
        if known[word] >= 0:
            inside[known[word]] = 0
    for word in range(word_first[problem], word_first[problem + 1]):
        own[look_up(words[word], table)] = 0
    return best, last, most


@compiled
def _fits(problem: Any, number: Any, until: Any, last: Any, cosine: Any, text: Any, problems: Any, used: Any) -> Any:
    """Return True if the numbers `number:until + 1` match a problem's, given the cosine of the words."""
    first_value, last_value = problems.value_first[problem], problems.value_first[problem + 1]
    apart, span, size = text.positions[until] - text.positions[number], problems.span[problem], last_value - first_value
    if 2 * apart + DISTANCE_TOLERANCE < span or apart > 2 * span + DISTANCE_TOLERANCE:
        return False
    values, wanted, equal = text.values, problems.values, 0
    used[:] = False
    for position in range(number, until + 1):
        for value in range(size):
            if not used[value] and wanted[first_value + value] == values[position]:
                used[value] = True
                equal += 1
                break
    if equal < MIN_JACCARD * (until + 1 - number + size - equal):
        return False
    if not is_answered(problems.answer[problem], number, until, last, text):
        least = MIN_COSINE_OTHER_ANSWER if size >= MIN_NUMBERS_OTHER_ANSWER else 2.0
    elif problems.values[last_value - 1] > SMALL * SCALE:
        least = MIN_COSINE
    else:
        least = MIN_COSINE_SMALL if size > 2 else MIN_COSINE_SMALL_PAIR
    return cosine >= least + (0.0 if text.by_line else EXTRA_COSINE_WITHOUT_LINES)


@compiled
def is_answered(answer: Any, number: Any, until: Any, last: Any, text: Any) -> bool:
    """Return True if the final answer is right after or before the question with the numbers `number:until + 1`.

    After the question, the last numbers of its line count; where lines are not documents, all numbers up to
    `ANSWER_DISTANCE` words after `last`.
    """
    lines, values, positions = text.words.lines, text.values, text.positions
    line, end = lines[positions[number]], until + 1
    while end < len(values) and (
        lines[positions[end]] == line if text.by_line else positions[end] <= last + ANSWER_DISTANCE
    ):
        end += 1
    for position in range(max(until + 1, end - ANSWER_NUMBERS) if text.by_line else until + 1, end):
        if values[position] == answer:
            return True
    for position in range(max(0, number - ANSWER_NUMBERS), number):
        if values[position] == answer and (lines[positions[position]] == line or not text.by_line):
            return True
    return False
