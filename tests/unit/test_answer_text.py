"""Thoughts and repetitions are taken out of an answer, exactly as a slow and plain reference does it."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posttrainbench.benchmarks.answer_text import graded_answer, limit_repetitions
from support import examples

MOST = 5


def naive_repetitions(text: str) -> list[tuple[int, int, int]]:
    """(period, start, length) of every longest stretch in which a pattern stands more than five times in a row."""
    found = []
    for period in range(1, len(text) // (MOST + 1) + 1):
        start = 0
        while start < len(text) - period:
            end = start
            while end < len(text) - period and text[end] == text[end + period]:
                end += 1
            length = end - start + period
            shorter = any(period % p == 0 and (s, n) == (start, length) for p, s, n in found if p < period)
            if length >= (MOST + 1) * period and not shorter:
                found.append((period, start, length))
            start = end + 1
    wanted = []
    for period, start, length in found:
        unit = text[start : start + period]
        pattern = period if "\n" in unit else next(k for k in range(period, 5 * period, period) if k >= 3)
        if length >= (MOST + 1) * pattern:
            wanted.append((pattern, start, length))
    return sorted(wanted)


def naive_limit(text: str) -> str:
    text += "\n"
    while found := naive_repetitions(text):
        chosen: list[tuple[int, int, int]] = []
        for period, start, length in found:
            if all(start + length <= s or s + n <= start for _, s, n in chosen):
                chosen.append((period, start, length))
        for period, start, length in sorted(chosen, key=lambda one: -one[1]):
            kept = MOST * period + length % period
            text = text[: start + kept] + text[start + length :]
    return text[:-1]


pieces = st.builds(lambda unit, times: unit * times, st.text("ab \n", min_size=1, max_size=6), st.integers(1, 9))
nested = st.builds(
    lambda parts, times, end: "".join(parts) * times + end,
    st.lists(pieces, min_size=1, max_size=4),
    st.integers(1, 8),
    st.text("ab\n", max_size=4),
)


@settings(max_examples=examples(400))
@given(st.one_of(st.text("ab", max_size=80), st.lists(pieces, max_size=8).map("".join), nested))
@pytest.mark.slow
def test_as_the_reference(text: str) -> None:
    assert limit_repetitions(text) == naive_limit(text)


@settings(max_examples=200)
@given(nested)
def test_nothing_is_left_to_cut(text: str) -> None:
    once = limit_repetitions(text)
    assert naive_repetitions(once + "\n") == []
    assert limit_repetitions(once) == once
    assert len(once) <= len(text)


@settings(max_examples=200)
@given(st.text(max_size=60).filter(lambda text: not naive_repetitions(text + "\n")))
def test_any_other_text_stays(text: str) -> None:
    assert limit_repetitions(text) == text


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("", ""),
        ("ha ha ha ha ha", "ha ha ha ha ha"),
        ("and " * 5, "and " * 5),
        ("and " * 6, "and " * 5),
        ("and " * 400 + "an", "and " * 5 + "an"),
        ("so " * 9 + "it goes " * 9, "so " * 5 + "it goes " * 5),
        ("a line\n" * 5 + "a line", "\n".join(["a line"] * 5)),
        ("a line\n" * 5 + "a line, but longer", "a line\n" * 5 + "a line, but longer"),
        ("one\n\ntwo\n\n" * 8, "one\n\ntwo\n\n" * 5),
        ("x" + "\n" * 9 + "y", "x" + "\n" * 5 + "y"),
        ("1\n" * 9 + "2", "1\n" * 5 + "2"),
        ("-" * 17, "-" * 17),
        ("-" * 80, "-" * 17),
        ("no" * 11, "no" * 11),
        ("no" * 12, "no" * 10),
        ("|---|---|---|---|---|\n", "|---|---|---|---|---|\n"),
        ("x" * 18 + "end " + ("x" * 18 + "end ") * 6, ("x" * 15 + "end ") * 5),
        ("\U0001f600\U0001f601\U0001f602" * 7, "\U0001f600\U0001f601\U0001f602" * 5),
        ("\ud800ab" * 7, "\ud800ab" * 5),
    ],
)
def test_cuts(text: str, cut: str) -> None:
    assert limit_repetitions(text) == cut


def test_a_long_pattern_is_found_in_a_long_text() -> None:
    rng = random.Random(1)
    unit = "".join(rng.choices("abcdefgh \n", k=9000))
    before, after = "".join(rng.choices("xyz", k=500)), "".join(rng.choices("uvw", k=500))
    assert limit_repetitions(f"{before}{unit * 7}{after}") == f"{before}{unit * 5}{after}"


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("  An answer.\n", "An answer."),
        ("<think>hm</think>An answer.", "An answer."),
        ("\n<think>\nhm\n</think>\n\nAn answer.\n", "An answer."),
        ("<think></think>", ""),
        ("<think>one</think> a <think>two</think> b", "a <think>two</think> b"),
        ("<think>never ends", "<think>never ends"),
        ("An answer about <think>tags</think>.", "An answer about <think>tags</think>."),
        ("hm</think>An answer.", "hm</think>An answer."),
        ("<think>" + "so " * 99 + "</think>" + "yes\n" * 9, "yes\nyes\nyes\nyes\nyes"),
        # Five times "yes " and what is left of the next.
        ("yes " * 9, "yes yes yes yes yes yes"),
        ("lone \udc00 surrogate", "lone ? surrogate"),
        ("", ""),
    ],
)
def test_graded_answer(completion: str, answer: str) -> None:
    assert graded_answer(completion) == answer
