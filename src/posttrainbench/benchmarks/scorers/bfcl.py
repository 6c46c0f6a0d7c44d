"""Score one tool call, written as text in the format of Hermes: the correct function with the correct arguments.

    <tool_call>
    {"name": "calc", "arguments": {"n": 20, "k": 5}}
    </tool_call>

The parser accepts text before and after the call, any white space, additional keys, and a missing closing tag at the
end of the completion. It does not accept an object without tags, a fence or a list inside the tags, arguments as a
string, Python's quotes and constants, a duplicate key, or more than one call.

Values are compared literally: strings by every character, numbers by value (5 equals 5.0, as in JSON and Python),
booleans only with booleans, tuples as lists. Omitting an optional argument is the same as passing its default.
"""

from __future__ import annotations

import json
import re
from typing import Any

_CALL = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.DOTALL)


def score(completion: str, target: dict[str, Any]) -> bool:
    """Return whether the completion makes the expected call and no other.

    Args:
        completion: The model's output; text up to `</think>` is skipped.
        target: `{"name": ..., "arguments": {...}, "defaults": {...}}`; `defaults` has the default values of optional
            arguments.
    """
    calls = _CALL.findall(completion.rpartition("</think>")[2])
    if len(calls) != 1:
        return False
    try:
        call = json.loads(calls[0], object_pairs_hook=_without_duplicates, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    if not isinstance(call, dict) or call.get("name") != target["name"] or not isinstance(call.get("arguments"), dict):
        return False
    return same({**target["defaults"], **call["arguments"]}, {**target["defaults"], **target["arguments"]})


def same(left: Any, right: Any) -> bool:
    """Compare by value; a boolean never equals a number."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key occurs twice")
    return made


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
