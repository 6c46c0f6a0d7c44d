"""Compare stored with recomputed values."""

import math
from collections.abc import Iterator
from typing import Any


def differences(stored: Any, computed: Any, tolerance: float = 1e-9, place: str = "") -> Iterator[str]:
    """Yield a description of each difference between two JSON values, such as `score is 0.5 instead of 0.4`.

    Args:
        stored: the value in a file.
        computed: the value that it should have.
        tolerance: of numbers, relative and absolute.
        place: where they are.
    """
    if isinstance(stored, dict) and isinstance(computed, dict):
        for key in sorted({*stored, *computed}):
            inner = f"{place}.{key}" if place else str(key)
            if key not in stored or key not in computed:
                yield f"{inner} is {'missing' if key not in stored else 'not expected'}"
            else:
                yield from differences(stored[key], computed[key], tolerance, inner)
    elif isinstance(stored, list) and isinstance(computed, list) and len(stored) == len(computed):
        for number, (left, right) in enumerate(zip(stored, computed, strict=True)):
            yield from differences(left, right, tolerance, f"{place}[{number}]")
    elif not _same(stored, computed, tolerance):
        yield f"{place} is {_short(stored)} instead of {_short(computed)}"


def describe(found: Iterator[str], limit: int = 3) -> str:
    """Return the first differences as part of a sentence; "" if there is none."""
    listed = list(found)
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return "; ".join(listed[:limit]) + more


def _same(stored: Any, computed: Any, tolerance: float) -> bool:
    numbers = isinstance(stored, int | float) and isinstance(computed, int | float)
    if numbers and not isinstance(stored, bool) and not isinstance(computed, bool):
        return math.isclose(stored, computed, rel_tol=tolerance, abs_tol=tolerance)
    return type(stored) is type(computed) and bool(stored == computed)


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}" if len(value) > 3 else f"[{', '.join(_short(entry) for entry in value)}]"
    if isinstance(value, dict):
        return "an object"
    text = str(value)
    return f"`{text}`" if len(text) <= 80 else f"`{text[:79]}…`"
