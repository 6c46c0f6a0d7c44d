"""Models of functions that return positions of rows, for an analysis in which one row is followed.

A position is unknown, but it may be known that a program goes through all of them, such as with `range(len(rows))`.
"""

from __future__ import annotations

from typing import Any

from posttrainbench.audit.behavior import choices
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import LAST, is_followed, mask_truth
from posttrainbench.audit.behavior.concrete import literal, literal_value
from posttrainbench.audit.behavior.rows import NO_FILE, WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, EVERY, NONE, UNKNOWN, Value

MOST_NUMBERS = 64
_OF_MASKS = frozenset("flatnonzero nonzero argwhere where".split())
_DRAWN = frozenset("randrange randint integers random_integers".split())
_ORDERS = frozenset("randperm permutation arange sample choice choices range".split())
_SAME = frozenset(
    "tolist list tuple sorted reversed flatten squeeze numpy astype to_list to_numpy item int iter".split()
)


def positions(call: Call) -> Value | None:
    """Model of functions that return positions; None for others."""
    if call.function.functions:
        return None
    if call.last == "range" and call.context.world is not None and call.context.world.file is NO_FILE:
        return _numbers([literal(one) for one in call.arguments])
    first = call.argument(0)
    if call.last == "len" and first is not None and is_collection(first) and is_followed(first):
        known = ... if first.total is None else first.total
        return Value(names=frozenset([EVERY]), number=first.total, literal=known, place=first.place)
    if call.last in _OF_MASKS and len(call.arguments) == (0 if _is_mask(call.receiver) else 1):
        return _of_mask(call, call.receiver if _is_mask(call.receiver) else first)
    ends = [value for value in call.arguments if value.names & {EVERY, LAST}]
    if call.last in _DRAWN and ends:
        inclusive = call.last == "randint" and "random.randint" in call.function.names
        wanted = LAST if inclusive else EVERY
        starts = call.arguments[: call.arguments.index(ends[0])]
        whole = wanted in ends[0].names and all(literal(one) == 0 for one in starts[:1])
        return Value(names=frozenset([EVERY])) if whole and len(starts) < 2 else None
    if call.receiver is not None and is_collection(call.receiver) and is_followed(call.receiver):
        return None  # such as `sample` of a table
    if call.last in _ORDERS and ends and ends[0].place in (None, ANYWHERE):
        return _order(call, ends[0])
    if call.last in _ORDERS - {"range"} and ends and EVERY in ends[0].names:
        return _order(call, ends[0])
    return _same(call, first)


def _numbers(bounds: list[Any]) -> Value | None:
    """Return a short range of known numbers, of which names of files may be made."""
    if not 0 < len(bounds) < 4 or not all(type(one) is int for one in bounds) or bounds[2:] == [0]:
        return None
    numbers = range(*bounds)
    return literal_value(list(numbers), NONE) if 0 < len(numbers) <= MOST_NUMBERS else None


def _same(call: Call, first: Value | None) -> Value | None:
    rows = call.receiver if call.receiver is not None and is_collection(call.receiver) else first
    if rows is None or call.last not in _SAME | {
        "set",
        "frozenset",
        "sample",
        "choices",
        "choice",
        "shuffle",
        "permutation",
    }:
        return None
    if is_collection(rows) and rows.fields[UNKNOWN].span is not None:
        return rows if call.last in _SAME | {"set", "frozenset"} else None
    if is_collection(rows) and choices.is_position(rows.fields[UNKNOWN]) and call.last in ("set", "frozenset"):
        return rows
    if is_collection(rows) and EVERY in rows.fields[UNKNOWN].names:
        if call.last == "choice":
            return rows.fields[UNKNOWN]
        return Value() if call.last == "shuffle" and rows is first else rows
    return None


def _order(call: Call, end: Value) -> Value | None:
    """Return all positions in some order."""
    before = call.arguments[: call.arguments.index(end)]
    after = call.arguments[len(before) + 1 :]
    if call.last in ("range", "arange") and not (all(literal(one) == 0 for one in before) and not after):
        return None
    if EVERY not in end.names or len(before) > 1:
        return None
    return collection(Value(names=frozenset([EVERY])))


def _is_mask(value: Value | None) -> bool:
    return (
        value is not None
        and (choices.MASK in value.names or mask_truth(value) is not None)
        and not value.names - {choices.MASK}
    )


def _of_mask(call: Call, mask: Value | None) -> Value | None:
    """Return the positions at which a mask is true."""
    if mask is None:
        return None
    inner = mask.fields[UNKNOWN] if is_collection(mask) else mask
    known = literal(inner)
    if not isinstance(known, bool) and choices.MASK not in inner.names:
        return None
    if known is False:
        found = Value(names=frozenset([WITHOUT]), whole=True)
    else:
        found = collection(Value(names=frozenset([EVERY if known is True else choices.MASK])))
    return (
        Value(fields={"0": found}, truth=True)
        if call.last in ("where", "nonzero") and call.receiver is not mask
        else found
    )


def numbered(value: Value) -> Value:
    """Return the position of the row in a collection, as `enumerate` gives it."""
    if value.place is not None and value.place >= 0:
        return literal_value(value.place, NONE)
    return Value(names=frozenset([EVERY])) if is_followed(value) else Value()
