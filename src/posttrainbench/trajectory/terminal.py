"""Make text that an agent printed safe for a terminal, line by line, with its indentation.

Covers: escape sequences and control characters, characters that reorder or hide text, stacked combining marks,
unbounded length. Does not cover: look-alike letters.
"""

import re
import unicodedata
from collections.abc import Sequence

LINE_CHARACTERS = 2000
_BREAKS = re.compile(r"\r\n|\n|\r")
# Color and cursor sequences are removed completely. Of other sequences only the introducer is removed, so that text
# hidden in a title or a link becomes visible.
_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]")
_MARKS = 2


def printable(line: str) -> str:
    """Return the printable characters of a line, truncated with an ellipsis if it is too long."""
    text = line[: 4 * LINE_CHARACTERS]
    if not (text.isascii() and text.isprintable()):
        text = "".join(_characters(_SEQUENCE.sub("", text).expandtabs(4)))
    if len(text) > LINE_CHARACTERS or len(line) > 4 * LINE_CHARACTERS:
        return text[: LINE_CHARACTERS - 1] + "…"
    return text


def _characters(text: str) -> list[str]:
    result: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if character.isprintable():
            if marks <= _MARKS:
                result.append(character)
        elif character.isspace():
            result.append(" ")
    return result


def printable_lines(text: str) -> list[str]:
    """Return the printable lines of a text; carriage returns, as in progress bars, also separate lines."""
    return [printable(line) for line in _BREAKS.split(text.rstrip())]


def excerpt(lines: Sequence[str], head: int, tail: int, pattern: re.Pattern[str] | None = None) -> list[str]:
    """Return the first and last lines and those that match `pattern`; omitted lines are replaced by their count."""
    if len(lines) <= head + tail + 1:
        return list(lines)
    selected: list[str] = []
    omitted = 0
    for index, line in enumerate(lines):
        if index < head or index >= len(lines) - tail or (pattern is not None and pattern.search(line)):
            if omitted:
                selected.append(f"… {omitted} lines")
                omitted = 0
            selected.append(line)
        else:
            omitted += 1
    if omitted:
        selected.append(f"… {omitted} lines")
    return selected
