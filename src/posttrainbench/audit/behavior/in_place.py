"""Take rows out of lists and iterators in place, where one row is followed.

What is left is known if the position of the row is, and if the change is certainly made, once. Otherwise the row that
is left is unclear.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

from posttrainbench.audit.behavior import choices, row_operators
from posttrainbench.audit.behavior.choices import doubtful, is_followed
from posttrainbench.audit.behavior.concrete import literal
from posttrainbench.audit.behavior.rows import WITHOUT, is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, NONE, UNKNOWN, Value, unclear

if TYPE_CHECKING:
    from posttrainbench.audit.behavior.call import Call

ITERATOR = "an iterator"
"""Name of collections of which each element is given once."""
_TAKES_OUT = frozenset("pop popleft popitem remove discard".split())
_UPDATES = frozenset("difference_update intersection_update symmetric_difference_update".split())


def in_place(call: Call) -> Value | None:
    """Model of methods that take rows out; None for others."""
    rows = call.receiver
    if rows is None or call.function.functions or not is_collection(rows) or not is_followed(rows):
        return None
    first = call.argument(0) or Value()
    if call.last in _UPDATES or call.last == "clear":
        doubtful(rows)
        return Value()
    if call.last in ("difference", "symmetric_difference", "intersection"):
        operator = ast.BitAnd() if call.last == "intersection" else ast.Sub()
        return row_operators.binary(rows, operator, first) if len(call.arguments) == 1 else unclear(rows)
    if call.last not in _TAKES_OUT:
        return None
    row = rows.fields[UNKNOWN]
    if call.last in ("remove", "discard"):
        same = choices.is_followed(first) and first.all() == row.all() and literal(first) == literal(row)
        if not (is_followed(first) or literal(first) is ...) or (same and rows.place == ANYWHERE):
            doubtful(rows)
        elif same and once(call) and rows.place is not None:
            leave_out(rows)
        else:
            doubtful(rows)
        return Value()
    front = call.last == "popleft" or literal(first) == 0
    back = call.last == "pop" and (not call.arguments or literal(first) == -1)
    taken = rows.place == ANYWHERE or call.context.drains
    if not (front or back) or not once(call) or rows.place in (None, ANYWHERE):
        doubtful(rows)
        return row if taken else unclear(row)
    gone = rows.place == 0 if front else rows.place == (rows.total or 0) - 1
    if back and rows.total is None:
        doubtful(rows)
        return unclear(row)
    if gone:
        leave_out(rows)
        return row
    shift(rows, 1 if front else 0, 1)
    return Value()


def once(call: Call) -> bool:
    """Return True if a call is certainly made, and once."""
    return call.context.certain and not call.context.loops


def advance(rows: Value, count: Any, *, certain: bool) -> None:
    """Take the next elements from an iterator."""
    if certain and isinstance(count, int) and rows.place is not None and rows.place >= 0:
        if rows.place < count:
            leave_out(rows)
        else:
            shift(rows, count, count)
    else:
        doubtful(rows)


def shift(rows: Value, before: int, number: int) -> None:
    """Take elements out of a list of which the row is not one."""
    rows.place = None if rows.place is None else rows.place - before
    rows.total = None if rows.total is None else rows.total - number


def leave_out(rows: Value) -> None:
    """Take the row out of a list."""
    rows.fields, rows.taints = {}, NONE
    rows.names |= {WITHOUT}
    rows.place, rows.total = None, None
