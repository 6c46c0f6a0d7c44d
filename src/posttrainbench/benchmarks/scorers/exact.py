"""Score a completion that ends in `ANSWER: text` by the exact text."""

from __future__ import annotations

import re
from typing import Any

_LINE = re.compile(r"^[ \t]*(?:\*\*)?ANSWER:(?:\*\*)?(.*)$", re.MULTILINE)


def score(completion: str, target: dict[str, Any]) -> bool:
    """Return whether the last `ANSWER:` line contains the text; differences in white space are ignored.

    Args:
        completion: The model's output.
        target: `{"text": "..."}`.
    """
    lines = _LINE.findall(completion)
    return bool(lines) and lines[-1].removesuffix("**").split() == target["text"].split()
