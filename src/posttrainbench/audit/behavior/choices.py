"""Choices among rows where one row is followed (`rows.World`): conditions, masks, slices, keys and sums of lists.

For the row that is followed, a choice is computed: it stays or it does not. What cannot be computed marks the row as
`unclear`, unless it is a condition that chooses no rows by what they are: on lengths, counters and the like.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior.concrete import (
    UNKNOWN_VALUE,
    combined,
    compared,
    dictionary,
    literal,
    literal_value,
    truth,
)
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

MASK = "a mask"
"""Name of the results of comparisons that are not known."""
LAST = "the last position"
OTHER = "another position"
"""Name of the positions in a range that does not contain that of the row."""
KEYS = "keys of a dictionary"
"""Name of the keys of a dictionary that has more keys than those that are known."""
_LONGEST_SPAN = 5000
"""Numbers that are tried one by one, and elements of a list of constants that is made by `*` and `+`."""
VIEWS = frozenset("loc iloc at iat str values dt T array".split())
"""Attributes of tables and columns through which the same rows are chosen."""


def is_followed(value: Value) -> bool:
    """Return True if a value comes from a file."""
    return any(taint.kind == "test" for taint in value.all())


def without_row(value: Value) -> Value:
    """Return a collection without the row that is followed; its other rows are of no interest."""
    return Value(names=value.names | {WITHOUT}, whole=True, truth=value.truth)


def chosen(value: Value, verdict: bool | None) -> Value:
    """Return the rows that a condition keeps: with the one that is followed, without it, or perhaps."""
    if verdict is False:
        return without_row(value)
    kept = replace(value, fields=dict(value.fields), place=ANYWHERE if value.place == ANYWHERE else None, total=None)
    return kept if verdict else unclear(kept)


def mask_truth(mask: Value) -> bool | None:
    """Return whether a mask or a result keeps the row that is followed."""
    return mask_truth(mask.fields[UNKNOWN]) if is_collection(mask) else truth(mask)


def comparison(left: Value, operators: list[ast.cmpop], others: list[Value]) -> Value:
    """Return the result of a comparison."""
    results = [_compared(*operands) for operands in zip([left, *others], operators, others, strict=False)]
    if False in [result for result in results if isinstance(result, bool)]:
        return literal_value(False, NONE)
    if all(isinstance(result, bool) for result in results):
        return literal_value(True, NONE)
    return Value(names=frozenset([MASK]))


def _compared(left: Value, operator: ast.cmpop, right: Value) -> Any:
    if isinstance(operator, ast.In | ast.NotIn):
        inside = contains(right, literal(left))
        return inside if inside is UNKNOWN_VALUE else inside is isinstance(operator, ast.In)
    known = literal(column(left)), literal(column(right))
    return UNKNOWN_VALUE if UNKNOWN_VALUE in known else compared(known[0], operator, known[1])


def column(value: Value) -> Value:
    """Return the value of a column in the row that is followed."""
    return value.fields[UNKNOWN] if is_collection(value) else value


def contains(container: Value, element: Any) -> Any:
    """Return whether a container holds an element, `UNKNOWN_VALUE` if that is not known."""
    if element is UNKNOWN_VALUE:
        return UNKNOWN_VALUE
    known = literal(container)
    if known is not UNKNOWN_VALUE:
        return compared(element, ast.In(), known)
    if container.mapping and container.closed:
        return key_name(element) in container.fields
    if is_collection(container) and (span := container.fields[UNKNOWN].span) is not None:
        return isinstance(element, int) and element in span
    keys = container.fields and not any(name.isdigit() or name == UNKNOWN for name in container.fields)
    if keys and (container.closed or not (container.taints or container.names)):
        return (key_name(element) if container.mapping else str(element)) in container.fields  # of a dictionary
    if is_collection(container):
        own = literal(container.fields[UNKNOWN])
        if own is UNKNOWN_VALUE or not is_followed(container.fields[UNKNOWN]):
            return UNKNOWN_VALUE
        return own == element  # made of another file in the same way, such as questions to compare with
    # Without the row, such as the names of those that a condition kept.
    empty = not container.fields and not container.taints and (container.total == 0 or WITHOUT in container.names)
    return False if empty else UNKNOWN_VALUE


def binary(left: Value, operator: ast.operator, right: Value) -> Value | None:
    """Return the result of a binary operator on known values, masks, dictionaries and lists; None for others."""
    if (result := _of_lists(left, operator, right)) is not None:
        return result
    first, second = literal(column(left)), literal(column(right))
    if first is not UNKNOWN_VALUE and second is not UNKNOWN_VALUE and not isinstance(first, list):
        result = combined(first, operator, second)
        if result is not UNKNOWN_VALUE:
            return literal_value(result, left.all() | right.all())
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
    if isinstance(operator, ast.Add) and (is_list(left) or is_list(right)):
        return concatenated([left, right])
    return None


def _of_lists(left: Value, operator: ast.operator, right: Value) -> Value | None:
    """Return differences and intersections of sets, repeated lists, and numbers of rows that are changed."""
    number = literal(right)
    if left.span is not None and isinstance(operator, ast.Mod) and isinstance(number, int) and len(left.span) >= number:
        return Value(names=right.names & {EVERY}, span=None if EVERY in right.names else range(max(number, 0)))
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


def is_position(value: Value) -> bool:
    """Return True for the known position of the row, or one of several that are known."""
    return value.span is not None or (isinstance(value.literal, int) and not isinstance(value.literal, bool))


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
    if size > _LONGEST_SPAN or is_followed(left) or is_followed(right):
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
        return rows
    return replace(rows, fields=dict(fields), place=ANYWHERE if rows.place == ANYWHERE else None, total=None)


def is_list(value: Value) -> bool:
    """Return True for lists whose length or whose row is known."""
    return is_collection(value) or value.total is not None


def concatenated(parts: Sequence[Value]) -> Value:
    """Return the rows of some collections, one after the other."""
    result = Value(total=0, whole=True)
    for part in parts:
        extend(result, part)
    return result


def extend(target: Value, added: Value) -> None:
    """Add the rows of a collection to a list."""
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


def merged(left: Value, right: Value) -> Value:
    """Return a dictionary with the keys of both, those of `right` first."""
    closed = left.closed or right.closed
    return Value(left.taints | right.taints, fields={**left.fields, **right.fields}, closed=closed, truth=True)


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
    if not plain or len(lengths) != 1 or max(lengths) > _LONGEST_SPAN or rows.place is None or spans[2] is not None:
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


def as_slice(value: Value, depth: int = 6) -> Value:
    """Return rows that a slice may have cut off."""
    taints = value.taints if depth else value.all()
    return replace(
        value,
        taints=frozenset(replace(one, part=one.part or "slice") if one.kind == "test" else one for one in taints),
        fields={name: as_slice(part, depth - 1) for name, part in value.fields.items()} if depth else {},
    )


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
            return row if known % max(base.total, 1) == base.place else Value()
        if not is_followed(row):
            return None
        every = EVERY in index.names or (isinstance(known, int) and base.place == ANYWHERE) or bool(index.texts)
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
    every = base.total is not None and set(range(base.total)) <= set(span[:_LONGEST_SPAN])
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


DEFAULT_DICTS = frozenset(("collections.defaultdict()", "defaultdict()"))
_DICTS = DEFAULT_DICTS | {"dict()", "collections.OrderedDict()"}


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


def is_neutral(test: ast.expr) -> bool:
    """Return True for conditions that do not choose rows by what they are: lengths, counters, blank lines."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return is_neutral(operand)
        case ast.BoolOp(_, parts):
            return all(map(is_neutral, parts))
        case ast.Compare(left, _, others):
            return any(map(_measures, (left, *others)))
    return is_blank(test) or _measures(test)


def is_blank(test: ast.expr) -> bool:
    """Return True if a condition only leaves out blank lines."""
    match test:
        case ast.UnaryOp(ast.Not(), operand):
            return is_blank(operand)
        case ast.Call(ast.Attribute(ast.Name(), "strip" | "rstrip"), []):
            return True
        case ast.Compare(left, [ast.NotEq() | ast.Eq()], [ast.Constant(value="" | "\n")]):
            return is_blank(left) or isinstance(left, ast.Name)
    return False


def _measures(node: ast.expr) -> bool:
    for part in ast.walk(node):
        match part:
            case ast.Call(ast.Attribute(_, "random" | "rand" | "uniform" | "randint")):
                return True
            case ast.Call(ast.Name("len")) | ast.Attribute(_, "shape" | "numel" | "num_tokens" | "n_tokens" | "length"):
                return True
            case ast.BinOp(_, ast.Mod(), _):
                return True
    return False


def pattern(subject: Value, node: ast.pattern, value: Callable[[ast.expr], Value]) -> bool | None:
    """Return whether a pattern of `match` fits a value; None if that is not known.

    Args:
        subject: the value.
        node: the pattern.
        value: returns the value of an expression.
    """
    match node:
        case ast.MatchAs(None, _):
            return True
        case ast.MatchAs(ast.pattern() as inner, _):
            return pattern(subject, inner, value)
        case ast.MatchOr(patterns):
            answers = [pattern(subject, one, value) for one in patterns]
            return True if True in answers else None if None in answers else False
        case ast.MatchValue(expected):
            return truth(comparison(subject, [ast.Eq()], [value(expected)]))
        case ast.MatchSingleton(expected_value):
            known = literal(subject)
            return None if known is UNKNOWN_VALUE else known is expected_value
        case ast.MatchMapping(keys, patterns):
            answers = []
            for key, one in zip(keys, patterns, strict=True):
                part = subject.fields.get(str(literal(value(key))))
                if part is None:
                    return False if subject.closed else None
                answers.append(pattern(part, one, value))
            return False if False in answers else None if None in answers else True
        case ast.MatchSequence(patterns) if all(str(number) in subject.fields for number in range(len(patterns))):
            answers = [pattern(subject.fields[str(number)], one, value) for number, one in enumerate(patterns)]
            return False if False in answers else None if None in answers else True
    return None


def captures(subject: Value, node: ast.pattern) -> dict[str, Value]:
    """Return the names that a pattern of `match` binds."""
    match node:
        case ast.MatchAs(inner, name):
            found = captures(subject, inner) if inner is not None else {}
            return found | ({name: subject} if name else {})
        case ast.MatchMapping(keys, patterns, rest):
            found = {rest: subject} if rest else {}
            for key, one in zip(keys, patterns, strict=True):
                name = str(key.value) if isinstance(key, ast.Constant) else ""
                found |= captures(subject.fields.get(name, Value(subject.all())), one)
            return found
        case ast.MatchSequence(patterns):
            found = {}
            for number, one in enumerate(patterns):
                found |= captures(subject.fields.get(str(number), Value(subject.all())), one)
            return found
    return {}


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


def blur(rows: Value) -> None:
    """Forget the values of the row in a table, which may have been changed."""
    row = rows.fields[UNKNOWN]
    rows.fields[UNKNOWN] = unclear(
        Value(row.all(), fields={name: Value(part.all()) for name, part in row.fields.items()})
    )


def doubtful(rows: Value) -> None:
    """Mark the row in a list as unclear."""
    marked = unclear(rows)
    rows.fields, rows.taints, rows.names = marked.fields, marked.taints, marked.names
    if rows.place != ANYWHERE:
        rows.place, rows.total = None, None
