"""Subscripts of lists, tables and dictionaries where one row is followed: slices, positions, masks and keys."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior.choices import (
    KEYS,
    LONGEST_SPAN,
    MASK,
    OTHER,
    as_slice,
    chosen,
    column,
    is_followed,
    mask_truth,
    without_row,
)
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.operations import leaves_out_rows
from posttrainbench.audit.behavior.rows import WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import (
    ANY_KEY,
    ANYWHERE,
    COLUMN,
    EVERY,
    NONE,
    UNKNOWN,
    Value,
    joined,
    key_name,
    key_of,
    unclear,
)

VIEWS = frozenset("loc iloc at iat str values dt T array".split())
"""Attributes of tables and columns through which the same rows are chosen."""
DEFAULT_DICTS = frozenset(("collections.defaultdict()", "defaultdict()"))
_DICTS = DEFAULT_DICTS | {"dict()", "collections.OrderedDict()"}


def window(rows: Value, node: ast.Slice, bounds: Sequence[Value | None]) -> Value:
    """Return a slice of a collection.

    Args:
        rows: the collection.
        node: the slice.
        bounds: the values of its start, end and step; None for those that it does not name.
    """
    known = [None if bound is None else literal(bound) for bound in bounds]
    clear = all(bound is None or isinstance(bound, int) for bound in known)
    parts = slice(*known) if clear else None
    negative = any(isinstance(bound, int) and bound < 0 for bound in known)
    if known[2] == 0:
        return rows
    total = None
    if parts is not None and rows.total is not None:
        total = len(range(*parts.indices(rows.total)))
    if not is_followed(rows):
        return Value(rows.taints, fields=rows.fields, total=total, whole=True)
    if rows.place == ANYWHERE:
        return replace(rows, fields=dict(rows.fields), total=total)
    if any(bound is not None and bound.span is not None for bound in bounds):
        return _windows(rows, bounds)
    if parts is None or rows.place is None or (negative and rows.total is None):
        trivial = all(bound is None for bound in bounds) or (parts is None and not leaves_out_rows(node))
        if trivial:
            return replace(rows, fields=dict(rows.fields), place=None, total=total)
        return as_slice(replace(rows, fields=dict(rows.fields), place=None, total=total))
    inside = range(*parts.indices(rows.total if rows.total is not None else 10**12))
    if rows.place not in inside:
        return replace(without_row(rows), total=total)
    return replace(rows, fields=dict(rows.fields), place=inside.index(rows.place), total=total)


def _windows(rows: Value, bounds: Sequence[Value | None]) -> Value:
    """Return what all slices of a loop contain together, of which the bounds are known one after the other."""
    kept = replace(rows, fields=dict(rows.fields), place=None, total=None)
    spans = [None if bound is None else bound.span or literal(bound) for bound in bounds]
    lengths = {len(one) for one in spans if isinstance(one, range)}
    plain = all(one is None or isinstance(one, int | range) for one in spans)
    if not plain or len(lengths) != 1 or max(lengths) > LONGEST_SPAN or rows.place is None or spans[2] is not None:
        return as_slice(kept)
    steps = [list(one) if isinstance(one, range) else [one] * max(lengths) for one in spans]
    total = rows.total if rows.total is not None else 10**12
    found = (rows.place in range(*slice(*ends).indices(total)) for ends in zip(*steps[:2], strict=True))
    return kept if any(found) else without_row(rows)


def labeled(rows: Value, node: ast.Slice, bounds: Sequence[Value | None]) -> Value:
    """Return a slice of a table by labels: both ends are inside."""
    known = [None if bound is None else literal(bound) for bound in bounds]
    if all(bound is None for bound in known):
        return rows
    numbers = all(bound is None or isinstance(bound, int) for bound in known)
    if not numbers or rows.label is None or node.step is not None:
        return as_slice(replace(rows, fields=dict(rows.fields), place=None, total=None))
    lower = rows.label if known[0] is None else known[0]
    upper = rows.label if known[1] is None else known[1]
    return chosen(rows, lower <= rows.label <= upper)


def item(base: Value, index: Value, node: ast.expr) -> Value | None:
    """Return the result of a subscript that is not a slice; None if nothing special is known of it."""
    known = literal(index)
    if base.mapping and not is_collection(base):
        return _of_mapping(base, index)
    if isinstance(base.literal, list) and isinstance(known, int):
        return literal_value(base.literal[known], NONE) if -len(base.literal) <= known < len(base.literal) else Value()
    if isinstance(known, int) and base.fields and all(name.isdigit() for name in base.fields):
        known = known % base.total if base.total else int(known)
        return base.fields.get(str(known), Value(base.taints))
    if KEYS in base.names:
        return Value()
    if COLUMN in base.names and (isinstance(known, bool) or MASK in index.names or is_collection(index)):
        return at_positions(collection(replace(base, names=base.names - {COLUMN}), base.place, base.total), index)
    if isinstance(known, bool) or MASK in index.names or (is_collection(index) and is_collection(base)):
        return at_positions(base, index) if is_collection(base) else base
    if index.span is not None and is_collection(base):
        return _at_span(base, index.span)
    if WITHOUT in index.names and not index.fields and is_collection(base):
        return without_row(base)
    if isinstance(known, list) and known and is_collection(base):
        return listed(base, known)
    if OTHER in index.names:
        return Value()
    row = base.fields.get(UNKNOWN)
    if isinstance(known, str | int) and str(known) in base.fields:
        return base.fields[str(known)]
    if row is not None:
        if isinstance(known, str):
            if known in row.fields:
                cell = row.fields[known]
                return replace(cell, names=cell.names | {COLUMN}, place=base.place, total=base.total)
            return Value() if row.closed else None
        if isinstance(known, int) and base.place is not None and base.place >= 0 and base.total is not None:
            return row if known % max(base.total, 1) == base.place else Value(names=frozenset([OTHER]))
        if not is_followed(row):
            return None
        number = isinstance(known, int)
        every = EVERY in index.names or (base.place == ANYWHERE if number else bool(index.texts))
        return row if every else unclear(row)
    if base.closed:
        return Value() if known is not UNKNOWN_VALUE else None
    keys = [name for name in base.fields if not name.isdigit()]
    if keys and len(keys) == len(base.fields) and not base.taints:
        if known is UNKNOWN_VALUE:
            return unclear(joined(*base.fields.values()))
        return base.fields.setdefault(str(known), Value())
    if not base.fields and not base.taints and not base.splits and isinstance(known, str) and not base.names - _DICTS:
        return base.fields.setdefault(known, Value(total=0))
    return None


def _at_span(base: Value, span: range) -> Value | None:
    """Return what a list holds at some positions, one after the other."""
    row = base.fields[UNKNOWN]
    if not is_followed(row):
        return None
    if base.place is not None and base.place >= 0:
        inside = base.place in span or (base.total is not None and base.place - base.total in span)
        return row if inside else Value()
    every = base.total is not None and set(range(base.total)) <= set(span[:LONGEST_SPAN])
    return row if every else unclear(row)


def at_positions(base: Value, index: Value) -> Value:
    """Return the rows that a mask keeps, or those at some positions."""
    inner = column(index)
    known = literal(inner)
    if isinstance(known, int) and not isinstance(known, bool) and is_collection(index):
        certain = base.place is not None and base.place >= 0
        return chosen(base, known == base.place if certain else None)
    if isinstance(known, bool) or MASK in inner.names:
        return chosen(base, mask_truth(index))
    if OTHER in inner.names:
        return without_row(base)
    if inner.span is not None and base.place is not None and base.place >= 0:
        return chosen(base, base.place in inner.span)
    return chosen(base, True if EVERY in inner.names else None)


def _of_mapping(base: Value, index: Value) -> Value:
    """Return the value at a key of a dictionary."""
    known = literal(index)
    if known is not UNKNOWN_VALUE:
        name, other = key_name(known), base.fields.get(ANY_KEY)
        if other is not None and is_followed(other):
            return unclear(joined(other, base.fields[name])) if name in base.fields else unclear(other)
        if name in base.fields:
            return base.fields[name]
        if base.closed or base.taints:
            return Value(base.taints)
        return base.fields.setdefault(name, Value(total=None if base.fields else 0))
    parts = list(base.fields.items())
    if index.span is not None:
        return joined(*[part for name, part in parts if key_of(name) in index.span] or [Value(base.taints)])
    if any(is_followed(part) for _, part in parts):
        return unclear(joined(*(part for _, part in parts)))
    return base.fields.setdefault(ANY_KEY, Value(total=0))


def open_mapping(value: Value) -> bool:
    """Return True for a dictionary that may have more keys than those that are known."""
    return value.mapping and not value.closed and not is_collection(value)


def listed(base: Value, known: list[Any]) -> Value:
    """Return the columns or the rows of these names or positions."""
    if all(isinstance(one, bool) for one in known):
        known = [number for number, keep in enumerate(known) if keep]
    if all(isinstance(one, int) for one in known):
        if base.place is None or base.place < 0:
            return as_slice(replace(base, fields=dict(base.fields), place=None, total=len(known)))
        inside = base.place in known
        result = replace(base, fields=dict(base.fields), total=len(known))
        return replace(result, place=known.index(base.place)) if inside else without_row(base)
    row = base.fields[UNKNOWN]
    fields = {name: row.fields[name] for name in known if name in row.fields}
    return replace(base, fields={UNKNOWN: replace(row, fields=fields)}) if fields else base


def set_item(owner: Value, key: ast.expr, index: Value, value: Value, *, certain: bool) -> None:
    """Assign to a key, a column, or some rows of a value.

    Args:
        owner: the value.
        key: the subscript.
        index: its value.
        value: what is assigned.
        certain: whether it is certainly executed.
    """
    known = literal(index)
    row = owner.fields.get(UNKNOWN)
    if owner.mapping and row is None:
        owner.set_field(ANY_KEY if known is UNKNOWN_VALUE else key_name(known), value, certain=certain)
        return
    if row is not None and is_collection(value) and value.place != owner.place:  # other rows' values
        value = Value(value.all())
    if COLUMN in value.names:
        value = replace(value, names=value.names - {COLUMN})
    if row is not None and isinstance(key, ast.Tuple) and len(key.elts) == 2:
        mask, name = index.fields.get("0", Value()), literal(index.fields.get("1", Value()))
        verdict = True if isinstance(key.elts[0], ast.Slice) else mask_truth(mask)
        if isinstance(name, str) and verdict is not False:
            row.set_field(name, column(value), certain=certain and verdict is True)
            return
        if verdict is False:
            return
    if row is not None and isinstance(known, str) and (is_followed(row) or row.fields):
        row.set_field(known, column(value), certain=certain)
    elif isinstance(known, str | int) and row is None:
        owner.set_field(str(known), value, certain=certain)
    else:
        owner.set_field(UNKNOWN, column(value) if row is not None else value)
        if row is not None and owner.place != ANYWHERE and not (known == owner.place and is_followed(value)):
            owner.place = None
