"""Which test questions occur in a sequence of words: exactly, or by the share of their word n-grams.

Facts behind the constants: n-gram containment of 0.8 on the question alone finds renamed and lightly edited
items; whatever also stands in the legal train split says nothing, and neither does what several test items
share.
"""

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from posttrainbench.audit.normalise import words
from posttrainbench.benchmarks import Item

LONG = 40  # words from which a question is matched by 8-grams, else by 5-grams
LONG_NGRAM, SHORT_NGRAM = 8, 5
CONTAINMENT = 0.8
MIN_INFORMATIVE = 4  # n-grams, below which only the exact comparison speaks
MIN_WORDS = 8  # of a question; shorter ones would be found by chance
COMMON = 3  # items that share an n-gram from which on it says nothing
BOILERPLATE = 0.25  # share of the items that hold a sentence from which on it belongs to the benchmark's form

Gram = tuple[bytes, ...]


@dataclass(frozen=True)
class Match:
    """Words `start:end` hold question number `item`, that is `share` of its n-grams (1 when exact)."""

    item: int
    start: int
    end: int
    share: float
    exact: bool


@dataclass
class _Question:
    body: Gram
    size: int
    informative: int = 0


@dataclass
class _Posting:
    """The questions that a gram is informative for, and those (with its offset) that it anchors."""

    informative: list[int] = field(default_factory=list)
    anchors: list[tuple[int, int]] = field(default_factory=list)


class QuestionIndex:
    """An index over test questions.

    Attributes:
        unmatched: items that cannot be told from legal text: too short, or wholly in the train split.
        endings: the word sequences of the sentences that many questions share.
        longest: bytes of the longest question.
    """

    def __init__(self, test_items: Sequence[Item], legal_items: Sequence[Item]) -> None:
        sentences = [[tuple(words(part.encode())) for part in _sentences(item.question)] for item in test_items]
        counts = Counter(itertools.chain.from_iterable(set(parts) for parts in sentences))
        often = max(COMMON, BOILERPLATE * len(test_items))
        self.endings = {part for part, count in counts.items() if part and count >= often}
        self.longest = max((len(item.question.encode()) for item in test_items), default=0)
        self.unmatched: list[str] = []
        self._legal: frozenset[int] = frozenset()
        self._tables: dict[int, dict[Gram, _Posting]] = {}

        bodies = [_strip(parts, self.endings) for parts in sentences]
        sizes = [LONG_NGRAM if len(body) >= LONG else SHORT_NGRAM for body in bodies]
        holders = Counter(gram for body, size in zip(bodies, sizes, strict=True) for gram in set(_grams(body, size)))
        legal = _legal_grams(legal_items, holders, set(sizes))
        self._questions: list[_Question] = []
        known_parts = False
        for number, (body, size) in enumerate(zip(bodies, sizes, strict=True)):
            grams = dict.fromkeys(_grams(body, size))
            own = [gram for gram in grams if gram not in legal]
            self._questions.append(question := _Question(body, size))
            if len(body) < MIN_WORDS:
                self.unmatched.append(test_items[number].id)
                continue
            known_parts |= not own
            table = self._tables.setdefault(size, {})
            # The rarest gram that holds neither end of the question: its ends may be glued to their
            # neighbours.
            offset = min(range(len(body) - size + 1), key=lambda i: self._anchor_rank(i, body, size, legal, holders))
            table.setdefault(body[offset : offset + size], _Posting()).anchors.append((number, offset))
            informative = [gram for gram in own if holders[gram] < COMMON]
            if len(informative) >= MIN_INFORMATIVE:
                question.informative = len(informative)
                for gram in informative:
                    table.setdefault(gram, _Posting()).informative.append(number)
        if known_parts:  # each of its n-grams is in the train split somewhere; is it there as a whole?
            whole = {match.item for item in legal_items for match in self.matches(words(item.question.encode()))}
            self.unmatched += [test_items[number].id for number in sorted(whole)]
            self._legal = frozenset(whole)

    @staticmethod
    def _anchor_rank(
        offset: int, body: Gram, size: int, legal: set[Gram], holders: Counter[Gram]
    ) -> tuple[bool, bool, int]:
        gram = body[offset : offset + size]
        at_an_end = offset == 0 or offset + size == len(body)
        return at_an_end and len(body) > size + 1, gram in legal, holders[gram]

    def matches(self, text: Sequence[bytes]) -> list[Match]:
        """Every occurrence of a test question in the words of `text`, in order of their start."""
        exact: set[Match] = set()
        hits: dict[int, list[tuple[int, Gram]]] = {}
        for size, table in self._tables.items():
            # The whole filter runs in C; nearly every position falls through it.
            known = map(table.__contains__, _grams(text, size))
            for position in itertools.compress(itertools.count(), known):
                gram = tuple(text[position : position + size])
                posting = table[gram]
                for number, offset in posting.anchors:
                    if self._stands_at(text, position - offset, self._questions[number].body):
                        start = position - offset
                        exact.add(Match(number, start, start + len(self._questions[number].body), 1.0, True))
                for number in posting.informative:
                    hits.setdefault(number, []).append((position, gram))
        found = set(exact)
        exactly_found = {match.item for match in exact}
        for number, positions in hits.items():
            if number not in exactly_found:
                found.update(self._contained(number, positions, text))
        if self._legal:
            found = {match for match in found if match.item not in self._legal}
        return sorted(found, key=lambda match: (match.start, match.item))

    @staticmethod
    def _stands_at(text: Sequence[bytes], start: int, body: Gram) -> bool:
        end = start + len(body)
        if start < 0 or end > len(text) or tuple(text[start + 1 : end - 1]) != body[1:-1]:
            return False
        # Arrow files hold strings without anything between them, so that the outer words run into their
        # neighbours.
        first, last = text[start], text[end - 1]
        before = first == body[0] or (not body[0].isdigit() and first.endswith(body[0]))
        return before and (last == body[-1] or (not body[-1].isdigit() and last.startswith(body[-1])))

    def _contained(self, number: int, hits: list[tuple[int, Gram]], text: Sequence[bytes]) -> Iterator[Match]:
        """Stretches of about twice the question's length that hold enough of its n-grams, informative ones
        and all.

        The informative ones alone would do too little: another question from the same template, with the same
        name or function in it, often has all of the few.
        """
        question = self._questions[number]
        needed = math.ceil(CONTAINMENT * question.informative)
        if len(hits) < needed:
            return
        width = 2 * len(question.body) + 16
        inside: Counter[Gram] = Counter()
        left = 0
        for right, (position, gram) in enumerate(hits):
            inside[gram] += 1
            while position - hits[left][0] > width:
                old = hits[left][1]
                inside[old] -= 1
                if not inside[old]:
                    del inside[old]
                left += 1
            if len(inside) >= needed:
                start, end = hits[left][0], position + question.size
                around = text[max(start - len(question.body), 0) : end + len(question.body)]
                grams = set(_grams(question.body, question.size))
                share = len(grams.intersection(_grams(around, question.size))) / len(grams)
                if share < CONTAINMENT:
                    continue
                yield Match(number, start, end, share, False)
                inside.clear()
                left = right + 1


def _sentences(question: str) -> list[str]:
    return re.split(r"\n+|(?<=[.!?])\s+", question)


def _strip(sentences: list[Gram], boilerplate: set[Gram]) -> Gram:
    """A question without the shared sentences at its two ends, or whole if there is nothing else."""
    kept = [part for part in sentences if part]
    while kept and kept[0] in boilerplate:
        kept.pop(0)
    while kept and kept[-1] in boilerplate:
        kept.pop()
    return tuple(itertools.chain.from_iterable(kept or sentences))


def _grams(text: Sequence[bytes], size: int) -> Iterator[Gram]:
    return zip(*(itertools.islice(text, start, None) for start in range(size)), strict=False)


def _legal_grams(items: Iterable[Item], known: Counter[Gram], sizes: set[int]) -> set[Gram]:
    legal: set[Gram] = set()
    for item in items:
        text = words(f"{item.question}\n{item.answer}".encode())
        for size in sizes:
            legal.update(gram for gram in _grams(text, size) if gram in known)
    return legal
