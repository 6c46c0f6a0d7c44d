"""Score a tool call: one JSON object with the correct name and arguments, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

_FENCE = re.compile(r"```(?:json)?[ \t]*\n(.*)\n[ \t]*```", re.DOTALL)


def score(completion: str, target: dict[str, Any]) -> bool:
    """Return whether the completion is the expected call, types included (`1`, `1.0`, `"1"` and `true` all differ).

    Args:
        completion: The model's output; a fence around the object is allowed, prose is not.
        target: `{"name": ..., "arguments": {...}}`.
    """
    text = completion.strip()
    fenced = _FENCE.fullmatch(text)
    try:
        call = json.loads(fenced[1] if fenced else text, object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return _same(call, {"name": target["name"], "arguments": target["arguments"]})


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _same(left: Any, right: Any) -> bool:
    """Compare by exact type and value."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(_same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(_same, left, right))
    return bool(left == right)
