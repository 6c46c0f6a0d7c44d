"""Make text written by an agent safe to display, and format numbers.

Covered: terminal escape sequences and control characters; characters that reorder, hide or replace what a reader sees
(bidirectional overrides, zero-width and other format characters); stacks of combining marks; lone surrogates, which
cannot be encoded; unbounded length. Not covered: markup, which the template escapes in HTML and `rich.text.Text` does
not interpret in the terminal; and look-alike letters.
"""

import re
import unicodedata

# Only sequences that contain no text are removed completely. Of the others (titles, hyperlinks, device strings) only
# the introducer is removed, because a reader of evidence wants to see the text hidden in them.
_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_ -/]?")
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}
_SPACES = re.compile(r"\s+")
_MARKS = 2


def plain(text: str, limit: int = 200) -> str:
    """Return one line of harmless text of at most `limit` characters; truncation is shown by an ellipsis."""
    if len(text) <= limit and text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()
    start = text[: 20 * limit]  # bounds the time spent on escapes and padding
    line = " ".join(_SEQUENCE.sub("", start).split())
    retained: list[str] = []
    marks = 0
    for character in line:
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if category not in _DROPPED and marks <= _MARKS:
            retained.append(character)
    display = _SPACES.sub(" ", "".join(retained)).strip()
    if len(display) > limit or len(start) < len(text):
        return display[: limit - 1].rstrip() + "…"
    return display


def percent(value: float | None) -> str:
    """Format a fraction in percent with one decimal; None as an en dash."""
    return "–" if value is None else f"{100 * value:.1f}"
