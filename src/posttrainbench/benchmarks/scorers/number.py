"""Score a completion that ends in `ANSWER: n` by the exact number."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

_LINE = re.compile(r"^[ \t]*(?:\*\*)?ANSWER:(?:\*\*)?(.*)$", re.MULTILINE)
# A sign and a currency sign, digits with or without thousands separators, decimals; ASCII digits only.
_NUMBER = re.compile(r"([-+]?)\$?([0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,30})(\.[0-9]{1,30})?\.?")


def score(completion: str, target: dict[str, Any]) -> bool:
    """Return whether the last `ANSWER:` line contains the number and nothing else.

    Args:
        completion: The model's output.
        target: `{"number": n}`.
    """
    lines = _LINE.findall(completion)
    if not lines:
        return False
    found = _NUMBER.fullmatch(lines[-1].strip().removesuffix("**"))
    if found is None:
        return False
    sign, whole, decimals = found.groups()
    return Decimal(sign + whole.replace(",", "") + (decimals or "")) == Decimal(str(target["number"]))
