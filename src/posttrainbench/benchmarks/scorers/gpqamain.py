"""Score a completion that chooses one of four options by its letter.

1. Only the text after the last `</think>` is scored, or everything if there is none; an unclosed `<think>` block is
   treated as plain text.
2. The answer is the last line that begins with `ANSWER:` (any case, Markdown around it is allowed), or the next
   non-empty line if nothing follows on it. Without such a line, the last `ANSWER:` within a line is used.
3. The answer must begin with one letter: `B`, `b`, `(B)`, `**B**`, `$\\boxed{B}$`. Punctuation and the option's text
   may follow, as in `B) Paris`. A letter that is directly followed by a word (`A bird`) and several letters (`A, B`,
   `A or B`, `A) B) C) D)`) are invalid.
"""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"^[ \t>#*_]*ANSWER[ \t*_]*:", re.MULTILINE | re.IGNORECASE)
_WITHIN = re.compile(r"ANSWER[ \t*_]*:", re.IGNORECASE)
_BLANK = " \t\r$*_`#>-\\[](){}.,:;"

_MARKUP = re.compile(r"\\(?:boxed|fbox|text|textbf|textrm|mathrm|mathbf|mbox)[ ]?\{|\\[()\[\]]|[$*_`{}\"']")
_LETTER = re.compile(r"[(\[]?[ ]?([A-Da-d])(.*)")
_AND_ANOTHER = re.compile(r"(?:[\s,;/&|+(]|(?:or|and)\b)+[A-D](?![A-Za-z0-9])")
_OPTION = re.compile(r"(?<![A-Za-z0-9])[A-D]\)")
_LIST = re.compile(r"[\s().,:;/&|\[\]+–—-]*(?:\b(?:or|and|[A-D])\b[\s().,:;/&|\[\]+–—-]*)+", re.IGNORECASE)


def score(completion: str, target: dict[str, Any]) -> bool:
    """Return whether the completion chooses the correct option and no other.

    Args:
        completion: The model's output.
        target: `{"letter": "B"}`.
    """
    return _choice(completion.rpartition("</think>")[2]) == str(target["letter"])


def _choice(text: str) -> str | None:
    """Return the letter that a completion chooses, or None."""
    marks = list(_LINE.finditer(text)) or list(_WITHIN.finditer(text))
    if not marks:
        return None
    below = text[marks[-1].end() :].split("\n")
    answer = next((line for line in below if line.strip(_BLANK)), "")
    found = _LETTER.fullmatch(_MARKUP.sub("", answer).strip())
    if found is None or found[2].lstrip()[:1].isalnum():
        return None
    rest = found[2].lstrip(" \t).]")
    several = _AND_ANOTHER.match(rest) or _OPTION.search(rest) or _LIST.fullmatch(rest)
    return None if several else found[1].upper()
