"""Search a text for paraphrased word problems; `paraphrase_index` defines the tests."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.numerals import Values, numbers_in
from posttrainbench.audit.contamination.scan.paraphrase_index import (
    DISTANCE_TOLERANCE,
    MAX_NUMBERS,
    MIN_NUMBERS_WORDLESS,
    MIN_WEIGHT_SHARE,
    NUMBERS,
    REWORDING,
    Problems,
    mix_value,
)
from posttrainbench.audit.contamination.scan.similarity_kernel import (
    NUMBER_MARGIN,
    compare,
    has_enough_numbers,
    is_answered,
)
from posttrainbench.audit.contamination.scan.table import look_up, number_of
from posttrainbench.audit.contamination.scan.tokens import Numbers, Words

METHODS = (REWORDING, NUMBERS)
CAPACITY = 2**14


class ParaphraseMatches(NamedTuple):
    """Problems found in a text, as arrays over matches.

    Attributes:
        problem: the problem.
        method: index into `METHODS`.
        first: word of its first number.
        last: word of its last number.
        score: cosine of the rare words; 1 for `numbers`.
    """

    problem: Numbers
    method: Numbers
    first: Numbers
    last: Numbers
    score: NDArray[np.float32]


class Text(NamedTuple):
    """A text's words and numbers.

    Attributes:
        words: the words.
        by_line: whether each line is a document of its own.
        values: the numbers.
        positions: the word at which each number begins.
    """

    words: Words
    by_line: bool
    values: Values
    positions: Numbers


class _Counts(NamedTuple):
    """State per problem while a text is read: as in `score`, with weights of rare words instead of counts of n-grams.

    `word` is the rare word seen last, plus one; `enough` is the weight from which a problem is compared.
    """

    line: Numbers
    stretch: Numbers
    tried: Numbers
    done: Numbers
    word: Numbers
    before: NDArray[np.float32]
    inside: NDArray[np.float32]
    enough: NDArray[np.float64]


class ParaphraseFinder:
    """Searches texts for paraphrased problems, reusing its memory. Use one for each thread."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._memory = np.zeros((5, len(problems.unit)), dtype=np.int32)
        self._weights = np.zeros((2, len(problems.unit)), dtype=np.float32)
        self._enough = MIN_WEIGHT_SHARE * problems.norm.astype(np.float64) ** 2
        self._seen = np.zeros((2, len(problems.weight)), dtype=np.int32)
        rows = np.empty((4, CAPACITY), dtype=np.int32)
        self._out = ParaphraseMatches(rows[0], rows[1], rows[2], rows[3], np.empty(CAPACITY, dtype=np.float32))

    def __call__(self, data: bytes, words: Words, by_line: bool) -> ParaphraseMatches:
        """Return the problems found in a text; the arguments are those of `score.Scorer`."""
        text, out, size = Text(words, by_line, *numbers_in(data, words)), self._out, 0
        if len(text.values) >= 2:
            self._memory[:] = 0
            self._weights[:] = 0
            line, stretch, tried, done, word = self._memory
            counts = _Counts(line, stretch, tried, done, word, self._weights[0], self._weights[1], self._enough)
            size = _find_paraphrases(text, self._problems, counts, self._seen, out)
            if by_line:
                size = _find_equal_numbers(text, self._problems, out, size)
        return ParaphraseMatches(
            out.problem[:size], out.method[:size], out.first[:size], out.last[:size], out.score[:size]
        )


@compiled
def _find_paraphrases(text: Any, problems: Any, counts: Any, seen: Any, out: Any) -> Any:
    # Tuples are unpacked outside the loop, because each access costs reference counting.
    hashes, lines, table, by_line = text.words.hashes, text.words.lines, problems.rare_table, text.by_line
    rare_word, rare_first, rare = problems.rare_word, problems.rare_first, problems.rare
    widths, weights, value_first, wanted = problems.width, problems.weight, problems.value_first, problems.values
    positions, values = text.positions, text.values
    line_of, stretch_of, tried, done, last_word, before, inside, enough_of = counts
    bits, shift, keys, numbers = table.bits, np.uint64(table.shift), table.keys, table.numbers
    size, number = 0, 0
    for position in range(len(hashes)):
        place = hashes[position] >> shift
        if not bits[place >> np.uint64(3)] >> np.uint8(place & np.uint64(7)) & 1:
            continue
        rare_number = number_of(hashes[position], keys, numbers)
        if rare_number < 0:
            continue
        word = rare_word[rare_number]
        weight, line = weights[word] * weights[word], lines[position] + 1 if by_line else 1
        for entry in range(rare_first[rare_number], rare_first[rare_number + 1]):
            problem = rare[entry]
            stretch = np.uint32(position) // np.uint32(widths[problem]) + np.uint32(2)  # 64 bits take twice as long
            if line_of[problem] != line:
                line_of[problem], stretch_of[problem] = line, stretch
                tried[problem] = done[problem] = last_word[problem] = 0
                before[problem] = inside[problem] = 0
            elif stretch_of[problem] != stretch:
                before[problem] = inside[problem] if stretch_of[problem] == stretch - 1 else 0
                inside[problem], stretch_of[problem] = 0, stretch
            if last_word[problem] != word + 1:
                inside[problem] += weight
            last_word[problem] = word + 1
            enough = enough_of[problem]
            if before[problem] + inside[problem] < enough or position < done[problem] or size >= CAPACITY:
                continue
            if tried[problem] == stretch or (tried[problem] == stretch - 1 and inside[problem] < enough):
                continue
            tried[problem] = stretch
            while number < len(positions) and positions[number] < position:
                number += 1
            low, high, reach = number, number, widths[problem] + NUMBER_MARGIN
            while low > 0 and positions[low - 1] >= position - reach:
                low -= 1
            while high < len(positions) and positions[high] < position + reach:
                high += 1
            if not has_enough_numbers(problem, low, high, values, value_first, wanted):
                continue
            first, last, cosine = compare(position, problem, text, problems, seen)
            if last >= 0:
                out.problem[size], out.method[size], out.first[size], out.last[size] = problem, 0, first, last
                out.score[size] = cosine
                done[problem] = last
                size += 1
    return size


@compiled
def _find_equal_numbers(text: Any, problems: Any, out: Any, size: Any) -> Any:
    """Append the problems of which exactly the numbers occur together, in one line with the answer."""
    lines, values, positions = text.words.lines, text.values, text.positions
    table, owner, value_first, spans = (
        problems.multisets,
        problems.multiset_problem,
        problems.value_first,
        problems.span,
    )
    for length in range(MIN_NUMBERS_WORDLESS, MAX_NUMBERS + 1):
        total = np.uint64(0)
        for number in range(len(values)):
            total += mix_value(values[number])
            if number >= length:
                total -= mix_value(values[number - length])
            first = number - length + 1
            if first < 0 or lines[positions[first]] != lines[positions[number]]:
                continue
            known = look_up(total, table)
            if known < 0 or size >= CAPACITY:
                continue
            problem = owner[known]
            if value_first[problem + 1] - value_first[problem] != length:
                continue
            apart, span = positions[number] - positions[first], spans[problem]
            if 2 * apart + DISTANCE_TOLERANCE < span or apart > 2 * span + DISTANCE_TOLERANCE:
                continue
            if is_answered(problems.answer[problem], first, number, positions[number], text):
                out.problem[size], out.method[size], out.score[size] = problem, 1, 1.0
                out.first[size], out.last[size] = positions[first], positions[number]
                size += 1
    return size
