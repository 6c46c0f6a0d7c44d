"""Prepare the agent's text for a judge: invisible characters become escapes."""

import re
import unicodedata
from itertools import islice
from pathlib import Path

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
KEPT = "\n\t"
SPACES = re.compile(r"\s+")


def visible(text: str) -> str:
    r"""Return the text with control, format and unassigned characters as escapes, such as `\u200b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in KEPT or unicodedata.category(c) not in HIDDEN else c.encode("unicode_escape").decode() for c in text
    )


def normal(text: str) -> str:
    """Return the text for comparison: as `visible`, with runs of white space as one space."""
    return SPACES.sub(" ", visible(text)).strip()


def read_lines(path: Path, first: int, count: int) -> list[str]:
    """Return `count` lines of a file from line `first` (1-based); only line feeds end a line, as in other tools."""
    with path.open("rb") as file:
        return [line.decode("utf-8", "replace").rstrip("\n") for line in islice(file, first - 1, first - 1 + count)]


def count_lines(path: Path) -> int:
    """Return the number of lines of a file."""
    with path.open("rb") as file:
        return sum(1 for _ in file)
