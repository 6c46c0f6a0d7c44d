"""Times and sizes as users write them, on the command line and in `experiment.yaml`."""

import math
import re

from posttrainbench.errors import InputError
from posttrainbench.records.spec import MAX_BUDGET, MIN_BUDGET

SECONDS = {"s": 1, "m": 60, "h": 3600}
BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_budget(text: str) -> float:
    """Parse a time such as `30s`, `10m` or `1.5h`, and return seconds.

    Raises:
        InputError: the text is not a valid time, has no unit, or is not between `MIN_BUDGET` and `MAX_BUDGET`.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text.strip())
    seconds = float(match[1]) * SECONDS[match[2] or "s"] if match else 0.0
    if match is None or not (0 < seconds < math.inf):
        raise InputError(f"`{text[:40]}` is not a valid time; use a value above zero such as 30s, 10m or 10h.")
    if not match[2]:
        number = match[1][:20]
        raise InputError(f"The time `{number}` has no unit; write {number}s, {number}m or {number}h.")
    if not (MIN_BUDGET <= seconds <= MAX_BUDGET):
        raise InputError(f"A time limit of {text[:40].strip()} is probably a mistake; use a value from 1s to 720h.")
    return seconds


def parse_size(text: str) -> int:
    """Parse a size such as `64G`, `1.5T`, `500M` (powers of 1024) or a number of bytes, and return bytes.

    Raises:
        InputError: the text is not a valid size above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    size = float(match[1]) * BYTES[match[2].upper()] if match else 0.0
    if not 1 <= size < 2**63:
        raise InputError(f"`{text[:40]}` is not a valid size; use a value such as 500M, 64G or 2T.")
    return int(size)


def short_duration(seconds: float) -> str:
    """Return a duration for tables, such as `10h 0m`, `2m 5s` or `45s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    return f"{whole // 3600}h {whole % 3600 // 60}m"
