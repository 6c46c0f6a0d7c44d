"""Highlighting of shared words."""

from hypothesis import given
from hypothesis import strategies as st

from posttrainbench.report.overlap import overlap


def shared(text: str, item: str) -> tuple[list[str], list[str]]:
    left, right = overlap(text, item)
    return [piece.text for piece in left if piece.shared], [piece.text for piece in right if piece.shared]


def test_common_words_are_marked_without_the_space_around() -> None:
    left, right = shared('{"q": "Mara has 14  boxes, how many"}', "mara has 14 boxes. How many pens?")
    assert left == ["Mara has 14  boxes", "how many"]
    assert right == ["mara has 14 boxes", "How many"]


def test_short_or_no_overlap() -> None:
    assert shared("a b", "a b") == ([], [])
    assert shared("entirely", "different") == ([], [])
    assert overlap("", "") == ([], [])


@given(st.text(max_size=80), st.text(max_size=80))
def test_nothing_is_lost(text: str, item: str) -> None:
    left, right = overlap(text, item)
    assert "".join(piece.text for piece in left) == text
    assert "".join(piece.text for piece in right) == item
