import random

import numpy as np
import pytest

from posttrainbench.audit.contamination.scan import grams, tokens
from posttrainbench.audit.contamination.scan.grams import Finder, masked_grams, nameless_grams, plain_grams
from posttrainbench.audit.contamination.scan.table import look_up, make_table, may_hold


def text_of(size: int, seed: int = 0) -> bytes:
    rng = random.Random(seed)
    return " ".join(
        rng.choice(("red", "blue", "tall", "7", "12", "seven", "house", "sun")) for _ in range(size)
    ).encode()


@pytest.mark.parametrize("size", [0, 1, 100, 5000])
def test_a_table_knows_its_hashes_and_no_others(size: int) -> None:
    values = np.unique(np.random.default_rng(size).integers(1, 2**63, 2 * size, dtype=np.uint64))
    table = make_table(values[::2])
    assert [look_up(value, table) for value in values[::2]] == list(range(len(values[::2])))
    assert all(look_up(value, table) == -1 for value in values[1::2])
    assert all(may_hold(value, table) for value in values[::2])


@pytest.mark.parametrize("size", [3, 5, 50, 3 * grams._BLOCK + 17])
def test_plain_grams_are_equal_exactly_where_the_words_are(size: int) -> None:
    text = text_of(size)
    words = text.split()
    expected = [tuple(words[place : place + 5]) for place in range(max(len(words) - 4, 0))]
    found = plain_grams(tokens.words(text).hashes).tolist()
    assert len(found) == len(expected)
    assert len(set(found)) == len(set(expected)) == len(set(zip(found, expected, strict=True)))


def test_masked_grams_ignore_numbers_and_only_numbers() -> None:
    one = tokens.words(b"Ann sells 16 eggs for 2 dollars and keeps three in a box of 80,000").hashes
    other = tokens.words(b"Ann sells seven eggs for 1,250 dollars and keeps 9 in a box of 5").hashes
    changed = tokens.words(b"Ann sells 16 eggs for 2 dollars and keeps many in a box of 80,000").hashes
    assert masked_grams(one).tolist() == masked_grams(other).tolist() != []
    assert set(masked_grams(one).tolist()).isdisjoint(masked_grams(changed)[-1:].tolist())


def test_nameless_grams_ignore_names_and_nothing_else() -> None:
    def of(text: str) -> list[int]:
        data = text.encode()
        return nameless_grams(data, tokens.words(data)).tolist()

    program = (
        "def {f}({a}, {b}):\n    for {c} in range(len({a})):\n        if {a}[{c}] == {b}:\n            return {c} + 1\n"
        "    return {b}"
    )
    one = of(program.format(f="find_it", a="values", b="wanted", c="i"))
    assert one == of(program.format(f="x9", a="my_list_of_things", b="q", c="position")) != []
    assert one != of(program.format(f="x9", a="values", b="values", c="position"))
    assert one != of(program.format(f="x9", a="a", b="b", c="c").replace("+ 1", "+ 2"))
    assert of("the quick brown fox jumps over a lazy dog again and again every day of its long life") == []


def test_a_finder_reports_each_known_gram_with_its_words() -> None:
    text = text_of(2 * grams._BLOCK + 100, seed=1)
    words = tokens.words(text)
    mine = plain_grams(words.hashes)
    known = np.unique(mine[::7])
    hits = Finder(make_table(known))(text, words)
    expected = [place for place, gram in enumerate(mine.tolist()) if gram in set(known.tolist())]
    assert hits.first.tolist() == expected
    assert (hits.last - hits.first == 4).all()
    assert [int(known[number]) for number in hits.grams] == mine[expected].tolist()


def test_masked_hits_span_runs_of_numbers() -> None:
    text = b"we paid 1 2 3 coins for the old boat on that day"
    words = tokens.words(text)
    hits = Finder(make_table(np.unique(masked_grams(words.hashes))))(text, words)
    assert hits.first.tolist() == [0, 1, 2, 5]
    assert hits.last.tolist() == [9, 10, 11, 12]
