"""Hostile text becomes one harmless line."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posttrainbench.report.text import plain


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("", ""),
        ("two\n lines\tand\r\nmore", "two lines and more"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1b]0;evidence in a title\x07", "0;evidence in a title"),
        ("\x1b]never ended", "never ended"),
        ("\x1b\x1b[[31mnested", "31mnested"),
        ("a\x00b\x08c\x7fd\x85e", "abcd e"),
        ("\u202eabc\u202c \u2066d\u2069\u200f", "abc d"),
        ("zero\u200bwidth\u2060\ufeff", "zerowidth"),
        ("line\u2028separators\u2029", "line separators"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("a" + "\u0301" * 50, "a\u0301\u0301"),
        ("Straße 東京 مرحبا 😀 2 × 3 = 6", "Straße 東京 مرحبا 😀 2 × 3 = 6"),
        ("[bold]markup[/bold] <b>stays</b>", "[bold]markup[/bold] <b>stays</b>"),
    ],
)
def test_cases(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_length_is_bounded_and_a_cut_is_shown() -> None:
    assert plain("a" * 200) == "a" * 200
    assert plain("a" * 201) == "a" * 199 + "…"
    assert plain("\u200b" * 10_000 + "hidden", 10).endswith("…")
    start = time.perf_counter()
    assert len(plain("\x1b[" * 5_000_000, 100)) <= 100
    assert time.perf_counter() - start < 1


@given(st.text(alphabet=st.characters(), max_size=300) | st.text(alphabet="\x1b[]m0;\x9b\u202e ab\n", max_size=60))
def test_any_text(text: str) -> None:
    shown = plain(text, 50)
    assert len(shown) <= 50
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert shown.strip() == shown
    shown.encode()
    assert plain(shown, 50) == shown
