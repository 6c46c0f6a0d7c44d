"""Operators on rows, lists and masks where one row is followed, and sums of lists."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior.choices import (
    LAST,
    LONGEST_SPAN,
    MASK,
    chosen,
    column,
    is_followed,
    is_list,
    is_position,
    mask_truth,
)
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, combined, dictionary, literal, literal_value
from posttrainbench.audit.behavior.conditions import contains
from posttrainbench.audit.behavior.known_lists import UNORDERED, added_up, set_of
from posttrainbench.audit.behavior.rows import WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, EVERY, NONE, UNKNOWN, Value, joined, unclear


def binary(left: Value, operator: ast.operator, right: Value) -> Value | None:
    """Return the result of a binary operator on known values, masks, dictionaries and lists; None for others."""
    if (result := _of_lists(left, operator, right)) is not None:
        return result
    if (both := _of_constant_sets(literal(left), operator, literal(right))) is not None:
        names = frozenset([UNORDERED] if len(both) > 1 else [])
        return Value(left.all() | right.all(), names=names, literal=both, whole=True, truth=bool(both))
    first, second = literal(column(left)), literal(column(right))
    if first is not UNKNOWN_VALUE and second is not UNKNOWN_VALUE and not isinstance(first, list):
        result = combined(first, operator, second)
        if result is not UNKNOWN_VALUE:
            return literal_value(result, left.all() | right.all())
    if isinstance(operator, ast.Sub | ast.BitAnd | ast.BitXor) and (some := set_of(left, operator, right)) is not None:
        return some
    if isinstance(operator, ast.BitOr) and (joint := union(left, right)) is not None:
        return joint
    if isinstance(operator, ast.BitOr) and (left.closed or right.closed or dictionary(left) or dictionary(right)):
        return merged(left, right)
    if (
        isinstance(operator, ast.BitAnd | ast.BitOr)
        and (verdicts := (mask_truth(left), mask_truth(right))) != (None,) * 2
    ):
        deciding = isinstance(operator, ast.BitOr)
        if deciding in verdicts:
            return literal_value(deciding, NONE)
        return Value(names=frozenset([MASK])) if None in verdicts else literal_value(not deciding, NONE)
    if isinstance(operator, ast.BitOr) and left.fields and right.fields:
        return merged(left, right)
    if isinstance(operator, ast.Add) and (together := added_up(left, right)) is not None:
        return together
    if isinstance(operator, ast.Add) and (is_list(left) or is_list(right)):
        return concatenated([left, right])
    return None


def _of_lists(left: Value, operator: ast.operator, right: Value) -> Value | None:
    """Return differences and intersections of sets, repeated lists, and numbers of rows that are changed."""
    number = literal(right)
    if left.span is not None and isinstance(operator, ast.Mod) and isinstance(number, int) and len(left.span) >= number:
        return Value(names=right.names & {EVERY}, span=None if EVERY in right.names else range(max(number, 0)))
    if isinstance(operator, ast.Mod) and left.texts:
        return None  # a text with numbers
    if left.span is not None or right.span is not None:
        return _moved(left, operator, right)
    if isinstance(operator, ast.Add | ast.Mult) and (constants := _constants(left, operator, right)) is not None:
        return constants
    if EVERY in right.names and isinstance(operator, ast.Mod):
        return Value(names=frozenset([EVERY]))
    if EVERY in left.names and isinstance(operator, ast.Sub) and number == 1 and left.total is None:
        known = literal(left)
        known = known - 1 if isinstance(known, int) else ...
        return Value(names=frozenset([LAST]), number=None if known is ... else known, literal=known)
    if isinstance(operator, ast.Mult):
        for rows, factor in ((left, right), (right, left)):
            count = literal(factor)
            if is_list(rows) and not is_list(factor):
                return repeated(rows, count)
            if is_followed(rows) and not is_list(rows) and literal(rows) is UNKNOWN_VALUE:
                if isinstance(count, int | float) and not count:
                    return Value(number=0)  # such as the loss of rows that have no weight
                if MASK in factor.names:
                    return unclear(rows)
    sets = isinstance(operator, ast.Sub | ast.BitAnd | ast.BitXor) and is_collection(left)
    if sets and is_position(column(left)) and is_collection(right):
        inside = contains(right, literal(column(left)))
        return chosen(left, inside is isinstance(operator, ast.BitAnd) if isinstance(inside, bool) else None)
    if sets and is_followed(left) and not isinstance(literal(column(left)), bool | int | float):
        inside = contains(right, literal(column(left)))
        verdict = inside is isinstance(operator, ast.BitAnd) if isinstance(inside, bool) else None
        return chosen(left, verdict)
    return None


def _moved(left: Value, operator: ast.operator, right: Value) -> Value | None:
    """Return the result of arithmetic on integers that are known one after the other."""
    span, number = (left.span, literal(right)) if left.span is not None else (right.span, literal(left))
    if span is None or not isinstance(number, int) or isinstance(number, bool):
        return Value()
    if isinstance(operator, ast.Mult) and number:
        return Value(span=range(span.start * number, span.stop * number, span.step * number))
    if isinstance(operator, ast.Add) or (isinstance(operator, ast.Sub) and left.span is not None):
        number = number if isinstance(operator, ast.Add) else -number
        return Value(span=range(span.start + number, span.stop + number, span.step))
    return Value()


def _constants(left: Value, operator: ast.operator, right: Value) -> Value | None:
    """Return a list of constants that is made of others, None for other lists."""
    first, second = literal(left), literal(right)
    if isinstance(operator, ast.Mult):
        parts = [first, second] if isinstance(first, list) else [second, first]
        if not isinstance(parts[0], list) or not isinstance(parts[1], int):
            return None
        size = len(parts[0]) * max(parts[1], 0)
    elif not isinstance(first, list) or not isinstance(second, list):
        return None
    else:
        size = len(first) + len(second)
    if size > LONGEST_SPAN or is_followed(left) or is_followed(right):
        return None
    made = parts[0] * parts[1] if isinstance(operator, ast.Mult) else first + second
    return Value(literal=made, total=size, whole=True, truth=bool(made))


def repeated(rows: Value, count: Any) -> Value:
    """Return a list that is repeated."""
    if not isinstance(count, int):
        return unclear(rows)
    if count <= 0:
        return Value(total=0, whole=True, truth=False)
    fields = rows.fields
    if not is_collection(rows) and fields:
        fields = {UNKNOWN: joined(*fields.values())}
    if count == 1:
        return replace(rows, fields=dict(rows.fields))
    return replace(rows, fields=dict(fields), place=ANYWHERE if rows.place == ANYWHERE else None, total=None)


def concatenated(parts: Sequence[Value]) -> Value:
    """Return the rows of some collections, one after the other."""
    result = Value(total=0, whole=True)
    for part in parts:
        extend(result, part)
    return result


def collapse(rows: Value) -> None:
    """Make a collection of a list whose elements are known one by one, in place."""
    parts = rows.fields
    if parts and not rows.mapping and all(name.isdigit() for name in parts):
        held = [name for name, part in parts.items() if is_followed(part)]
        rows.place = int(held[0]) if len(held) == 1 and not rows.names else None
        rows.fields = {UNKNOWN: joined(*(parts[name] for name in held or parts))}


def extend(target: Value, added: Value) -> None:
    """Add the rows of a collection to a list."""
    collapse(target)
    inner = added.fields.get(UNKNOWN)
    if inner is None and added.fields and all(name.isdigit() for name in added.fields):
        parts = list(added.fields.values())
        inner = joined(*parts)
    start, total = target.total, added.total
    followed = inner is not None and is_followed(inner)
    if followed and inner is not None:
        known = target.fields.get(UNKNOWN)
        before = known is not None and is_followed(known)
        target.fields[UNKNOWN] = joined(known, inner) if before and known is not None else inner
        place = ANYWHERE if added.place == ANYWHERE else None
        if not before and start is not None and added.place is not None and added.place >= 0:
            place = start + added.place
        target.place = place
    elif inner is not None:
        known = target.fields.get(UNKNOWN)
        target.fields[UNKNOWN] = inner if known is None else known if is_followed(known) else joined(known, inner)
    target.taints |= added.taints
    target.splits |= added.all_splits()
    target.total = start + total if start is not None and total is not None else None


def _of_constant_sets(left: Any, operator: ast.operator, right: Any) -> list[Any] | None:
    """Return the elements of an intersection or a difference of known sets; None for other operands."""
    if not isinstance(left, list) or not isinstance(right, list):
        return None
    match operator:
        case ast.BitAnd():
            return [one for one in left if one in right]
        case ast.Sub():
            return [one for one in left if one not in right]
        case ast.BitXor():
            return [*(one for one in left if one not in right), *(one for one in right if one not in left)]
    return None


def union(left: Value, right: Value) -> Value | None:
    """Return the union of two sets; None for masks and dictionaries."""
    parts = _numbers(left), _numbers(right)
    if isinstance(parts[0], list) and isinstance(parts[1], list):
        both = [*parts[0], *parts[1]]
        return Value(left.all() | right.all(), literal=both, whole=True, truth=bool(both))
    if all(WITHOUT in one.names and not one.fields and not one.taints for one in (left, right)):
        return left
    masks = any(isinstance(literal(column(one)), bool) or MASK in column(one).names for one in (left, right))
    if masks or not (is_collection(left) or is_collection(right)):
        return None
    for one, other in ((left, right), (right, left)):
        if is_followed(one) and not other.fields and literal(other) is UNKNOWN_VALUE and not other.all():
            return one  # the other one does not have the row
    return collection(joined(*(column(one) if is_collection(one) else Value(one.all()) for one in (left, right))))


def _numbers(value: Value) -> Any:
    """Return the elements of a set of constants, or of a range."""
    span = value.fields[UNKNOWN].span if is_collection(value) else None
    if span is not None:
        return list(span) if len(span) <= LONGEST_SPAN else UNKNOWN_VALUE
    return literal(value)


def merged(left: Value, right: Value) -> Value:
    """Return a dictionary with the keys of both, those of `right` first."""
    closed = left.closed or right.closed
    return Value(left.taints | right.taints, fields={**left.fields, **right.fields}, closed=closed, truth=True)
