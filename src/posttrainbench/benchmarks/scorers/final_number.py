"""Score a completion by its final number, exactly. Shared by aime2025 and gsm8k.

Location of the number:

1. Only the text after the last `</think>` is scored, or everything if there is none; an unclosed `<think>` block is
   treated as plain text.
2. The answer is the last line that begins with `ANSWER:` (Markdown around it is allowed), or the next non-empty line if
   nothing follows on it.
3. Without such a line it is the last `\\boxed{...}`, and without a box the last word that is a number.

Format of the number: ASCII digits with an optional sign, correct thousands separators (`1,000`, `1{,}000`, `1\\,000`)
and decimals; the right side of an equation. Currency signs, `%`, words such as units, Markdown and LaTeX brackets
around it are ignored. An answer is invalid if it contains two numbers, an operator (`11/2`, `2^{11}`), a relation
(`~11`, `>=11`), a LaTeX command that computes, a word that scales (`11 thousand`), or digits joined to letters (`11k`).

Numbers are compared as decimals: 011 = 11 = 11.00, and 711 is not 11.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_LINE = re.compile(r"^[ \t>#*_]*ANSWER[ \t*_]*:", re.MULTILINE)
_BOXED = re.compile(r"\\boxed[ ]?\{([^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*)\}")
_BLANK = " \t\r$*_`#>-\\[](){}"

_PLAIN = (
    ("\u2212", "-"),  # the sign minus
    ("{,}", ","),
    (",\\!", ","),
    ("\\,", ","),  # a thin space: `1\,000` is 1,000, and `18,cm` reads as `18 cm`
    ("\\$", "$"),
    ("\\%", "%"),
    ("^{\\circ}", "°"),
    ("^\\circ", "°"),
    ("\\(", " "),
    ("\\)", " "),
    ("\\[", " "),
    ("\\]", " "),
    ("\\ ", " "),
)
_WRAPPER = re.compile(r"\\(?:boxed|fbox|text|textbf|textrm|mathrm|mathbf|mbox)[ ]?\{")
_RELATION = re.compile(r"[<>~≈≠≤≥±]|!=")
_NUMBER = re.compile(
    r"(?:(?<=[\s(\[{*_`'\"$€£¥:])|^)"
    r"([-+]?)[$€£¥]?([1-9][0-9]{0,2}(?:,[0-9]{3})+|[0-9]{1,30})(\.[0-9]{1,30})?"
    r"(?=[\s)\]}*_`'\"$€£¥:;,.!?%°]|$)"
)
_COMPUTES = re.compile(
    r"[-+/^×÷√π\\]|\b(?:hundred|thousand|million|billion|trillion|dozen|half|squared|cubed|factorial|pi)s?\b",
    re.IGNORECASE,
)


def score(completion: str, target: dict[str, Any]) -> bool:
    """Return whether the final number is correct.

    Args:
        completion: The model's output.
        target: `{"number": n}`, an integer.
    """
    return _final(completion.rpartition("</think>")[2]) == Decimal(target["number"])


def _final(text: str) -> Decimal | None:
    """Return the final number of a completion, or None."""
    lines = list(_LINE.finditer(text))
    if lines:
        below = text[lines[-1].end() :].split("\n")
        return _value(next((line for line in below if line.strip(_BLANK)), ""))
    boxed = _BOXED.findall(text)
    if boxed:
        return _value(boxed[-1])
    values = (_value(word) for word in reversed(text.split()))
    return next((value for value in values if value is not None), None)


def _value(text: str) -> Decimal | None:
    """Return the only number in a text, or None."""
    if not re.search("[0-9]", text) or _RELATION.search(text):
        return None
    for written, plain in _PLAIN:
        text = text.replace(written, plain)
    text = _WRAPPER.sub(" {", text).rpartition("=")[2].strip()
    found = _NUMBER.findall(text)
    around = _NUMBER.sub(" ", text)
    if len(found) != 1 or _COMPUTES.search(around) or any(map(str.isnumeric, around)):
        return None
    sign, whole, decimals = found[0]
    return Decimal(sign + whole.replace(",", "") + decimals)
