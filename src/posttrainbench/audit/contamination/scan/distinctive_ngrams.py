"""Select distinctive n-grams of test items: drop the benchmark's boilerplate and permitted text."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from posttrainbench.audit.contamination.scan.grams import PLAIN, Finder, masked_grams, nameless_grams, plain_grams
from posttrainbench.audit.contamination.scan.item_parts import PROGRAM, Unit
from posttrainbench.audit.contamination.scan.table import make_table
from posttrainbench.audit.contamination.scan.tokens import Hashes, Tokenizer, Words, words, words_of_each

NUMERIC = ("tests", "choices", "answer", "solution")
"""Units that are mostly numbers in a common form, which are not searched for with masked numbers."""

SHARED, SHARED_SHARE = 3, 0.02  # an n-gram of more items (number, and share of all) is not distinctive
BOILERPLATE = 0.25  # a sentence in this share of the items belongs to the benchmark's form
LONGEST = 2000  # words of a unit that are searched for; the rest is ignored

_EMPTY = np.empty(0, dtype=np.uint64)


def all_grams(part: Unit, body: Hashes) -> tuple[Hashes, ...]:
    """Return the distinct n-grams of a unit by kind: plain, masked and nameless; empty for kinds not searched for."""
    if part.kind == PROGRAM:
        data = part.text.encode()
        return _EMPTY, _EMPTY, unique(nameless_grams(data, words(data)))
    masked = _EMPTY if part.kind in NUMERIC else unique(masked_grams(body))
    return unique(plain_grams(body)), masked, _EMPTY


def bodies_of(parts: Sequence[Unit], items: int) -> list[Hashes]:
    """Return the words of each unit, without sentences at its start and end that many items share.

    Args:
        parts: the units.
        items: number of items.
    """
    texts = [found.hashes[:LONGEST] for found in words_of_each([part.text.encode() for part in parts])]
    questions = iter(words_of_each([_by_sentence(part.text) for part in parts if part.kind == "question"]))
    sentences = [_lines(next(questions)) if part.kind == "question" else [] for part in parts]
    counts = Counter(key for parts_of in sentences for key in {part.tobytes() for part in parts_of})
    often = {key for key, count in counts.items() if count >= max(SHARED, BOILERPLATE * items)}
    bodies = []
    for text, pieces in zip(texts, sentences, strict=True):
        start, end = 0, len(pieces)
        while start < end and pieces[start].tobytes() in often:
            start += 1
        while end > start and pieces[end - 1].tobytes() in often:
            end -= 1
        whole = start == end or (start == 0 and end == len(pieces))
        bodies.append(text if whole else np.concatenate(pieces[start:end])[:LONGEST])
    return bodies


def _by_sentence(text: str) -> bytes:
    return text.replace("? ", "?\n").replace(". ", ".\n").replace("! ", "!\n").encode()


def _lines(found: Words) -> list[Hashes]:
    """Return the words of each line."""
    cuts = [0, *(np.flatnonzero(found.lines[1:] != found.lines[:-1]) + 1).tolist(), found.size]
    return [found.hashes[first:last] for first, last in itertools.pairwise(cuts)] if found.size else []


def unique(hashes: Hashes) -> Hashes:
    """Return the different hashes, sorted; faster than `np.unique` for few."""
    if len(hashes) < 2:
        return hashes
    ordered = np.sort(hashes)
    kept = np.empty(len(ordered), dtype=np.bool_)
    kept[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=kept[1:])
    return np.asarray(ordered[kept])


def shared_grams(parts: Sequence[Unit], grams: list[tuple[Hashes, ...]], items: int) -> Hashes:
    """Return the n-grams that too many items contain."""
    of_item: dict[int, list[Hashes]] = {}
    for part, kinds in zip(parts, grams, strict=True):
        of_item.setdefault(part.item, []).extend(kinds)
    everything = np.concatenate([unique(np.concatenate(kinds)) for kinds in of_item.values()] or [_EMPTY])
    distinct, counts = np.unique(everything, return_counts=True)
    return distinct[counts > max(SHARED, SHARED_SHARE * items)]


def permitted_grams(
    texts: Iterable[str], grams: list[tuple[Hashes, ...]], bodies: list[Hashes]
) -> tuple[Hashes, set[int]]:
    """Return the n-grams that occur in permitted texts, and the units that occur there as a whole."""
    wanted = unique(np.concatenate([kind for kinds in grams for kind in kinds] or [_EMPTY]))
    begin: dict[int, list[int]] = {}
    for number, body in enumerate(bodies):
        if len(body) >= PLAIN.size:
            begin.setdefault(int(np.searchsorted(wanted, plain_grams(body)[0])), []).append(number)
    begins = np.array(sorted(begin), dtype=np.int32)
    known = np.zeros(len(wanted), dtype=bool)
    whole: set[int] = set()
    split, find = Tokenizer(), Finder(make_table(wanted), programs=True)
    for text in texts:
        data = text.encode("utf-8", "replace")
        tokens = split(data)
        hashes, hits = tokens.hashes, find(data, tokens)
        known[hits.grams] = True
        for position in np.flatnonzero(np.isin(hits.grams, begins)):
            start = int(hits.first[position])
            for number in begin[int(hits.grams[position])]:
                body = bodies[number]
                if np.array_equal(hashes[start : start + len(body)], body):
                    whole.add(number)
    return wanted[known], whole


def anchor(body: Hashes, common: Hashes) -> int:
    """Return the position of the n-gram to look up: a distinctive one if possible, and not the first or last."""
    everything = plain_grams(body)
    poor = among(everything, common) * 1
    poor[0] += 2
    poor[-1] += 2
    return int(np.argmin(poor))


def among(values: Hashes, known: Hashes) -> NDArray[np.bool_]:
    """Return a mask of the values that are in `known`, which is sorted."""
    if not len(known):
        return np.zeros(len(values), dtype=bool)
    return np.asarray(known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values)
