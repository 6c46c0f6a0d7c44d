"""Text of an agent as a judge sees it: every character that a reader would not see is written out."""

import re
import unicodedata
from itertools import islice
from pathlib import Path

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
KEPT = "\n\t"
SPACES = re.compile(r"\s+")


def visible(text: str) -> str:
    r"""The text with control, format and unassigned characters as escapes, such as `\u200b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in KEPT or unicodedata.category(c) not in HIDDEN else c.encode("unicode_escape").decode() for c in text
    )


def normal(text: str) -> str:
    """The text for comparison: as shown, runs of white space as one space."""
    return SPACES.sub(" ", visible(text)).strip()


def read_lines(path: Path, first: int, count: int) -> list[str]:
    """Lines of a file, from number `first` (from 1); cut at line feeds alone, as every tool counts them."""
    with path.open("rb") as file:
        return [line.decode("utf-8", "replace").rstrip("\n") for line in islice(file, first - 1, first - 1 + count)]


def count_lines(path: Path) -> int:
    """How many lines a file has."""
    with path.open("rb") as file:
        return sum(1 for _ in file)
