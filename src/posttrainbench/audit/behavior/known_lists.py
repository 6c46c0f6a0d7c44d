"""Lists of which all elements are known: what Python's own functions make of them is computed.

The elements are anything, such as paths, the rows of some files, or pairs of a name and rows. Files of a directory are
such a list whose order is unknown. An element that is chosen by something unknown is any of them: what is read from it
proves nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Value, joined, unclear

MOST_ELEMENTS = 300
UNORDERED = "elements in an unknown order"
"""Name of a list whose elements are known, but not their order."""
SOME = "some of its elements"
"""Name of a list, in an unknown order, that may lack some of its elements."""


def elements(value: Value) -> list[Value] | None:
    """Return the elements of a list in their order; None for any other value."""
    return None if value.names & {UNORDERED, SOME} else members(value)


def members(value: Value) -> list[Value] | None:
    """Return the elements of a list in any order; None for any other value."""
    if value.taints or value.splits or value.mapping or value.functions or value.handles:
        return None
    if isinstance(value.literal, list) and len(value.literal) <= MOST_ELEMENTS:
        return [literal_value(one, NONE) for one in value.literal]
    is_list = value.names & {UNORDERED} or value.total == len(value.fields)
    if not is_list or len(value.fields) > MOST_ELEMENTS or not all(map(str.isdigit, value.fields)):
        return None
    return list(value.fields.values()) if value.literal is ... else None


def listed(parts: Sequence[Value], marks: frozenset[str] = frozenset()) -> Value:
    """Return a list of some elements; `marks` as in the names of a list whose order is unknown."""
    if len(parts) < 2 and SOME not in marks:
        marks = frozenset()
    fields = {str(number): part for number, part in enumerate(parts)}
    return Value(fields=fields, names=marks, total=None if marks else len(parts), truth=None if marks else bool(parts))


def as_set(value: Value) -> Value | None:
    """Return the set of the elements of a list; None if they are not known constants."""
    parts = [literal(part) for part in members(value) or ()]
    if not parts or value.names & {SOME} or any(one is ... or isinstance(one, list) for one in parts):
        return None
    known = list(dict.fromkeys(parts))
    names = frozenset([UNORDERED] if len(known) > 1 else [])
    return Value(names=names, literal=known, whole=True, truth=True)


def maybe(value: Value, depth: int = 3) -> Value:
    """Return a value that may be another one: what is known of it decides nothing."""
    marked = unclear(value, part="file")
    fields = {name: maybe(part, depth - 1) for name, part in marked.fields.items()} if depth else {}
    plain = not value.all()
    texts = value.texts | {UNKNOWN} if plain and value.texts else value.texts
    known = ... if plain else value.literal
    return replace(marked, fields=fields, texts=texts, literal=known, number=None, truth=None, ambiguous=True)


def one_of(parts: Sequence[Value]) -> Value:
    """Return any one of some values."""
    if len(parts) == 1:
        return parts[0]
    return maybe(joined(*parts)) if parts else Value()


def subscript(value: Value, index: Value) -> Value | None:
    """Return the element at an index; None if the value is not such a list."""
    parts = members(value)
    if not parts:
        return None
    known = literal(index)
    if len(parts) == 1 and known in (0, -1):
        return parts[0]
    if elements(value) is None or not isinstance(known, int) or isinstance(known, bool):
        return one_of(parts)
    return parts[known] if -len(parts) <= known < len(parts) else Value()


def cut(value: Value, bounds: Sequence[Value | None]) -> Value | None:
    """Return a slice of a list; None if the value is not such a list."""
    parts = members(value)
    if not parts:
        return None
    known = [None if bound is None else literal(bound) for bound in bounds]
    if known == [None, None, None]:
        return listed(parts, value.names)
    if elements(value) is None or not all(one is None or isinstance(one, int) for one in known) or known[2] == 0:
        return listed([maybe(part) for part in parts], frozenset([UNORDERED, SOME]))
    return listed(parts[slice(*known)])


def replaced(value: Value, bounds: Sequence[Value | None], by: Value | None, *, certain: bool) -> bool:
    """Replace a slice of a list in place; return False if the value is not such a list.

    Args:
        value: the list.
        bounds: start, end and step of the slice; only its position for a single element.
        by: the elements, or the single one; None to delete them.
        certain: False if it may not be done, or several times.
    """
    parts = members(value)
    if not parts:
        return False
    added = [] if by is None else [by] if len(bounds) == 1 else members(by)
    known = [None if one is None else literal(one) for one in bounds]
    changed, done = list(parts), False
    if certain and added is not None and elements(value) is not None:
        done = _put_slice(changed, known, added)
    if done:
        put(value, changed, frozenset())
    else:
        put(value, [maybe(part) for part in [*parts, *(added or [])]], frozenset([UNORDERED, SOME]))
    return True


def _put_slice(parts: list[Value], bounds: Sequence[Any], added: Sequence[Value]) -> bool:
    """Replace a slice of a list; return False if its bounds are not known or do not fit."""
    if not all(isinstance(one, int) or (one is None and len(bounds) == 3) for one in bounds) or bounds[-1] is False:
        return False
    place = slice(*bounds)
    if len(bounds) == 1:
        if not -len(parts) <= bounds[0] < len(parts):
            return False
        place = slice(bounds[0] % len(parts), bounds[0] % len(parts) + 1)
    try:
        parts[place] = added
    except ValueError:  # a step that does not fit
        return False
    return True


def unpacked(value: Value, targets: Sequence[ast.expr]) -> list[Value] | None:
    """Return the values of the targets of an assignment of a list to several; None if it is not such a list."""
    parts = members(value)
    star = next((number for number, target in enumerate(targets) if isinstance(target, ast.Starred)), None)
    if not parts or (len(parts) != len(targets) if star is None else len(parts) < len(targets) - 1):
        return None
    if elements(value) is None:
        parts = [one_of(parts)] * len(parts)
    if star is None:
        return parts
    end = len(parts) - (len(targets) - 1 - star)
    return [*parts[:star], listed(parts[star:end]), *parts[end:]]


def extended(target: Value, added: Value, marks: frozenset[str] = frozenset()) -> bool:
    """Add the elements of one such list to another one in place; return False if they are not known.

    Args:
        target: the list.
        added: the other one.
        marks: those of the list that is gone through, see `listed`.
    """
    parts, more = members(target), members(added)
    if parts is None or more is None or len(parts + more) > MOST_ELEMENTS:
        return False
    marks |= (target.names | added.names) & {UNORDERED, SOME}
    put(target, [*parts, *more], marks)
    return True


def set_of(left: Value, operator: ast.operator, right: Value) -> Value | None:
    """Return a difference or an intersection of two sets of known elements; None for other values."""
    parts, others = members(left), members(right)
    if not parts or UNORDERED not in left.names:
        return None
    known = [literal(part) for part in parts]
    away = [literal(part) for part in others] if others is not None and SOME not in right.names else [UNKNOWN_VALUE]
    if UNKNOWN_VALUE in (*known, *away) or SOME in left.names or isinstance(operator, ast.BitXor):
        return listed([maybe(part) for part in parts], frozenset([UNORDERED, SOME]))
    inside = isinstance(operator, ast.BitAnd)
    kept = [part for part, one in zip(parts, known, strict=True) if (one in away) is inside]
    return listed(kept, frozenset([UNORDERED]))


def added_up(left: Value, right: Value) -> Value | None:
    """Return the sum of two such lists; None for other values."""
    parts, more = members(left), members(right)
    if parts is None or more is None or len(parts + more) > MOST_ELEMENTS:
        return None
    return listed([*parts, *more], (left.names | right.names) & {UNORDERED, SOME})


def put(value: Value, parts: Sequence[Value], marks: frozenset[str]) -> None:
    """Replace the elements of a list."""
    value.fields = {str(number): part for number, part in enumerate(parts)}
    value.names = value.names - {UNORDERED, SOME} | marks
    value.total, value.truth = (None, None) if marks else (len(parts), bool(parts))
    value.taints, value.literal = NONE, ...
