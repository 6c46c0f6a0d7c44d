"""Decode a scaffold's JSON lines to typed events. The input is hostile: an agent can make its scaffold print anything.

A JSON object of an unknown form is returned as `Unknown`; other lines as None.
"""

import json
import math
import re
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec

Event = TypeVar("Event")

NESTED = 64
"""Maximum nesting depth; deeper values become text, since readers of the trajectory have limits too."""
_SURROGATES = re.compile("[\ud800-\udfff]")
_LARGEST = 2**64


class Unknown(NamedTuple):
    """An event of an unknown form.

    Attributes:
        name: type of the event, and subtype if it has one.
        event: the JSON object.
    """

    name: str
    event: dict[str, Any]


class EventDecoder(Generic[Event]):
    """Decoder of lines to `kind`, a union of tagged structs; other fields are ignored."""

    def __init__(self, kind: Any) -> None:
        self._kind = kind
        self._typed = msgspec.json.Decoder(kind)

    def decode(self, line: str) -> Event | Unknown | None:
        """Decode a line. Return None if it is not a JSON object."""
        try:
            return cast(Event, self._typed.decode(line))
        except (msgspec.MsgspecError, RecursionError, ValueError):
            pass
        # Slow path for rare lines: a new event, or half of a surrogate pair, left by a program that truncates text.
        event = parse(line)
        if event is None:
            return None
        try:
            return cast(Event, msgspec.convert(event, self._kind))
        except (msgspec.ValidationError, RecursionError):
            parts = [part for part in (event.get("type"), event.get("subtype")) if isinstance(part, str)]
            return Unknown("/".join(parts)[:80] or "no type", event)


def parse(line: str) -> dict[str, Any] | None:
    """Parse a line to a JSON object and replace values that cannot be written; None if it is not an object."""
    try:
        value = json.loads(line, strict=False)
        return _clean(value, NESTED) if isinstance(value, dict) else None
    except (ValueError, RecursionError):
        return None


def _clean(value: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError("nested too deeply")
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_clean(key, depth): _clean(item, depth - 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item, depth - 1) for item in value]
    if isinstance(value, int) and not -_LARGEST < value < _LARGEST:
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def bounded(value: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call, or their text if they are nested too deeply."""
    if _within_depth(value, NESTED):
        return value
    return {"nested too deeply": str(list(value))[:10_000]}


def _within_depth(value: Any, depth: int) -> bool:
    if isinstance(value, dict):
        return depth > 0 and all(_within_depth(item, depth - 1) for item in value.values())
    if isinstance(value, list):
        return depth > 0 and all(_within_depth(item, depth - 1) for item in value)
    return True
