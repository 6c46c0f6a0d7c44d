"""Make text that an agent wrote safe to show.

What it covers: terminal escape sequences and control characters, characters that reorder, hide or replace
what a reader sees (bidirectional overrides, zero-width and other format characters), marks heaped on one
character, lone surrogates that no file can hold, unbounded length. What it does not: markup. In HTML the
template escapes, in the terminal the text goes into `rich.text.Text`, which reads no markup. Look-alike
letters stay.
"""

import re
import unicodedata

# Only the sequences that carry no text are removed whole. Of the others (titles, hyperlinks, device strings)
# just the introducer goes: what is hidden in them is what a reader of evidence wants to see.
_SEQUENCE = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_ -/]?")
_DROPPED = {"Cc", "Cf", "Cs", "Co", "Cn"}
_SPACES = re.compile(r"\s+")
_MARKS = 2


def plain(text: str, limit: int = 200) -> str:
    """One line of harmless text, at most `limit` characters; a cut is shown by an ellipsis."""
    rest = text[: 20 * limit]  # escapes and padding cannot make this slow
    line = " ".join(_SEQUENCE.sub("", rest).split())
    kept: list[str] = []
    marks = 0
    for character in line:
        category = unicodedata.category(character)
        marks = marks + 1 if category.startswith("M") else 0
        if category not in _DROPPED and marks <= _MARKS:
            kept.append(character)
    shown = _SPACES.sub(" ", "".join(kept)).strip()
    if len(shown) > limit or len(rest) < len(text):
        return shown[: limit - 1].rstrip() + "…"
    return shown
