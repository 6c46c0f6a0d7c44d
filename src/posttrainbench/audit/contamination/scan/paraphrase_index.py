"""Index of word problems, to find paraphrases and translations that keep the numbers and the answer.

There are two tests, for items with a question in words and a number as answer:

* `rewording`: similar rare words (cosine of their inverse document frequencies within a stretch about as long as the
  question), enough of them that unrelated text does not share them by chance, at least three quarters of the numbers
  equal, and the same final answer. Problems with few or only small numbers need more similar words, and those with
  another final answer nearly the same words.
* `numbers`: exactly the same numbers, at least four, and the same final answer, whatever the words. One such document
  means little; the test counts them over a whole corpus.

The thresholds were set on permitted sets of word problems; see docs/contamination.md.
"""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.distinctive_ngrams import among, unique
from posttrainbench.audit.contamination.scan.item_parts import Unit
from posttrainbench.audit.contamination.scan.jit import compiled
from posttrainbench.audit.contamination.scan.numerals import SCALE, Values, numbers_in
from posttrainbench.audit.contamination.scan.table import Table, make_table
from posttrainbench.audit.contamination.scan.tokens import Hashes, Numbers, words, words_of_each

REWORDING, NUMBERS = "rewording", "numbers"
MIN_JACCARD = 0.75
"""Minimum Jaccard index of the multisets of numbers."""

MIN_COSINE, MIN_COSINE_SMALL, MIN_COSINE_SMALL_PAIR, MIN_COSINE_OTHER_ANSWER = 0.25, 0.36, 0.45, 0.65
"""Minimum cosine of the rare words: with the same answer; the same if no number is above `SMALL`; the same if there are
only two numbers; with another answer."""

EXTRA_COSINE_WITHOUT_LINES = 0.15
"""Added to the minimum where lines are not documents, because the answer may then belong to another problem."""

MIN_SHARED_WEIGHT = 12.0
"""Minimum sum of the weights of the different words that a paraphrase shares with the question. If words occurred
independently, unrelated text would contain all of them with a probability of at most exp(-12)."""

MIN_RARE_WORDS = 4  # informative words of a question; with fewer it may come from a template
SMALL = 12  # numbers up to this are common
MIN_LARGE_NUMBERS = 2  # numbers above `SMALL` that `numbers` requires
MIN_NUMBERS, MIN_NUMBERS_OTHER_ANSWER, MIN_NUMBERS_WORDLESS = 2, 3, 4  # in the question
INFORMATIVE, RARE, MAX_ITEMS_PER_RARE_WORD = 0.05, 0.01, 16
"""Largest share of the items that contain an informative word, and a rare word; largest number of items that contain a
rare word."""
MIN_WEIGHT_SHARE = 0.15  # share of a question's weight that rare words must reach before an exact comparison
MIN_PROBLEMS = 100  # with fewer problems, rare words cannot be determined
ANSWER_NUMBERS = 3  # last numbers of a document that may be the final answer
ANSWER_DISTANCE = 200  # words after a question that may contain it, where lines are not documents
WIDTH = 1.3  # length of a stretch, relative to the question
MAX_NUMBERS = 12
DISTANCE_TOLERANCE = 6  # words added to the allowed range of distances between numbers, half to twice the original
_FINAL_WORDS = 3  # last words of an answer, which must contain its number


class Problems(NamedTuple):
    """The word problems among test items, as arrays over problems.

    Attributes:
        unit: the question's unit.
        width: number of words of the stretches that it is compared with.
        span: number of words from its first to its last number.
        norm: Euclidean norm of its weights.
        answer: the final answer, in units of `numerals.SCALE`.
        value_first: start of its numbers in `values`; shape (problems + 1,).
        values: the numbers, sorted within each problem.
        word_first: start of its words in `words`; shape (problems + 1,).
        words: hashes of the informative words, sorted within each problem.
        table: the informative words of all problems.
        weight: inverse document frequency of each word of the table.
        rare_table: the rare words.
        rare_word: rare word -> word of the table.
        rare_first: rare word -> start of its problems in `rare`.
        rare: the problems that contain each rare word.
        multisets: sums of the mixed values, which stand for multisets of numbers, for `numbers`.
        multiset_problem: multiset -> problem.
    """

    unit: Numbers
    width: Numbers
    span: Numbers
    norm: NDArray[np.float32]
    answer: Values
    value_first: Numbers
    values: Values
    word_first: Numbers
    words: Hashes
    table: Table
    weight: NDArray[np.float32]
    rare_table: Table
    rare_word: Numbers
    rare_first: Numbers
    rare: Numbers
    multisets: Table
    multiset_problem: Numbers


@dataclass(frozen=True)
class _Problem:
    unit: int
    size: int
    span: int
    words: Hashes
    values: Values
    answer: int


def find_problems(units: Sequence[Unit], answers: Sequence[str], excluded: Collection[int] = ()) -> Problems | None:
    """Return the word problems among test items, or None if there are too few.

    Args:
        units: the units of the items.
        answers: the reference answer of each item.
        excluded: units to leave out.
    """
    problems: list[_Problem] = []
    letters = np.sort(words(b"a b c d e f g h i j k l m n o p q r s t u v w x y z").hashes)
    chosen = [
        number
        for number, unit in enumerate(units)
        if unit.kind == "question" and "def " not in unit.text and number not in excluded
    ]
    questions = [units[number].text.encode() for number in chosen]
    finals = [answers[units[number].item].encode() for number in chosen]
    for number, data, text, answer, answer_words in zip(
        chosen, questions, words_of_each(questions), finals, words_of_each(finals), strict=True
    ):
        values, positions = numbers_in(data, text)
        final, at = numbers_in(answer, answer_words)
        if (
            MIN_NUMBERS <= len(values) <= MAX_NUMBERS
            and len(final)
            and at[-1] >= answer_words.size - _FINAL_WORDS
            and text.size >= 12
        ):
            hashes = text.hashes[(text.hashes & np.uint64(1) == 0) & ~among(text.hashes, letters)]
            problems.append(
                _Problem(
                    number,
                    text.size,
                    int(positions[-1] - positions[0]),
                    unique(hashes),
                    np.sort(values),
                    int(final[-1]),
                )
            )
    if len(problems) < MIN_PROBLEMS:
        return None
    return _problems(problems)


def _problems(problems: list[_Problem]) -> Problems | None:
    counts = Counter(int(word) for problem in problems for word in problem.words)
    informative = np.array(
        sorted(word for word, count in counts.items() if count <= INFORMATIVE * len(problems)), dtype=np.uint64
    )
    weight = np.array([math.log(len(problems) / counts[int(word)]) for word in informative], dtype=np.float32)
    problems = [replace(problem, words=problem.words[among(problem.words, informative)]) for problem in problems]
    problems = [problem for problem in problems if len(problem.words) >= MIN_RARE_WORDS]
    if len(problems) < MIN_PROBLEMS:
        return None
    chosen = [problem.words for problem in problems]
    norms = [float(np.sqrt((weight[np.searchsorted(informative, hashes)] ** 2).sum())) or 1.0 for hashes in chosen]
    rare: list[list[int]] = [[] for _ in informative]
    for problem, hashes in enumerate(chosen):
        for position in np.searchsorted(informative, hashes):
            if counts[int(informative[position])] <= min(RARE * len(problems), MAX_ITEMS_PER_RARE_WORD):
                rare[int(position)].append(problem)
    lookups = np.array([word for word, owners in enumerate(rare) if owners], dtype=np.int64)
    wordless = {
        number: int(_sum_of(problem.values))
        for number, problem in enumerate(problems)
        if len(problem.values) >= MIN_NUMBERS_WORDLESS
        and (np.unique(problem.values) > SMALL * SCALE).sum() >= MIN_LARGE_NUMBERS
    }
    multisets = np.array(sorted(set(wordless.values())), dtype=np.uint64)
    owner = {key: problem for problem, key in wordless.items()}
    return Problems(
        unit=np.array([problem.unit for problem in problems], dtype=np.int32),
        width=np.array([int(WIDTH * problem.size) + 8 for problem in problems], dtype=np.int32),
        span=np.array([problem.span for problem in problems], dtype=np.int32),
        norm=np.array(norms, dtype=np.float32),
        answer=np.array([problem.answer for problem in problems], dtype=np.int64),
        value_first=_firsts([len(problem.values) for problem in problems]),
        values=np.concatenate([problem.values for problem in problems]),
        word_first=_firsts([len(hashes) for hashes in chosen]),
        words=np.concatenate(chosen),
        table=make_table(informative),
        weight=weight,
        rare_table=make_table(informative[lookups]),
        rare_word=lookups.astype(np.int32),
        rare_first=_firsts([len(rare[word]) for word in lookups]),
        rare=np.array([problem for word in lookups for problem in rare[word]], dtype=np.int32),
        multisets=make_table(multisets),
        multiset_problem=np.array([owner[int(key)] for key in multisets], dtype=np.int32),
    )


def _firsts(lengths: list[int]) -> Numbers:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)


@compiled
def mix_value(value: Any) -> Any:
    """Mix a value into 64 bits, so that the sum over values identifies their multiset."""
    mixed = np.uint64(value) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(32)
    mixed = mixed * np.uint64(0xD6E8FEB86659FD93)
    return mixed ^ (mixed >> np.uint64(29))


@compiled
def _sum_of(values: Any) -> Any:
    total = np.uint64(0)
    for value in values:
        total += mix_value(value)
    return total
