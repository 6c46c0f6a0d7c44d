"""Score a completion that ends in `ANSWER: B` by the letter."""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"^[ \t]*(?:\*\*)?ANSWER:(?:\*\*)?(.*)$", re.MULTILINE)
_LETTER = re.compile(r"([A-Z])[).]?|\(([A-Z])\)\.?")


def score(completion: str, target: dict[str, Any]) -> bool:
    """Return whether the last `ANSWER:` line contains the correct letter and no other.

    Args:
        completion: The model's output.
        target: `{"letter": "B"}`.
    """
    lines = _LINE.findall(completion)
    found = _LETTER.fullmatch(lines[-1].strip().removesuffix("**")) if lines else None
    return found is not None and (found[1] or found[2]) == target["letter"]
